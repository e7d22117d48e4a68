"""The supervisor: keeps clusters running, and looks once a second whether work lies about that nobody takes.

True at all times: each cluster it started is a process group with a boot id of its own (cluster_process.py); one that
died, or that is seen to be half dead (liveness.py), is started anew at once, while what still lives of the old one has
three seconds to hand over before it is killed as a whole, its shifts declared dead at once. Work that is due while no
shift is awake gets a wake-up within a second, whatever became of the one that was sent first. The end of a process of
its own clusters wakes it; shifts of other hosts are declared dead when their lease has run out (on PostgreSQL: when
they have lost their lock), by whichever supervisor looks first.

It holds no state that matters: a supervisor that dies takes its clusters along (the kernel kills them), and the next
one finds everything in the database. To stop, it closes the pipes that all shifts watch: they hand over within a
second, before the clusters are told to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections
from django.db.models import F

from orchestration import clock
from orchestration.engine import doorbell, duties, pulse, queue
from orchestration.engine.cluster_process import ClusterProcess
from orchestration.engine.journal import UNANSWERED
from orchestration.engine.liveness import Liveness
from orchestration.engine.models import ENDED, Shift
from orchestration.engine.process_table import Deaths
from orchestration.engine.service_back import Heralds
from orchestration.engine.store import Backlog, Store
from orchestration.engine.stores import open_store
from orchestration.engine.whereabouts import is_gone
from orchestration.registry import expiry, probes

log = structlog.get_logger(__name__)

T = TypeVar("T")
STOP_SECONDS = 9.0
# What a cluster that is replaced has to hand over; its new one is starting meanwhile.
RETIRE_SECONDS = 3.0
TIDY_SECONDS = 60.0
BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_SECONDS = 60.0
POLL_SECONDS = 0.02


@dataclass(slots=True)
class Place:
    """A cluster that should run: what runs just now, how it is, and how often it ended lately."""

    name: str
    workers: int
    slowest: float = 0.0
    process: ClusterProcess | None = None
    liveness: Liveness | None = None
    started: float = 0.0
    failures: int = 0
    again_at: float = 0.0
    newest: int = 0
    deaths: int = 0
    doubted_at: int | None = None


class Supervisor:
    """What `manage.py worker` runs."""

    def __init__(self, podium: Any, clusters: tuple[str, ...]) -> None:
        self._podium = podium
        self._places = [_place(name) for name in clusters]
        self._retiring: list[tuple[ClusterProcess, float]] = []
        self._stopping = False
        self._news = asyncio.Event()
        self._deaths = Deaths(self._news.set)
        self._store: Store = open_store(podium)
        self._next_due: int | None = None
        self._tidied_at = clock.monotonic()
        self._heralds = Heralds(clock.monotonic)
        self._listens = False

    async def run(self) -> None:
        """Run until SIGTERM, SIGINT or SIGHUP."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)
        try:
            while not self._stopping:
                self._news.clear()
                try:
                    await self._pulse()
                except UNANSWERED as error:
                    log.warning("the database does not answer", error=str(error))
                except Exception:
                    log.exception("a pulse failed")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), self._pause())
        finally:
            await self._stop_all()
            await self._store.close()

    def _stop(self) -> None:
        self._stopping = True
        self._news.set()

    def _pause(self) -> float:
        """Return how long until the next pulse: a sweep, or until the next timer if no shift waits for it."""
        return pulse.pause(self._next_due, clock.now_us(), float(self._podium.sweep_seconds))

    # Clusters -----------------------------------------------------------------------------------------------------

    def _start(self, place: Place) -> None:
        process = place.process = ClusterProcess(place.name)
        place.started = clock.monotonic()
        place.deaths, place.doubted_at = 0, None
        place.liveness = Liveness(
            place.started,
            workers=place.workers,
            canary_seconds=self._podium.canary_seconds,
            slowest=place.slowest,
        )
        log.info("cluster started", cluster=place.name, pid=process.pid, boot=process.boot)

    def _look_after(self) -> set[str]:
        """Start what should run and does not, later each time; return the boot ids of what has ended."""
        ended: set[str] = set()
        for place in self._places:
            process, now = place.process, clock.monotonic()
            if process is not None and (status := process.poll()) is not None:
                log.error("cluster ended", cluster=place.name, status=status)
                process.kill()
                ended.add(process.boot)
                self._vacate(place, now)
            if place.process is None and now >= place.again_at:
                self._start(place)
        return ended

    def _vacate(self, place: Place, now: float) -> None:
        steady = now - place.started > STEADY_SECONDS
        place.failures = 1 if steady else min(place.failures + 1, len(BACKOFF_SECONDS) - 1)
        place.again_at = now + BACKOFF_SECONDS[place.failures - 1]
        place.process = None

    async def _kill_retired(self, backlog: Backlog) -> set[str]:
        """Kill what was replaced and has handed over, or had the time to; return the boot ids of what was killed."""
        now = clock.monotonic()
        awake = {boot for _, boot in backlog.awake.values()}
        done = [process for process, until in self._retiring if now >= until or process.boot not in awake]
        self._retiring = [each for each in self._retiring if each[0] not in done]
        for process in done:
            process.kill()
            with contextlib.suppress(Exception):
                await _in_django(partial(queue.forget_canaries, process.name, process.boot))
        return {process.boot for process in done}

    async def _stop_all(self) -> None:
        running = [place.process for place in self._places if place.process is not None]
        for process in (*running, *(process for process, _ in self._retiring)):
            process.hand_over()
            process.terminate()
        until = clock.monotonic() + STOP_SECONDS
        while clock.monotonic() < until and any(process.poll() is None for process in running):
            await asyncio.sleep(POLL_SECONDS)
        for process in (*running, *(process for process, _ in self._retiring)):
            process.kill()
        self._deaths.watch(())

    # The pulse ----------------------------------------------------------------------------------------------------

    async def _pulse(self) -> None:
        ended = self._look_after()

        async def gone(backlog: Backlog) -> list[int]:
            over = ended | await self._kill_retired(backlog)
            return [each for each, (worker, boot) in backlog.awake.items() if boot in over or is_gone(worker)]

        backlog, dead = await pulse.look_after(self._store, gone)
        if dead:
            log.warning("shifts declared dead", shifts=dead)
            await _in_django(doorbell.ring)
        self._next_due = None if backlog.awake else backlog.next_due
        await self._wake(backlog)
        for place in self._places:
            await self._watch(place, backlog)
        self._deaths.watch(self._pids())
        await _in_django(self._heralds.look)
        await self._keep_house()

    def _pids(self) -> set[int]:
        running = [place.process for place in self._places if place.process is not None]
        return {pid for process in running for pid in process.seen(answered=False).states or ()}

    async def _wake(self, backlog: Backlog) -> None:
        """Have a shift awake if work is due and none is, wherever; and one more of this host's if much is due."""
        podium, process = self._podium, self._places[0].process
        # Shifts that share one file only wait for each other.
        most = 0 if queue.database_is_local() else podium.workers
        mine = self._awake(self._places[0], backlog)
        if not pulse.too_few(backlog, mine=mine, workers=podium.workers, most=most, batch=podium.claim_batch):
            return
        if not backlog.awake:
            await self._send(queue.WORK, queue.SHIFTS)
        elif process is not None:
            await self._send(queue.WORK, queue.own_queue(queue.SHIFTS, process.boot))

    def _awake(self, place: Place, backlog: Backlog) -> int:
        boot = place.process.boot if place.process is not None else ""
        return sum(1 for _, other in backlog.awake.values() if other == boot)

    async def _send(self, function: str, name: str) -> None:
        """Send a task, unless one waits already."""
        try:
            if not await _in_django(lambda: queue.queued(name)):
                await _in_django(lambda: queue.enqueue(function, cluster=name))
        except Exception as error:
            log.warning("a task could not be sent", task=function, error=str(error))

    async def _watch(self, place: Place, backlog: Backlog) -> None:
        """Send the canary; have a cluster that is half dead replaced."""
        process, liveness = place.process, place.liveness
        if process is None or liveness is None:
            return
        answered = await self._answered(place, process.boot, backlog.newest_shift)
        full = self._awake(place, backlog) >= place.workers
        orders = liveness.look(clock.monotonic(), process.seen(answered=answered, full=full))
        if not liveness.doubtful:
            place.doubted_at = None
        elif liveness.deaths != place.deaths:
            place.doubted_at = clock.now_us()
        place.deaths = liveness.deaths
        for pid in orders.kill:
            log.error("killing a process that was stopped", cluster=place.name, pid=pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if orders.replace:
            log.error("cluster is half dead", cluster=place.name, why=orders.replace)
            self._replace(place, process)
        elif orders.canary:
            try:
                await _in_django(lambda: queue.send_canary(place.name, process.boot))
                liveness.sent(clock.monotonic())
            except Exception as error:
                log.warning("a canary could not be sent", cluster=place.name, error=str(error))

    async def _answered(self, place: Place, boot: str, newest: int) -> bool:
        """Tell whether a process of the cluster has reached the database since this was last asked.

        Once one of them has died, what others had in hand then proves nothing: they may come back from it to a queue
        whose lock died along. Only a canary sent after that tells.
        """
        if newest <= place.newest:
            return False
        rows = Shift.objects.filter(pk__gt=place.newest, pk__lte=newest, boot=boot)
        if place.doubted_at is not None:
            rows = rows.filter(state=ENDED, expires_at=F("started_at"), started_at__gte=place.doubted_at)
        found = await _in_django(rows.exists)
        place.newest = newest
        return found

    def _replace(self, place: Place, process: ClusterProcess) -> None:
        now = clock.monotonic()
        process.hand_over()
        self._retiring.append((process, now + RETIRE_SECONDS))
        self._vacate(place, now)
        if now >= place.again_at:
            self._start(place)

    async def _keep_house(self) -> None:
        if len(self._places) == 1:
            return
        if not self._listens:
            # Whoever was not heard while nobody listened has not fallen silent for that.
            await _in_django(lambda: expiry.note_restart(now=clock.now()))
            self._listens = True
        now = clock.monotonic()
        if now - self._tidied_at > TIDY_SECONDS:
            self._tidied_at = now
            await self._send(queue.TIDY, queue.HOUSEKEEPING)
        elif await _in_django(lambda: probes.any_due(now=clock.now())):
            await self._send(queue.PROBE, queue.HOUSEKEEPING)
        if (process := self._places[1].process) is not None:
            # To its own cluster: each host does its share, as far as it has a worker for it.
            own = queue.own_queue(queue.HOUSEKEEPING, process.boot)
            for task in await _in_django(duties.due):
                await self._send(task, own)


def _place(name: str) -> Place:
    if name == queue.HOUSEKEEPING:
        workers = settings.Q_CLUSTER["ALT_CLUSTERS"][name]["workers"]
        return Place(name, workers, slowest=probes.PASS_SECONDS)
    return Place(name, settings.Q_CLUSTER["workers"])


async def _in_django(function: Callable[[], T]) -> T:
    """Call what uses Django's connection, in the thread that has it; throw that away when it fails."""

    def call() -> T:
        try:
            return function()
        except BaseException:
            connections.close_all()
            raise

    return await sync_to_async(call)()


async def supervise(podium: Any, clusters: tuple[str, ...]) -> None:
    """Run the clusters until a signal says stop."""
    await Supervisor(podium, clusters).run()
