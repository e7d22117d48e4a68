"""F28, F31 to F33: the broker goes, wake-ups get lost, come twice, come while their work is under way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orchestration import clock
from orchestration.engine import queue
from orchestration.engine.models import Execution, JournalEntry, Shift
from tests.faults import workflows
from tests.faults.lab import Lab, fault
from tests.faults.site import Site


def _ended(execution: str) -> bool:
    return Execution.objects.filter(id=execution, ended_at__isnull=False).exists()


def _time_of(site: Site, workflow: str) -> float:
    """Start an execution, wait for its end, and return how long it took."""
    began = clock.monotonic()
    each = site.start(workflow)
    site.until(lambda: _ended(each), "its end")
    return clock.monotonic() - began


@fault("F28", "Redis is killed, emptied, and away", quick=1, full=3, p99=8, on=("postgres",))
def redis_goes(lab: Lab) -> None:
    """Take the broker away: executions go on by the database alone, and new ones are taken in."""
    with lab.redis() as redis, lab.site(REDIS_URL=redis.url) as site:
        site.save(workflows.chain("chain", 20, seconds=0.05))
        web = site.web()
        site.worker()
        for _ in range(lab.trials):
            for how in ("kill", "flush", "away"):
                for _ in range(3):
                    site.ask_to_start(web, "chain")
                seen = JournalEntry.objects.count()
                site.until(lambda seen=seen: JournalEntry.objects.count() > seen + 5, "work under way")
                if how == "flush":
                    redis.client().flushall()
                else:
                    redis.kill()
                if how == "away":
                    # A start while there is no broker is acknowledged all the same: the row is what counts.
                    answer = site.ask_to_start(web, "chain")
                    lab.require(answer.status == 202, f"a start without Redis is answered {answer.status}")
                    site.all_ended()
                began = clock.monotonic()
                if how != "flush":
                    redis.start()
                each = site.ask_to_start(web, "chain").body["execution_id"]
                site.until(lambda each=each: _ended(each), "what is started afterwards")
                lab.recovered(clock.monotonic() - began)
                lab.tried()
        lab.examine(site)


@contextmanager
def _no_wake_ups() -> Iterator[None]:
    """Have this process's starts wake nobody, as when every message of theirs is lost."""
    wake = queue.wake
    queue.wake = lambda hint="": None
    try:
        yield
    finally:
        queue.wake = wake


@fault("F31", "every wake-up is lost", quick=3, full=15, p50=2, p99=4)
def wake_ups_lost(lab: Lab) -> None:
    """Start without a ring and without a task, with no shift awake: the sweep finds it."""
    with lab.site(PODIUM_SHIFT_LINGER_SECONDS="0.2") as site, _no_wake_ups():
        site.save(workflows.chain("chain", 1))
        site.worker()
        _time_of(site, "chain")
        for _ in range(lab.trials):
            site.until(lambda: not Shift.objects.filter(state="awake").exists(), "no shift is awake")
            lab.recovered(_time_of(site, "chain"))
            lab.tried()
        lab.examine(site)


@fault("F32", "every wake-up comes ten times, and while its work is under way (F33)", quick=1, full=5)
def wake_ups_doubled(lab: Lab) -> None:
    """Send ten tasks with every start, and more while shifts run: one claim each, nothing twice."""
    started = []
    with lab.gentle() as site:
        site.save(workflows.chain("chain", 10, seconds=0.05))
        if not lab.quick:
            site.worker()
        for _ in range(lab.trials):
            for _ in range(5):
                started.append(site.start("chain"))
                for _ in range(10):
                    queue.enqueue(queue.WORK)
                    lab.tried()
            for _ in range(10):
                threading.Event().wait(0.05)
                queue.enqueue(queue.WORK)
                lab.tried()
            site.all_ended()
        retried = JournalEntry.objects.filter(type="step.retrying", execution_id__in=started)
        lab.require(not retried.exists(), "a step was taken from its shift")
        lab.examine(site)
