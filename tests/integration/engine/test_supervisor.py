"""Real clusters that are killed or stopped in part: each is found and replaced, and nothing is lost or done twice."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest
from django.conf import settings

from orchestration import clock
from orchestration.engine import queue
from orchestration.engine.models import Shift
from orchestration.engine.process_table import children_of, state_of
from orchestration.engine.recovery import check
from tests.integration.engine.conftest import Site, Worker
from tests.integration.engine.recorded import Call
from tests.integration.engine.test_worker import START_SECONDS, recorded
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

WITHIN_SECONDS = 15
WORKERS = settings.PODIUM.workers + 1
ROLES = ("root", "sentinel", "worker", "monitor", "pusher")


class Cluster:
    """The processes of a worker's cluster, by what they do."""

    def __init__(self, worker: Worker) -> None:
        assert worker.process is not None
        [self.root] = psutil.Process(worker.process.pid).children()
        [self.sentinel] = self.root.children()
        # They are forked in this order.
        found = sorted(self.sentinel.children(), key=lambda each: (each.create_time(), each.pid))
        *self.workers, self.monitor, self.pusher = found
        self.worker = self.workers[0]

    def all(self) -> list[psutil.Process]:
        """Return all of them."""
        return [self.root, self.sentinel, *self.workers, self.monitor, self.pusher]


def whole(worker: Worker) -> bool:
    """Tell whether the worker has one cluster with everybody in it, none of them stopped."""
    assert worker.process is not None
    clusters = children_of(worker.process.pid)
    if len(clusters) != 1 or len(sentinels := children_of(clusters[0])) != 1:
        return False
    states = [state_of(pid) for pid in (*clusters, *sentinels, *children_of(sentinels[0]))]
    return len(states) == WORKERS + 4 and not {"T", "Z", ""}.intersection(states)


def traces() -> int:
    return Shift.objects.count()


@pytest.fixture
def running(worker: Worker) -> Iterator[Worker]:
    """Return a worker whose cluster has answered."""
    worker.start()
    wait_for(lambda: whole(worker) and traces(), what="the cluster", timeout=START_SECONDS)
    yield worker
    # Shown with a test that fails.
    sys.stdout.write(worker.said())
    assert check() == []


def test_whoever_is_hit_the_cluster_works_again_and_nothing_is_done_twice(site: Site, running: Worker) -> None:
    """One after the other, each killed and each stopped, with a call under way every time."""
    site.save("order", recorded("a", "quick"), recorded("b", "slow", "a", input={"seconds": 0.4}))
    executions = []
    for number, role in [(number, role) for number in (signal.SIGKILL, signal.SIGSTOP) for role in ROLES]:
        executions.append(site.start("order"))
        site.until(executions[-1], "step.started", "b")
        hit = getattr(Cluster(running), role)
        os.kill(hit.pid, number)
        began = clock.monotonic()
        executions.append(site.start("order"))
        for each in executions[-2:]:
            assert site.ended(each, timeout=WITHIN_SECONDS + 10).status == "completed"
        wait_for(
            lambda: whole(running), what=f"a whole cluster after {number.name} of the {role}", timeout=WITHIN_SECONDS
        )
        taken = clock.monotonic() - began
        assert taken < WITHIN_SECONDS
        # The next one meets a cluster that works.
        before = traces()
        wait_for(lambda seen=before: traces() > seen, what="a canary", timeout=WITHIN_SECONDS)
    made = Counter((each.method, each.key, each.attempt) for each in running.calls.made())
    assert set(made.values()) == {1}, "nothing is called twice as the same attempt"
    for key, calls in Counter(each.key for each in running.calls.made("quick")).items():
        again = site.journal(key.partition("/")[0]).count(("step.retrying", "a"))
        assert calls == 1 + again, "what was answered is not called again"


def test_idle_workers_that_are_killed_again_and_again_freeze_it_never_for_long(site: Site, running: Worker) -> None:
    site.save("order", recorded("a", "quick"))
    for number in range(6):
        for each in Cluster(running).workers[: 1 + number % WORKERS]:
            each.kill()
        execution = site.start("order")
        assert site.ended(execution, timeout=WITHIN_SECONDS).status == "completed"
        wait_for(lambda: whole(running), what="a whole cluster", timeout=WITHIN_SECONDS)
        before = traces()
        wait_for(lambda seen=before: traces() > seen, what="a canary", timeout=WITHIN_SECONDS)
    assert len(running.calls.made("quick")) == 6


def test_a_cluster_whose_workers_are_all_in_shifts_is_left_alone(site: Site, running: Worker) -> None:
    """Full is not frozen: long calls in every shift, and the canaries still go through the one in reserve."""
    site.save("long", recorded("a", "slow", input={"seconds": 14}))
    before = Cluster(running).root.pid
    queue.enqueue(queue.WORK)
    executions = [site.start("long") for _ in range(4)]
    for each in executions:
        assert site.ended(each, timeout=40).status == "completed"
    assert Cluster(running).root.pid == before
    assert len(running.calls.made("slow")) == 4
    assert "half dead" not in running.said()


def test_after_the_death_of_a_worker_its_calls_are_made_again_within_two_seconds(site: Site, running: Worker) -> None:
    """The end of a process wakes the pulse; nobody waits for a lease."""
    retry = {"max_attempts": 2, "delay": "10ms", "jitter": 0}
    site.save("order", recorded("a", "slow", input={"seconds": 0.4}, retry=retry))
    seconds = []
    for _ in range(9):
        execution = site.start("order")
        site.until(execution, "step.started", "a")
        made = wait_for(lambda e=execution: calls_of(running, e), what="the call")
        began = clock.monotonic()
        os.kill(made[0].pid, signal.SIGKILL)
        wait_for(lambda e=execution: len(calls_of(running, e)) == 2, what="the second call", timeout=WITHIN_SECONDS)
        seconds.append(clock.monotonic() - began)
        assert site.ended(execution).status == "completed"
    assert sorted(seconds)[len(seconds) // 2] < 2, seconds
    assert max(seconds) < 8, seconds


def calls_of(worker: Worker, execution: str) -> list[Call]:
    return [each for each in worker.calls.made("slow") if each.key == f"{execution}/a"]
