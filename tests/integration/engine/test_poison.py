"""Executions that take their workers down: the one to blame is put aside, and nobody else suffers."""

from __future__ import annotations

import pytest

from orchestration import clock
from orchestration.domain.facts import Resume
from orchestration.engine.models import Execution, Shift
from orchestration.engine.recovery import check
from tests.integration.engine.conftest import Site, Worker
from tests.integration.engine.test_worker import START_SECONDS, recorded
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

NEIGHBOURS = 50
QUARANTINE_SECONDS = 60


def quarantined(execution: str) -> bool:
    return Execution.objects.filter(id=execution, quarantined=True).exists()


def deaths() -> int:
    return Shift.objects.filter(state="dead").count()


def started() -> float:
    """Wait until a worker has begun a shift, and return when."""
    wait_for(Shift.objects.exists, what="a shift", timeout=START_SECONDS)
    return clock.monotonic()


def test_of_those_that_were_claimed_together_only_the_one_to_blame_is_put_aside(site: Site, worker: Worker) -> None:
    worker.environment["PODIUM_POISON"] = "1"
    site.save("order", recorded("a", "quick"), recorded("b", "quick", "a"), config={"max_concurrent": 1000})
    before = [site.start("order") for _ in range(NEIGHBOURS // 2)]
    poison = site.start("order", poison=True)
    neighbours = [*before, *(site.start("order") for _ in range(NEIGHBOURS // 2))]

    worker.start()
    began = started()
    for each in neighbours:
        assert site.ended(each, timeout=QUARANTINE_SECONDS).status == "completed"
    wait_for(lambda: quarantined(poison), what="the quarantine", timeout=QUARANTINE_SECONDS)
    assert clock.monotonic() - began < QUARANTINE_SECONDS
    assert not Execution.objects.filter(id__in=neighbours, quarantined=True).exists()
    assert len(worker.calls.made("begin")) == deaths() == 3
    assert len(worker.calls.made("quick")) == 2 * NEIGHBOURS, "each call was made once"
    waiting, *_ = site.detail(poison).waiting_for
    assert (waiting.kind, "died" in waiting.detail) == ("quarantined", True)
    assert check() == []

    # A person releases it: it is counted anew, as a suspect that is driven alone.
    assert site.act(poison, Resume()).done
    wait_for(lambda: len(worker.calls.made("begin")) == 5, what="two more deaths", timeout=QUARANTINE_SECONDS)
    wait_for(lambda: quarantined(poison), what="the second quarantine", timeout=QUARANTINE_SECONDS)


def test_one_whose_decision_never_returns_is_put_aside_too(site: Site, worker: Worker) -> None:
    worker.environment.update(PODIUM_POISON="1", PODIUM_STALL_SECONDS="4.5")
    site.save("order", recorded("a", "quick"), config={"max_concurrent": 1000})
    neighbours = [site.start("order") for _ in range(5)]
    poison = site.start("order", poison="loop")
    worker.start()
    began = started()
    wait_for(lambda: quarantined(poison), what="the quarantine", timeout=QUARANTINE_SECONDS)
    assert clock.monotonic() - began < QUARANTINE_SECONDS
    for each in neighbours:
        assert site.ended(each, timeout=QUARANTINE_SECONDS).status == "completed"
    assert len(worker.calls.made("begin")) == deaths() == 3
    assert len(worker.calls.made("quick")) == 5


def test_calls_under_way_beside_one_that_kills_its_worker_again_and_again_come_to_their_end(
    site: Site, worker: Worker
) -> None:
    """The neighbours have three attempts; each loses two at most, and has its third without the one to blame."""
    site.save("poison", recorded("a", "abort", retry={"max_attempts": 20, "delay": "100ms"}))
    site.save(
        "slow", recorded("a", "slow", input={"seconds": 0.3}, retry={"max_attempts": 3, "delay": "100ms"}),
        config={"max_concurrent": 1000},
    )  # fmt: skip
    neighbours = [site.start("slow") for _ in range(10)]
    poison = site.start("poison")
    neighbours += [site.start("slow") for _ in range(10)]

    worker.start()
    began = started()
    wait_for(lambda: quarantined(poison), what="the quarantine", timeout=QUARANTINE_SECONDS)
    assert clock.monotonic() - began < QUARANTINE_SECONDS
    for each in neighbours:
        assert site.ended(each, timeout=QUARANTINE_SECONDS).status == "completed"
    assert not Execution.objects.filter(id__in=neighbours, quarantined=True).exists()
    assert len(worker.calls.made("abort")) == deaths() == 3
    assert check() == []
