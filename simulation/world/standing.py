"""What is under way when a simulation begins: executions as their journals have them, and circuits as they stand.

Each execution's journal is folded into the domain's own run, as the worker that claims it would, and the run goes on:
what completed is not run again, timers keep their instants, attempts in flight go on as the same attempts for the
rest of their time, what was pending waits for its turn. Nobody gives signals or answers callbacks that were awaited
outside.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestration.domain.calling.circuit import OPEN, Verdict
from orchestration.domain.events import Event
from orchestration.domain.graph import Graph
from orchestration.domain.lifecycle import COMPLETED, RUNNING
from orchestration.domain.limits import MICROSECONDS
from orchestration.domain.run import Run
from simulation.streams import Floats

from .cases import CaseDraws
from .gates import GateStand, bring_to
from .places import place_of
from .service import Service
from .shell import Execution, Shell

Entry = tuple[int, str, int, str, Mapping[str, Any]]
"""A journal entry: seq, type, instant, step, data."""


@dataclass(frozen=True, slots=True)
class OpenExecution:
    """An execution that had not ended: what it runs, what it was given, its journal. Instants are microseconds.

    `parent` is the execution that waits for it under `parent_attempt`; both are empty for one that nobody waits for.
    """

    id: str
    workflow: str
    graph: Graph
    created: int
    input: Mapping[str, Any]
    entries: tuple[Entry, ...]
    depth: int = 0
    parent: str = ""
    parent_attempt: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is under way at `at` (microseconds): executions, and how services may be called.

    `circuits` says of services until when their circuit is open, `gates` of the others all that is known.
    """

    at: int
    executions: tuple[OpenExecution, ...]
    circuits: Mapping[str, int] = field(default_factory=dict)
    gates: Mapping[str, GateStand] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResumedFigures:
    """What became of the executions that were under way: how many, when those ended that did (seconds), how well.

    `times` are from their real creation to their end (seconds).
    """

    count: int
    ended_at: Floats
    times: Floats
    good: int

    @property
    def open(self) -> int:
        """Return how many have not ended."""
        return self.count - int(self.ended_at.size)


class Resumed:
    """Executions that go on in a world."""

    def __init__(
        self,
        standing: Standing,
        shell: Shell,
        services: Mapping[str, Service],
        cases: Mapping[str, CaseDraws] | None = None,
    ) -> None:
        """Take what goes on; `cases`, by workflow, say how what is not recorded yet goes."""
        self._cases = cases or {}
        self.standing = standing
        self._shell = shell
        self._services = services
        self._created = {each.id: each.created for each in standing.executions if not each.depth}
        self._ended_at = array("q")
        self._times = array("q")
        self._good = 0

    @property
    def open(self) -> int:
        """Return how many have not ended yet."""
        return len(self._created) - len(self._ended_at)

    def begin(self) -> None:
        """Have all go on."""
        for name, until in self.standing.circuits.items():
            service = self._services.get(name)
            if service is not None and service.gate is not None:
                service.gate.adopt(Verdict(number=1, state=OPEN, until=until, openings=1), self._shell.now)
        for name, stand in self.standing.gates.items():
            service = self._services.get(name)
            if service is not None and service.gate is not None:
                bring_to(service.gate, stand, self._shell.now)
        adopted = {each.id: self._adopt(each) for each in self.standing.executions}
        for each in self.standing.executions:
            if each.parent in adopted and each.parent_attempt:
                adopted[each.id].parent, adopted[each.id].attempt = adopted[each.parent], each.parent_attempt
        for execution in adopted.values():
            self._shell.take_up(execution)

    def ended(self, execution: Execution) -> bool:
        """Take note of an end; return whether it is one of these."""
        created = self._created.get(execution.id)
        if created is None:
            return False
        self._ended_at.append(self._shell.now)
        self._times.append(self._shell.now - created)
        self._good += execution.run.status == COMPLETED
        return True

    def figures(self) -> ResumedFigures:
        """Return what became of them so far."""
        return ResumedFigures(
            count=len(self._created),
            ended_at=(np.array(self._ended_at, dtype=np.int64) - self.standing.at) / MICROSECONDS,
            times=np.array(self._times, dtype=np.int64) / MICROSECONDS,
            good=self._good,
        )

    def _adopt(self, each: OpenExecution) -> Execution:
        run = Run(
            each.graph,
            execution_id=each.id,
            input=dict(each.input),
            secrets=self._shell.secrets,
            depth=each.depth,
            service_timeouts=self._shell.service_timeouts,
        )
        for seq, kind, at, step, data in each.entries:
            run.apply(Event(seq, kind, at, step, dict(data)))
        execution = Execution(run, each.id, each.workflow, -1, 0, each.created)
        execution.under_way = {
            step.reference: step.tries[-1][1]
            for step in run.step_runs()
            if step.status == RUNNING and step.reference is not None and step.tries
        }
        cases = None if each.depth else self._cases.get(each.workflow)
        if cases is not None:
            done = {place_of(step.path) for step in run.step_runs() if step.status == COMPLETED}
            execution.case = cases.of(each.id, done)
        if self._shell.keep:
            execution.journal = []
        self._shell.adopt(execution)
        return execution
