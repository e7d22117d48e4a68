"""Live settings at work: they hold for what starts after the change, and never for what runs already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from orchestration.configuration import operations as configuration
from orchestration.configuration import queries as live
from orchestration.domain import facts
from orchestration.engine import folding
from orchestration.engine.models import JournalEntry
from orchestration.registry.local import ServiceError
from tests.integration.engine.conftest import Shifts, Site, Worker, call
from tests.waiting import wait_for

Service = Callable[..., None]


def change(**values: Any) -> None:
    configuration.change_settings(values={f"workflows.{name}": value for name, value in values.items()}, by="test")


def began_with(execution: str, name: str) -> int:
    text = JournalEntry.objects.values_list("data", flat=True).get(execution_id=execution, type="workflow.started")
    return int(orjson.loads(text)["defaults"][name])


def test_retry_attempts_hold_for_what_starts_after_the_change(site: Site, shift: Shifts, service: Service) -> None:
    calls: dict[str, int] = {}

    def weak(input: dict[str, Any]) -> dict[str, Any]:
        calls[input["who"]] = calls.get(input["who"], 0) + 1
        raise ServiceError("http_503")

    service("weak", weak)
    step = call("b", "weak", "w", input={"who": "${input.who}"})
    site.save("weak", {"id": "w", "type": "wait", "signal": "go"}, step)
    before = site.start("weak", who="before")
    site.until(before, "step.waiting", "w")
    change(retry_attempts=5)
    after = site.start("weak", who="after")
    site.until(after, "step.waiting", "w")
    for each in (before, after):
        site.act(each, facts.Signal("go", None))
    assert [site.ended(each).status for each in (before, after)] == ["failed", "failed"]
    assert calls == {"before": 3, "after": 5}
    assert [site.detail(each).steps[1].max_attempts for each in (before, after)] == [3, 5]


def test_an_execution_ends_in_the_time_that_was_set_when_it_began(site: Site, shift: Shifts) -> None:
    site.save("long", {"id": "w", "type": "wait", "signal": "go"})
    before = site.start("long")
    site.until(before, "step.waiting", "w")
    change(default_timeout="1s")
    wait_for(lambda: live.seconds("workflows.default_timeout") == 1.0, what="the change")
    summary = site.ended(site.start("long"))
    assert (summary.status, summary.error and summary.error["code"]) == ("failed", "timeout")
    assert site.detail(before).summary.status == "running"
    assert began_with(before, "execution_timeout") == 3600 * 1_000_000


def test_a_fold_after_a_change_is_what_it_was(site: Site, shift: Shifts) -> None:
    site.save("long", {"id": "w", "type": "wait", "signal": "go"})
    execution = site.start("long")
    site.until(execution, "step.waiting", "w")
    change(default_timeout="2m", retry_attempts=9)
    run = folding.new_run(execution)
    folding.Folded(run).catch_up()
    assert run.started_at is not None
    assert run.deadline == run.started_at + 3600 * 1_000_000
    assert run.defaults.retry_attempts == 3


def test_max_concurrent_lets_in_what_waits_as_soon_as_it_rises(site: Site, shifts: Shifts, service: Service) -> None:
    running: set[int] = set()
    enough = asyncio.Event()

    async def work(input: dict[str, Any]) -> dict[str, Any]:
        running.add(input["n"])
        while len(running) < 5 and not enough.is_set():
            await asyncio.sleep(0.01)
        enough.set()
        return {}

    service("work", work)
    site.save("narrow", call("a", "work", input={"n": "${input.n}"}, timeout="1m"))
    change(max_concurrent=2)
    started = [site.start("narrow", n=n) for n in range(5)]
    shifts.start()
    wait_for(lambda: len(running) == 2, what="two at once")
    assert [site.detail(each).summary.status for each in started].count("pending") == 3
    change(max_concurrent=5)
    for each in started:
        assert site.ended(each).status == "completed"


@pytest.mark.slow
def test_a_change_reaches_the_worker_processes_that_are_running(site: Site, worker: Worker) -> None:
    site.save("short", {**call("a", "quick"), "service_name": "recorded"})
    worker.start()
    first = site.start("short")
    site.ended(first, timeout=60)
    change(retry_attempts=7)
    seen = [began_with(first, "retry_attempts")]

    def started_with_seven() -> bool:
        execution = site.start("short")
        site.ended(execution, timeout=60)
        seen.append(began_with(execution, "retry_attempts"))
        return seen[-1] == 7

    wait_for(started_with_seven, what="an execution that begins with the change", timeout=2.0)
    assert set(seen) == {3, 7}
    assert seen == sorted(seen)
