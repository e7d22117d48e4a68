"""What carries wake-ups in the simulated world: bells that may stay silent, hearts, and the queue of shifts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import psycopg

from orchestration.engine.heartbeat import Heartbeat

from .counting import Faults
from .database import Database
from .network import Network
from .process import Process
from .swarm import Swarm
from .timetable import MICROSECONDS, Timetable

LONGEST_RING = 3.0
# One worker more than there may be shifts at once, for what must be driven alone (config/storage.py).
RESERVE = 1


class Bell:
    """One shift's ear."""

    def __init__(self, bells: Bells, process: Process, rung: Callable[[str], None]) -> None:
        self._bells = bells
        self.process = process
        self.rung = rung

    def ring_others(self) -> None:
        """Have the shifts look."""
        self._bells.ring()

    async def close(self) -> None:
        """Stop listening."""
        if self in self._bells.open:
            self._bells.open.remove(self)


class Bells:
    """All ears."""

    def __init__(self, timetable: Timetable, luck: Random, swarm: Swarm, faults: Faults) -> None:
        self.open: list[Bell] = []
        self.swarm = swarm
        self._timetable = timetable
        self._luck = luck
        self._faults = faults

    async def listen(self, process: Process, rung: Callable[[str], None]) -> Bell:
        """Return a bell that calls `rung` on the process's loop."""
        bell = Bell(self, process, rung)
        self.open.append(bell)
        return bell

    def ring(self) -> None:
        """Ring every bell, as far as luck lets it."""
        for bell in self.open:
            if self._luck.random() < self.swarm.ring_lost:
                self._faults.note("ring_lost")
                continue
            for _ in range(1 + self._chance("ring_doubled", self.swarm.ring_doubled)):
                late = self._chance("ring_late", self.swarm.ring_late)
                seconds = self._luck.uniform(0, LONGEST_RING) if late else self._luck.uniform(0, 0.002)
                self._timetable.after(seconds, partial(bell.process.loop.call_soon_threadsafe, bell.rung, ""))

    def _chance(self, kind: str, probability: float) -> bool:
        if self._luck.random() >= probability:
            return False
        self._faults.note(kind)
        return True


class Beat:
    """A heartbeat's connection; it holds the shift's lock on PostgreSQL."""

    def __init__(self, database: Database, network: Network, luck: Random, shift_id: int) -> None:
        self._shift = database.shifts[shift_id]
        self._database = database
        self._network = network
        self._luck = luck

    def beat(self) -> bool:
        """Renew the lease; False if the shift is not awake. Raises OperationalError."""
        swarm, draw = self._network.swarm, self._luck.random()
        if self._network.down or draw < swarm.statement_lost:
            raise psycopg.OperationalError("the database does not answer")
        self._shift.locked = True
        renewed = self._database.beat(self._shift.id)
        if draw < swarm.statement_lost + swarm.answer_lost:
            raise psycopg.OperationalError("the answer was lost")
        return renewed

    def close(self) -> None:
        """Let go of the connection."""
        self._shift.locked = False


class Heart:
    """The engine's own heartbeat, with the timetable for a thread: it goes on while the loop stands still."""

    def __init__(
        self, timetable: Timetable, process: Process, beat: Beat, podium: Any, lost: Callable[[], None]
    ) -> None:
        self._timetable = timetable
        self._process = process
        self._beat = beat
        self._heartbeat = Heartbeat(beat, podium, lost, clock=process)
        self._ending = False

    def start(self) -> None:
        """Start beating."""
        self._timetable.after(0, self._once)

    def stop(self) -> None:
        """Stop beating."""
        self._ending = True
        self._beat.close()

    def _once(self) -> None:
        process = self._process
        if process.gone:
            self._beat.close()
        elif process.paused_until > self._timetable.now:
            self._timetable.at(process.paused_until, self._once)
        elif not self._ending:
            wait = self._heartbeat.once()
            if wait is None:
                self._beat.close()
            else:
                self._timetable.at(self._timetable.now + round(wait * MICROSECONDS), self._once)


class Queue:
    """Wake-ups that wait for a worker process to run a shift. They may be lost or doubled on their way."""

    def __init__(
        self, timetable: Timetable, luck: Random, swarm: Swarm, faults: Faults, start: Callable[[], Process]
    ) -> None:
        self.swarm = swarm
        self.waiting = 0
        self.running: list[Process] = []
        self._starting = 0
        self._timetable = timetable
        self._luck = luck
        self._faults = faults
        self._start = start

    def enqueue(self) -> None:
        """Ask for a shift."""
        if self._luck.random() < self.swarm.wakeup_lost:
            self._faults.note("wakeup_lost")
            return
        self.waiting += 1
        if self._luck.random() < self.swarm.wakeup_doubled:
            self._faults.note("wakeup_doubled")
            self.waiting += 1
        self._serve()

    def over(self, process: Process) -> None:
        """Note that a worker process is free, or gone and replaced."""
        if process in self.running:
            self.running.remove(process)
        self._serve()

    def _serve(self) -> None:
        while self.waiting and len(self.running) + self._starting < self.swarm.workers + RESERVE:
            self.waiting -= 1
            self._starting += 1
            self._timetable.after(self._luck.uniform(0.01, 0.3), self._begin)

    def _begin(self) -> None:
        self._starting -= 1
        self.running.append(self._start())
