"""A shift as a django-q2 task. It takes no arguments: losing one costs a second, doubling one costs an idle look.

The worker process was forked: the loop, the connections and the client are made here, after the fork. The loop and the
store's connections are kept from one shift to the next, since making them anew is most of what a start costs that finds
no shift awake. They are kept only after a shift that ended for want of work, with nothing under way; after every other
end they are thrown away.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from typing import Any

import structlog
import uvloop
from django.conf import settings
from django.db import close_old_connections, connections

from orchestration import clock
from orchestration.engine import queue
from orchestration.engine.driver import ShiftReport, run_shift
from orchestration.engine.journal import UNANSWERED
from orchestration.engine.models import ENDED, Shift
from orchestration.engine.ports import Ports
from orchestration.engine.real_ports import open_ports
from orchestration.engine.whereabouts import worker_name

log = structlog.get_logger(__name__)

STOP_FD = "PODIUM_STOP_FD"
# Objects of a run die by reference; what the collector finds is worth little, and looking is dear.
GC_THRESHOLD = 100_000


class Bench:
    """What a worker process keeps between its shifts: a loop, and the ways out, a store with open connections."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._ports: Ports | None = None

    @property
    def mine(self) -> bool:
        """Tell whether it was made by this process, and not by one that this was forked from."""
        return self._pid == os.getpid()

    def warm_up(self) -> None:
        """Open the connections, and have the database plan what every shift asks first. Raises what it raises."""
        self._runner.run(self._look())

    async def _look(self) -> None:
        self._ports = self._ports or open_ports(settings.PODIUM)
        await self._ports.store.warm_up()

    def work(self) -> ShiftReport:
        """Run a shift."""
        return self._runner.run(self._work())

    async def _work(self) -> ShiftReport:
        self._ports = self._ports or open_ports(settings.PODIUM)
        stop_fd = int(os.environ[STOP_FD]) if STOP_FD in os.environ else None
        boot = os.environ.get(queue.BOOT, "")
        return await run_shift(boot=boot, most=settings.PODIUM.workers, stop_fd=stop_fd, ports=self._ports)

    def close(self) -> None:
        """Let go of the connections and the loop."""
        with contextlib.suppress(*UNANSWERED), self._runner:
            if self._ports is not None:
                self._runner.run(self._ports.store.close())


_benches: list[Bench] = []


def work() -> dict[str, Any]:
    """Run one shift, ask for the next one if work is left, and return what was done."""
    close_old_connections()
    gc.set_threshold(GC_THRESHOLD, 50, 50)
    report = _work()
    if report.due and report.reason != "stopped":
        queue.enqueue(queue.WORK)
    connections.close_all()
    log.info("shift ended", reason=report.reason, taken=report.taken, entries=report.entries, commits=report.batches)
    return {"reason": report.reason, "taken": report.taken, "entries": report.entries, "batches": report.batches}


def _work() -> ShiftReport:
    fresh = not _benches
    try:
        report = _bench().work()
    except UNANSWERED:
        _clear()
        if fresh:
            raise
        # The connections that were kept had gone stale.
        return _work()
    except BaseException:
        _clear()
        raise
    if report.reason != "idle":
        # Nobody knows what is left on the line.
        _clear()
    return report


def _bench() -> Bench:
    if _benches and not _benches[0].mine:
        _benches.clear()
    if not _benches:
        _benches.append(Bench())
    return _benches[0]


def _clear() -> None:
    while _benches:
        _benches.pop().close()


def warm_up(**_: Any) -> None:
    """Have a worker process that was just forked ready for its first shift, if the database answers."""
    try:
        _bench().warm_up()
    except UNANSWERED as error:
        log.warning("the database does not answer", error=str(error))
        _clear()


def canary() -> None:
    """Leave a trace in the shifts' table: what the supervisor sends through the whole path, to see that it is open."""
    close_old_connections()
    now = clock.now_us()
    Shift.objects.create(
        worker=worker_name(),
        boot=os.environ.get(queue.BOOT, ""),
        pid=os.getpid(),
        state=ENDED,
        started_at=now,
        expires_at=now,
        ended_at=now,
    )
