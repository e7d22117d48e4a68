"""What goes wrong with processes and the database, at instants that luck draws."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from .process import Process

if TYPE_CHECKING:
    from .world import World

KILLED_AT_AN_EFFECT = "killed_at_effect"


class Nemesis:
    """Puts faults into a world until it is told to rest."""

    def __init__(self, world: World, luck: Random) -> None:
        self._world = world
        self._luck = luck
        self._resting = False
        swarm = world.swarm
        for every, strike in (
            (swarm.kill_every, self._kill),
            (swarm.stop_every, self._stop),
            (swarm.pause_every, self._pause),
            (swarm.stall_every, self._stall),
            (swarm.supervisor_dies_every, self._kill_supervisor),
            (swarm.outage_every, self._outage),
            (swarm.away_every, self._take_away),
        ):
            if every:
                self._again(every, strike)

    def rest(self) -> None:
        """Let be, and let go on what stands still."""
        self._resting = True
        for process in self._world.processes:
            process.paused_until = process.loop.blocked_until = 0

    def at_effect(self, process: Process) -> None:
        """Perhaps kill a process at the very moment at which something it asked for took effect."""
        world = self._world
        if self._resting or not world.swarm.kill_at_effect or self._luck.random() >= world.swarm.kill_at_effect:
            return
        if process in world.queue.running:
            world.faults.note(KILLED_AT_AN_EFFECT)
            world.kill(process)

    def _again(self, every: float, strike: Callable[[], None]) -> None:
        def happen() -> None:
            if not self._resting:
                strike()
                self._again(every, strike)

        self._world.timetable.after(self._luck.expovariate(1 / every), happen)

    def _victim(self) -> Process | None:
        running = self._world.queue.running
        return self._luck.choice(running) if running else None

    def _kill(self) -> None:
        if (process := self._victim()) is not None:
            self._world.faults.note("kill")
            self._world.kill(process)

    def _stop(self) -> None:
        if (process := self._victim()) is not None:
            self._world.faults.note("stop")
            self._world.trace.note(f"{process.name} is asked to stop")
            process.loop.readable(self._world.STOP_FD)

    def _pause(self) -> None:
        if (process := self._victim()) is not None:
            self._world.faults.note("pause")
            seconds = self._luck.uniform(0, self._luck.choice([1.0, 3 * self._world.swarm.lease_seconds]))
            self._world.trace.note(f"{process.name} stands still for {seconds:.6f} s")
            process.pause(seconds, self._luck.choice([0.0, self._luck.uniform(0, 0.5)]))

    def _stall(self) -> None:
        if (process := self._victim()) is not None:
            self._world.faults.note("stall")
            seconds = self._luck.uniform(0, self._luck.choice([0.5, 2 * self._world.swarm.lease_seconds]))
            self._world.trace.note(f"the loop of {process.name} stands still for {seconds:.6f} s")
            process.stall(seconds)

    def _kill_supervisor(self) -> None:
        self._world.faults.note("supervisor_dies")
        self._world.kill_supervisor(self._luck.uniform(0.5, 8))

    def _take_away(self) -> None:
        self._world.faults.note("service_away")
        seconds = self._luck.uniform(0, self._luck.choice([1.0, 10.0, 40.0]))
        self._world.trace.note(f"there is nobody to call for {seconds:.6f} s")
        self._world.take_away(seconds)

    def _outage(self) -> None:
        self._world.faults.note("outage")
        seconds = self._luck.uniform(0, self._luck.choice([0.2, 3.0, 12.0]))
        self._world.trace.note(f"the database is down for {seconds:.6f} s")
        self._world.outage(seconds)
