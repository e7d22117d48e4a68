"""Backpressure inside: what is full makes whoever fills it wait, and all of it comes to its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings

from orchestration import clock
from orchestration.engine import operations, queue
from orchestration.engine.journal import Journal, Unit
from orchestration.engine.models import Execution, Shift
from orchestration.registry.local import CallContext
from tests.integration.engine.conftest import Shifts, Site, call
from tests.waiting import wait_for


@pytest.fixture
def narrow() -> Iterator[None]:
    """Have every queue of a shift as short as can be."""
    before = settings.PODIUM
    settings.PODIUM = replace(
        before, journal_queue=1, journal_batch=1, claim_batch=5, shift_concurrency=20, shift_calls=3
    )
    yield
    settings.PODIUM = before


def test_a_shift_with_short_queues_comes_to_the_end_of_its_work(
    narrow: None, site: Site, service: Callable[..., Any], shifts: Shifts
) -> None:
    service("quick", lambda input: {})
    site.save("wide", *[call(f"s{n}", "quick") for n in range(10)], config={"max_concurrent": 1000})
    executions = [site.start("wide") for _ in range(60)]
    shifts.start()
    for each in executions:
        assert site.ended(each, timeout=60).status == "completed"


def test_a_shift_with_enough_calls_under_way_takes_no_more(
    site: Site, service: Callable[..., Any], shifts: Shifts, narrow: None
) -> None:
    over = threading.Event()
    most: list[int] = []
    under_way: set[str] = set()

    async def wait(input: dict[str, Any], context: CallContext) -> dict[str, Any]:
        under_way.add(context.idempotency_key)
        most.append(len(under_way))
        while not over.is_set():
            await asyncio.sleep(0.01)
        under_way.discard(context.idempotency_key)
        return {}

    service("wait", wait)
    site.save("one", call("a", "wait"), config={"max_concurrent": 1000})
    executions = [site.start("one") for _ in range(40)]
    shifts.start()
    wait_for(lambda: len(under_way) >= 4, what="calls")
    # A few looks later there are no more: a claim takes five, and one was made with three under way at most.
    shift = Shift.objects.get()
    held = Execution.objects.filter(shift_id=shift.pk)
    wait_for(lambda: held.count() == len(under_way), what="every one that it holds to call")
    site.act(executions[0], operations.Pause())
    assert held.count() <= 3 + 5
    over.set()
    site.act(executions[0], operations.Resume())
    for each in executions:
        assert site.ended(each, timeout=60).status == "completed"
    assert max(most) <= 3 + 5


async def test_a_writer_that_is_behind_says_so() -> None:
    journal = Journal(None, 1, replace(settings.PODIUM, journal_queue=3), spoiled=lambda *_: None, now=lambda: 0)  # type: ignore[arg-type]
    for _ in range(3):
        journal.put(Unit("e", 1))
        assert not journal.behind
    journal.put(Unit("e", 1))
    assert journal.behind


def test_wake_ups_that_nobody_takes_are_few(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    before = queue.queued()
    for _ in range(3 * queue.WAKE_UPS_MOST):
        monkeypatch.setattr(queue, "_sent", [clock.monotonic() - 1])
        queue.wake()
    assert max(before, queue.WAKE_UPS_MOST) == queue.queued()
