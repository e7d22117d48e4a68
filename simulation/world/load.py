"""Load on a world: executions that start when arrivals or users say so."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np

from orchestration.domain.lifecycle import COMPLETED
from orchestration.domain.limits import MICROSECONDS
from simulation.arrivals.closed import ClosedUsers
from simulation.arrivals.processes import Arrivals
from simulation.streams import KeyedDraws, Streams

from .cases import Case, CaseDraws
from .clock import Later
from .shell import Execution, Shell
from .workers import Workers


@dataclass(frozen=True, slots=True)
class Workload:
    """Executions of `workflow` with `input`, by open arrivals or by closed users.

    `priority` (0 goes first) is whose turn it is among those that wait to begin; None: the workflow's own. `cases` are
    the kinds of executions that there are; none: all are alike.
    """

    name: str
    workflow: str
    load: Arrivals | ClosedUsers
    input: Mapping[str, Any] = field(default_factory=dict)
    priority: int | None = None
    cases: tuple[Case, ...] = ()


APART = 1 << 28
"""Job numbers between those of two workloads of one workflow."""

MOST_KEPT = 262_144
"""Executions of a workload whose figures are kept: 6.5 MB. More would tell percentiles no better than chance allows."""


class Source:
    """One workload in a world, and what became of its executions: instants (µs) and statuses, a few bytes each.

    Beyond `MOST_KEPT` that ended only every second job is kept, then every fourth and so on: a systematic sample by job
    number, in the order of jobs, so what is worked out of a series (the warm-up, percentiles) stands, and memory does
    not grow with the horizon. `every` is how many jobs one that is kept stands for.
    """

    def __init__(
        self, workload: Workload, shell: Shell, workers: Workers | None, streams: Streams, *, shared: bool = False
    ) -> None:
        """Make a source that has begun nothing yet; `shared`: other workloads start the same workflow.

        Luck belongs to a workflow's job numbers, so workloads that share one number theirs far apart, by their names.
        """
        self.workload = workload
        self._first = crc32(workload.name.encode()) * APART if shared else 0
        self.offered = 0
        self.jobs = array("q")
        self.arrived_at = array("q")
        self.ended_at = array("q")
        self.good = bytearray()
        self.every = 1
        self._shell = shell
        self._workers = workers
        self.prefix = f"{streams.root}/{streams.replication}/{workload.name}"
        self.begun_at = shell.now
        self._input = dict(workload.input)
        own = shell.graphs[workload.workflow].definition.config.priority
        self._priority = own if workload.priority is None else workload.priority
        self._arrived: dict[str, int] = {}
        self._users: dict[str, int] = {}
        self._streams = streams
        self.cases = CaseDraws(workload.cases, streams, workload.name) if workload.cases else None
        self._thinks: KeyedDraws | None = None

    def begin(self, horizon: float) -> None:
        """Have executions start until `horizon` (seconds)."""
        load = self.workload.load
        if isinstance(load, ClosedUsers):
            self._thinks = self._streams.keyed(f"think:{self.workload.name}", load.think.quantile)
            for user in range(load.users):
                self._think(user, 1)
            return
        chance = self._streams.generator(f"arrivals:{self.workload.name}")
        times = (each for piece in load.pieces(chance, horizon) for each in piece.tolist())
        self._next(times)

    def ended(self, execution: Execution) -> None:
        """Take note of an end."""
        arrived = self._arrived.pop(execution.id)
        if execution.job % self.every == 0:
            self.jobs.append(execution.job)
            self.arrived_at.append(arrived)
            self.ended_at.append(self._shell.now)
            self.good.append(execution.run.status == COMPLETED)
            if len(self.jobs) >= MOST_KEPT:
                self._thin()
        user = self._users.pop(execution.id, None)
        if user is not None:
            place, turn = user % 1_000_000, user // 1_000_000
            self._think(place, turn + 1)

    def _thin(self) -> None:
        self.every *= 2
        kept = np.flatnonzero(np.asarray(self.jobs) % self.every == 0)
        for name in ("jobs", "arrived_at", "ended_at"):
            setattr(self, name, array("q", np.asarray(getattr(self, name))[kept].tobytes()))
        self.good = bytearray(np.frombuffer(bytes(self.good), dtype=np.uint8)[kept].tobytes())

    @property
    def open(self) -> int:
        """Return how many have begun and not ended."""
        return len(self._arrived)

    def begun_before(self, instant: int) -> int:
        """Return how many of these began before an instant."""
        return sum(arrived < instant for arrived in self._arrived.values())

    def _next(self, times: Iterator[float]) -> None:
        time = next(times, None)
        if time is not None:
            due = self.begun_at + round(time * MICROSECONDS)
            self._shell.after(max(0, due - self._shell.now), self._arrive, times)

    def _arrive(self, happening: Later) -> None:
        self._start()
        self._next(happening._value)

    def _think(self, user: int, turn: int) -> None:
        assert self._thinks is not None
        time = round(self._thinks.draw(user, turn) * MICROSECONDS)
        self._shell.after(time, lambda _: self._start(user + turn * 1_000_000))

    def _start(self, user: int | None = None) -> None:
        job, self.offered = self.offered, self.offered + 1
        execution_id = f"{self.prefix}/{job}"
        self._arrived[execution_id] = self._shell.now
        if user is not None:
            self._users[execution_id] = user
        priority, given, case, luck = self._priority, self._input, None, self._first + job
        if self.cases is not None:
            case = self.cases.draw(job)
            given = {**given, **case.input}

        def start() -> None:
            self._shell.start(self.workload.workflow, execution_id, given, job=luck, priority=priority, case=case)

        if self._workers is None:
            start()
        else:
            self._workers.admit(start, priority)
