"""Wake-ups carry nothing: each may be lost or doubled, and what it was sent for is found by a look a second later."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from orchestration import clock
from orchestration.engine import doorbell, operations, queue
from orchestration.engine.models import Execution, Shift
from orchestration.engine.store_postgres import connection_arguments
from tests.cutting import cut_connections
from tests.integration.engine.conftest import Shifts, Site, Worker, call
from tests.integration.engine.test_worker import START_SECONDS, recorded
from tests.waiting import NeverHappened, wait_for

pytestmark = pytest.mark.slow

# A sweep, and what a start costs on a busy machine.
FOUND_SECONDS = 1.0 + 0.75


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose every wake-up of this process: no ring, no task."""
    monkeypatch.setattr(doorbell, "ring", lambda: None)
    monkeypatch.setattr(queue, "enqueue", lambda *_, **__: None)


@pytest.fixture
def running(worker: Worker) -> Worker:
    """Return a worker whose cluster has answered."""
    worker.start()
    wait_for(Shift.objects.exists, what="the cluster", timeout=START_SECONDS)
    return worker


def asleep() -> bool:
    return not Shift.objects.filter(state="awake").exists()


def test_a_start_whose_wake_up_was_lost_is_found_by_the_sweep(site: Site, running: Worker, deaf: None) -> None:
    site.save("order", recorded("a", "quick"))
    for _ in range(3):
        wait_for(asleep, what="no shift being awake", timeout=20)
        began = clock.monotonic()
        assert site.ended(site.start("order")).status == "completed"
        assert clock.monotonic() - began < FOUND_SECONDS


def test_a_lost_ring_is_found_by_the_shift_that_is_awake(
    site: Site, shift: Shifts, service: Callable[..., Any], deaf: None
) -> None:
    service("quick", lambda input: {})
    site.save("order", call("a", "quick"), {"id": "w", "type": "wait", "signal": "go", "dependencies": ["a"]})
    began = clock.monotonic()
    execution = site.start("order")
    site.until(execution, "step.waiting", "w")
    assert clock.monotonic() - began < FOUND_SECONDS
    began = clock.monotonic()
    site.act(execution, operations.Signal("go"))
    assert site.ended(execution).status == "completed"
    assert clock.monotonic() - began < FOUND_SECONDS


def test_a_wake_up_that_comes_ten_times_starts_nothing_twice(site: Site, running: Worker) -> None:
    site.save("order", recorded("a", "quick"))
    executions = []
    for _ in range(10):
        executions.append(site.start("order"))
        for _ in range(10):
            doorbell.ring()
            queue.enqueue(queue.WORK)
    for each in executions:
        assert site.ended(each).status == "completed"
    assert set(Counter(each.key for each in running.calls.made("quick")).values()) == {1}
    try:
        wait_for(lambda: queue.queued() == 0, what="the queue is empty again", timeout=60)
    except NeverHappened:
        pytest.fail(f"{queue.queued()} wake-ups are left; {running.said()[-4000:]}")
    assert "half dead" not in running.said()


@pytest.mark.needs_postgres
def test_one_commit_rings_once_at_most(site: Site, shift: Shifts, service: Callable[..., Any]) -> None:
    """Children and their parents tell each other a lot; what they say goes out with the commits, not one by one."""
    service("quick", lambda input: {})
    site.save("child", call("a", "quick"), config={"max_concurrent": 1000})
    site.save("parent", *[{"id": f"c{n}", "type": "subflow", "workflow": "child"} for n in range(100)])
    rings: list[str] = []
    over = threading.Event()

    def listen() -> None:
        arguments = connection_arguments(connection.get_connection_params())
        with psycopg.connect(**arguments, autocommit=True) as line:
            line.execute(f"LISTEN {doorbell.CHANNEL}")
            listening.set()
            while not over.is_set():
                rings.extend(each.channel for each in line.notifies(timeout=0.2))

    listening = threading.Event()
    ear = threading.Thread(target=listen)
    ear.start()
    assert listening.wait(5)
    assert site.ended(site.start("parent")).status == "completed"
    over.set()
    ear.join(5)
    shift.stop()
    [report] = shift.reports
    assert report.entries > 600
    assert len(rings) <= report.batches + 1, "one for the start, and one for each commit that told others something"


def test_the_sweep_pages_past_what_it_may_not_touch(
    site: Site, shifts: Shifts, service: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the one that is due lie more suspects, quarantined and full-up ones than a claim takes."""
    service("quick", lambda input: {})
    site.save("order", call("a", "quick"), config={"max_concurrent": 1000})
    site.save("full", call("a", "quick"), config={"max_concurrent": 1})
    monkeypatch.setattr(settings, "PODIUM", replace(settings.PODIUM, claim_batch=5))
    before = [site.start("order") for _ in range(40)]
    Execution.objects.filter(id__in=before[:20]).update(admitted=True, wake_at=1, claims=1)
    Execution.objects.filter(id__in=before[20:]).update(admitted=True, quarantined=True)
    holder, *others = [site.start("full") for _ in range(20)]
    Execution.objects.filter(id=holder).update(admitted=True, shift_id=Shift.objects.create(
        worker="w", boot="b", pid=os.getpid(), started_at=1, expires_at=2**60
    ).id)  # fmt: skip
    last = site.start("order")
    shifts.start()
    assert site.ended(last).status == "completed"
    for each in before[:20]:
        assert site.ended(each).status == "completed"
    assert set(Execution.objects.filter(id__in=before[20:]).values_list("status", flat=True)) == {"pending"}
    assert set(Execution.objects.filter(id__in=others).values_list("status", flat=True)) == {"pending"}


@pytest.mark.needs_postgres
def test_connections_that_were_kept_and_have_gone_stale_cost_a_look(site: Site, running: Worker) -> None:
    """A worker keeps its connections between shifts; while it slept the database was started anew, for all it knows."""
    site.save("order", recorded("a", "quick"))
    for _ in range(3):
        assert site.ended(site.start("order")).status == "completed"
        wait_for(asleep, what="no shift being awake", timeout=20)
        cut_connections()
        began = clock.monotonic()
        assert site.ended(site.start("order")).status == "completed"
        assert clock.monotonic() - began < FOUND_SECONDS
    assert len(running.calls.made("quick")) == 6
    assert "half dead" not in running.said()
