"""Real processes: what a killed, stopped or restarted worker leaves behind, and who goes on."""

from __future__ import annotations

import os
import signal
from collections import Counter

import psutil
import pytest

from orchestration import clock
from orchestration.engine.models import Execution, Shift
from tests.integration.engine.conftest import Site, Worker, call
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

RECOVERY_SECONDS = 8
START_SECONDS = 60


def recorded(step: str, method: str, *after: str, **more: object) -> dict[str, object]:
    return {**call(step, method, *after, **more), "service_name": "recorded"}


def order(site: Site, *, seconds: float) -> str:
    """Save and start: quick, a slow call, quick."""
    site.save(
        "order",
        recorded("reserve", "quick"),
        recorded("pay", "slow", "reserve", input={"seconds": seconds}),
        recorded("ship", "quick", "pay"),
    )
    return site.start("order")


def newest_shift() -> int:
    return Shift.objects.order_by("-id").values_list("id", flat=True).first() or 0


def awake() -> bool:
    return Shift.objects.filter(state="awake").exists()


def test_a_worker_that_is_killed_and_started_again_goes_on(site: Site, worker: Worker) -> None:
    worker.start()
    execution = order(site, seconds=0.5)
    wait_for(lambda: worker.calls.made("slow"), what="the slow call", timeout=START_SECONDS)
    worker.kill()
    killed = newest_shift()

    worker.start()
    wait_for(lambda: newest_shift() > killed, what="a shift", timeout=START_SECONDS)
    began = clock.monotonic()
    assert site.ended(execution).status == "completed"
    assert clock.monotonic() - began < RECOVERY_SECONDS

    made = Counter((each.method, each.key, each.attempt) for each in worker.calls.made())
    assert set(made.values()) == {1}, "nothing is called twice as the same attempt"
    assert {each.key for each in worker.calls.made("slow")} == {f"{execution}/pay"}, "every attempt has the same key"
    assert len(worker.calls.made("quick")) == 2, "what was answered is not called again"
    assert ("step.retrying", "pay") in site.journal(execution)


def test_a_worker_process_that_is_killed_is_noticed_by_its_supervisor(site: Site, worker: Worker) -> None:
    worker.start()
    execution = order(site, seconds=0.5)
    [made] = wait_for(lambda: worker.calls.made("slow"), what="the slow call", timeout=START_SECONDS)
    began = clock.monotonic()
    os.kill(made.pid, signal.SIGKILL)
    assert site.ended(execution).status == "completed"
    assert clock.monotonic() - began < RECOVERY_SECONDS
    assert len(worker.calls.made("slow")) == 2
    assert Shift.objects.filter(state="dead").count() == 1


def test_a_cluster_that_is_killed_as_a_whole_is_started_again(site: Site, worker: Worker) -> None:
    worker.start()
    wait_for(lambda: len(worker.tree()) >= 6, what="the cluster", timeout=START_SECONDS)
    execution = order(site, seconds=0.5)
    wait_for(lambda: worker.calls.made("slow"), what="the slow call", timeout=START_SECONDS)
    cluster = worker.tree()[1]
    left = [cluster, *cluster.children(recursive=True)]
    cluster.kill()
    _, alive = psutil.wait_procs(left, timeout=5)
    assert not alive, "no process of a cluster outlives it"
    assert site.ended(execution, timeout=30).status == "completed"


def test_a_worker_that_is_asked_to_stop_hands_over_without_burning_an_attempt(site: Site, worker: Worker) -> None:
    worker.start()
    execution = order(site, seconds=3)
    wait_for(lambda: worker.calls.made("slow"), what="the slow call", timeout=START_SECONDS)
    began = clock.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    wait_for(lambda: not awake(), what="the hand-over")
    assert clock.monotonic() - began < 2
    assert worker.process.wait(20) == 0
    row = Execution.objects.get(id=execution)
    assert (row.shift_id, row.handed_over, row.claims) == (None, True, 0)

    worker.start()
    assert site.ended(execution, timeout=60).status == "completed"
    slow = worker.calls.made("slow")
    assert {each.attempt for each in slow} == {1}, "the attempt that was handed over goes on under its number"
    assert ("step.retrying", "pay") not in site.journal(execution)


def test_nothing_is_left_of_a_supervisor_that_is_killed(worker: Worker) -> None:
    worker.start()
    wait_for(lambda: len(worker.tree()) >= 6, what="the cluster", timeout=START_SECONDS)
    tree = worker.tree()
    tree[0].kill()
    worker.process.wait(10)
    _, alive = psutil.wait_procs(tree[1:], timeout=5)
    assert not alive


def test_a_poisonous_step_fails_by_itself_and_its_neighbours_complete(site: Site, worker: Worker) -> None:
    site.save("poison", recorded("a", "abort", retry={"max_attempts": 2, "delay": "10ms"}))
    site.save("healthy", recorded("a", "quick"))
    poison = site.start("poison")
    neighbours = [site.start("healthy") for _ in range(5)]
    worker.start()
    for each in neighbours:
        assert site.ended(each, timeout=60).status == "completed"
    summary = site.ended(poison, timeout=60)
    assert summary.status == "failed"
    assert summary.error["code"] == "worker_lost"
    assert len(worker.calls.made("abort")) == 2


def test_ten_thousand_timers_would_wait_as_rows_not_as_processes(site: Site, worker: Worker) -> None:
    nap = {"id": "w", "type": "delay", "duration": "4s"}
    site.save("later", nap, recorded("a", "quick", "w"), config={"max_concurrent": 1000})
    executions = [site.start("later") for _ in range(300)]
    worker.start()
    wait_for(
        lambda: Execution.objects.filter(status="running", shift_id=None).count() > 250,
        what="most are put down",
        timeout=START_SECONDS,
    )
    for each in executions:
        assert site.ended(each, timeout=30).status == "completed"
    early = [
        step
        for each in executions[:50]
        for step in site.detail(each).steps
        if step.id == "w" and (step.ended_at - step.started_at).total_seconds() < 4
    ]
    assert not early
    assert len(worker.calls.made("quick")) == 300
