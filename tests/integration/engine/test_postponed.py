"""Executions whose service is away: they wait with the reason, burn no attempt, and go on when it is back."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from orchestration.domain import facts
from orchestration.engine import service_back
from orchestration.engine.listening import SERVICE, service_topic
from orchestration.engine.models import InboxItem, JournalEntry, Listening
from orchestration.engine.service_back import Heralds, tell_back
from orchestration.registry import discovery, operations, queries
from orchestration.registry.models import Instance
from tests.integration.engine.conftest import Shifts, Site, Worker
from tests.waiting import wait_for

AWAY = "no_healthy_instance"
SENTENCE = "waits for a healthy instance of payment: none of the {} instances of 'payment' "


class Payment:
    """A service behind a real address, that remembers who called it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        calls = self.calls

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                calls.append((self.path, self.headers["Idempotency-Key"], self.headers["Podium-Attempt"]))
                body = json.dumps({"paid": True}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@pytest.fixture
def payment() -> Iterator[Payment]:
    """Return a payment service that runs, and that nobody registered yet."""
    found = Payment()
    yield found
    found.close()


def register(team: int, payment: Payment, health: str = "healthy") -> str:
    """Register the service's instance and return its id. Nobody probes it."""
    view = operations.register(team_id=team, name="payment", address=payment.url)
    set_health(view.id, health)
    return view.id


def set_health(instance: str, health: str) -> None:
    Instance.objects.filter(pk=instance).update(health=health, probe_at=None)
    discovery.invalidate()


def pay(step: str = "pay", **more: Any) -> dict[str, Any]:
    return {"id": step, "type": "service", "service_name": "payment", "method": "charge", **more}


def postponed(execution: str) -> int:
    return JournalEntry.objects.filter(execution_id=execution, type="step.postponed").count()


def all_wait(executions: list[str]) -> None:
    wait_for(lambda: all(map(postponed, executions)), what="all are postponed", timeout=30)


def heralds() -> Heralds:
    """Return heralds whose every look comes a sweep after the last."""
    ticks = iter(range(0, 10**9, 10))
    return Heralds(lambda: float(next(ticks)))


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["unhealthy", "deregistered"])
def test_twenty_executions_wait_for_a_service_and_all_go_on_when_it_is_back(
    site: Site, worker: Worker, payment: Payment, gone: str
) -> None:
    instance = register(site.team, payment)
    if gone == "unhealthy":
        set_health(instance, "unhealthy")
    else:
        operations.deregister(team_id=site.team, instance_id=instance)
    site.save("order", pay(), {**pay("again"), "dependencies": ["pay"]})
    worker.start()
    executions = [site.start("order") for _ in range(20)]
    all_wait(executions)
    for each in executions:
        detail = site.detail(each)
        [reason] = [wait for wait in detail.waiting_for if wait.step == "pay"]
        step = detail.steps[0]
        if reason.kind == "postponed":
            assert reason.reason == AWAY
            assert reason.detail.startswith(SENTENCE.format(1 if gone == "unhealthy" else 0))
            assert reason.until == step.next_attempt_at
            assert (step.status, step.attempts) == ("waiting", 1)
        assert step.attempts == 1
    assert not payment.calls

    if gone == "unhealthy":
        set_health(instance, "healthy")
    else:
        register(site.team, payment)
    for each in executions:
        assert site.ended(each, timeout=30).status == "completed"
        assert [step.attempts for step in site.detail(each).steps] == [1, 1]
    assert Counter(payment.calls) == {
        ("/charge", f"{each}/{step}", "1"): 1 for each in executions for step in ("pay", "again")
    }
    assert not Listening.objects.filter(topic__startswith=SERVICE).exists()


def test_it_goes_on_by_itself_where_nobody_tells_it(site: Site, shift: Shifts, payment: Payment) -> None:
    instance = register(site.team, payment, "unhealthy")
    site.save("order", pay())
    execution = site.start("order")
    all_wait([execution])
    set_health(instance, "healthy")
    assert site.ended(execution).status == "completed"
    assert site.detail(execution).steps[0].attempts == 1


def test_it_goes_on_at_once_when_it_is_told(site: Site, shift: Shifts, payment: Payment, settings: Any) -> None:
    settings.PODIUM = replace(settings.PODIUM, postponed_seconds=300)
    shift.stop()
    shift.start()
    instance = register(site.team, payment, "unhealthy")
    site.save("order", pay())
    execution = site.start("order")
    all_wait([execution])
    wait_for(lambda: Listening.objects.filter(execution_id=execution).exists(), what="it listens")
    assert heralds().look() == 0
    set_health(instance, "healthy")
    assert heralds().look() == 1
    assert site.ended(execution).status == "completed"
    assert ("step.retrying", "pay") not in site.journal(execution)
    assert not InboxItem.objects.exists()


def test_a_cancel_and_a_pause_reach_what_waits(site: Site, shift: Shifts, payment: Payment) -> None:
    register(site.team, payment, "unhealthy")
    site.save("order", pay())
    cancelled, paused = site.start("order"), site.start("order")
    all_wait([cancelled, paused])
    assert site.act(cancelled, facts.Cancel()).status == "cancelled"
    assert site.act(paused, facts.Pause()).status == "paused"
    assert tell_back(site.team, "payment", most=10) == 1
    assert site.detail(paused).summary.status == "paused"
    assert not Listening.objects.filter(execution_id=cancelled).exists()


def test_a_service_that_nobody_ever_registered_still_fails(site: Site, shift: Shifts) -> None:
    site.save("order", pay())
    execution = site.start("order")
    assert site.ended(execution).status == "failed"
    assert site.detail(execution).steps[0].error["code"] == "service_not_found"


def test_the_executions_timeout_holds_while_it_waits(site: Site, shift: Shifts, payment: Payment) -> None:
    register(site.team, payment, "unhealthy")
    site.save("order", pay(), config={"timeout": "600ms"})
    execution = site.start("order")
    summary = site.ended(execution)
    assert (summary.status, summary.error["code"]) == ("failed", "timeout")
    assert not Listening.objects.exists()


def test_a_compensation_waits_for_its_service(site: Site, shift: Shifts, payment: Payment, service: Any) -> None:
    service("ok", lambda input: {})
    register(site.team, payment, "unhealthy")
    undo = {"service_name": "payment", "method": "refund"}
    booked = {"id": "book", "type": "service", "service_name": "s", "method": "ok", "compensate": undo}
    broken = {"id": "ship", "type": "service", "service_name": "nobody", "method": "x", "dependencies": ["book"]}
    site.save("order", booked, broken, config={"failure_policy": "compensate"})
    execution = site.start("order")
    all_wait([execution])
    [reason] = site.detail(execution).waiting_for
    assert (reason.kind, reason.reason) == ("compensation", AWAY)
    set_health(str(Instance.objects.get().pk), "healthy")
    assert site.ended(execution).status == "failed"
    assert site.detail(execution).steps[0].status == "compensated"
    assert payment.calls == [("/refund", f"{execution}/book/compensate", "1")]


# Telling that a service is back ---------------------------------------------------------------------------------------


def listeners(team: int, count: int, name: str = "payment") -> list[str]:
    """Have executions listen that nobody drives."""
    ids = [f"execution-{place:04}" for place in range(count)]
    Listening.objects.bulk_create(
        [Listening(execution_id=each, topic=service_topic(name), team_id=team) for each in ids]
    )
    return ids


def test_a_thousand_are_told_at_a_ramp_the_oldest_first(team: int, payment: Payment) -> None:
    ids = listeners(team, 1_000)
    register(team, payment)
    back = heralds()
    told = [back.look() for _ in range(14)]
    assert told == [10, 20, 40, 80, *[100] * 8, 50, 0]
    assert list(InboxItem.objects.order_by("id").values_list("execution_id", flat=True)) == ids
    assert set(InboxItem.objects.values_list("kind", "payload")) == {("service_back", '{"service":"payment"}')}


def test_a_ramp_begins_anew_when_the_service_was_away_again(team: int, payment: Payment) -> None:
    listeners(team, 100)
    instance = register(team, payment)
    back = heralds()
    assert [back.look(), back.look()] == [10, 20]
    set_health(instance, "unhealthy")
    assert back.look() == 0
    set_health(instance, "healthy")
    assert [back.look(), back.look()] == [10, 20]


def test_nobody_is_told_twice_within_a_sweep(team: int, payment: Payment) -> None:
    listeners(team, 100)
    register(team, payment)
    back = Heralds(lambda: 7.0)
    assert [back.look(), back.look()] == [10, 0]


def test_only_those_of_the_team_and_the_service_are_told(team: int, payment: Payment) -> None:
    listeners(team, 3)
    listeners(team, 2, name="carrier")
    Listening.objects.create(execution_id="other", topic=service_topic("payment"), team_id=team + 1)
    Listening.objects.create(execution_id="bus", topic="payment", team_id=team)
    register(team, payment)
    assert heralds().look() == 3
    assert sorted(service_back.awaited_services()) == [(team, "carrier"), (team + 1, "payment")]
    assert Listening.objects.filter(topic="payment").exists()


@pytest.mark.parametrize(
    ("status", "health", "fit"),
    [
        ("active", "healthy", True),
        ("active", "unknown", True),
        ("active", "unhealthy", False),
        ("draining", "healthy", False),
        ("inactive", "healthy", False),
    ],
)
def test_a_service_is_back_when_an_instance_may_be_called(
    team: int, payment: Payment, status: str, health: str, fit: bool
) -> None:
    instance = register(team, payment)
    Instance.objects.filter(pk=instance).update(status=status, health=health)
    asked = [(team, "payment"), (team + 1, "payment"), (team, "carrier")]
    assert queries.callable_services(asked) == ({(team, "payment")} if fit else set())
    assert bool(queries.get_service(team_id=team, name="payment").usable) is fit
