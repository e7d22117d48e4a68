"""Attempts, read off journals: what was called, for how long, and what came of it.

An attempt begins with its `step.started` and ends with what follows of its step run. Its time is what the platform saw:
the call, with the worker's own part, the commit before it and any line in which it waited. Of an attempt whose end
nobody saw (a timeout, a race that another one won, a worker that died, one that is still running) only a bound is
known: it took at least so long. Compensations have no entry per attempt; theirs lies between `step.compensating` and
its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from orchestration.domain import events as e
from orchestration.domain.events import Event
from orchestration.domain.graph import Graph, Node, Steps
from simulation.world.places import place_of

COMPLETED, CANCELLED, RUNNING = "completed", "cancelled", "running"
UNSEEN = frozenset({"timeout", "worker_lost", "outcome_unknown", CANCELLED, RUNNING})
"""Outcomes of attempts of which only a lower bound of their time is known."""

LONGEST_ANSWER = 4 * 1024
"""Bytes of an answer that is kept as an example of what a method answers."""

_ENDS = frozenset(
    {e.WORKFLOW_COMPLETED, e.WORKFLOW_FAILED, e.WORKFLOW_CANCELLED, e.WORKFLOW_COMPENSATION_FAILED}
)  # fmt: skip


class Recorded(Protocol):
    """One recorded execution. Instants are microseconds; `started` and `ended` None: not yet."""

    @property
    def id(self) -> str: ...
    @property
    def workflow(self) -> str: ...
    @property
    def revision(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def created(self) -> int: ...
    @property
    def started(self) -> int | None: ...
    @property
    def ended(self) -> int | None: ...
    @property
    def input(self) -> Mapping[str, Any]: ...
    @property
    def input_size(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def parent(self) -> str: ...
    @property
    def parent_attempt(self) -> str: ...
    @property
    def entries(self) -> Sequence[Event]: ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call: from `began` to `ended` (microseconds; of one that nobody saw the end of: until when it was seen).

    `step` is its place in the definition, `path` that of its step run (with the numbers of iterations), `size`
    the bytes of its execution's input, `retryable` the verdict on a failure and
    `status` its HTTP status where it has one.
    """

    execution: str
    workflow: str
    step: str
    service: str
    method: str
    number: int
    began: int
    ended: int
    outcome: str
    size: int = 0
    retryable: bool | None = None
    path: str = ""
    status: int | None = None

    @property
    def seen(self) -> bool:
        """Say whether its end was seen."""
        return self.outcome not in UNSEEN


@dataclass(slots=True)
class Reading:
    """What was read off journals: all attempts in the order of reading, postponements by service, example answers."""

    attempts: list[Attempt] = field(default_factory=list)
    postponed: dict[tuple[str, str], int] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)


def read(executions: Iterable[Recorded], graphs: Mapping[tuple[str, int], Graph], *, until: int) -> Reading:
    """Return the attempts of recorded executions by the graphs of their (workflow, revision), as seen at `until`.

    An execution whose graph is not given is passed over.
    """
    reading = Reading()
    for execution in executions:
        graph = graphs.get((execution.workflow, execution.revision))
        if graph is not None:
            _Journal(execution, graph, reading, until).read()
    return reading


class _Journal:
    """One journal being read."""

    def __init__(self, execution: Recorded, graph: Graph, reading: Reading, until: int) -> None:
        self.execution = execution
        self.graph = graph
        self.reading = reading
        self.until = until
        self.open: dict[str, tuple[int, int]] = {}
        self.undone: dict[str, tuple[int, int]] = {}

    def read(self) -> None:
        for entry in self.execution.entries:
            if entry.at > self.until:
                break
            if entry.type in _ENDS:
                self._close_all(entry.at, CANCELLED)
            elif entry.step:
                self._read(entry)
        self._close_all(self.until, RUNNING)

    def _read(self, entry: Event) -> None:
        kind, path, data = entry.type, entry.step, entry.data
        undo = bool(data.get("compensation")) or kind in (e.STEP_COMPENSATED, e.STEP_COMPENSATION_FAILED)
        if kind == e.STEP_STARTED:
            self.open[path] = (entry.at, data["attempt"])
        elif kind == e.STEP_COMPENSATING:
            self.undone[path] = (entry.at, 1)
        elif kind == e.STEP_POSTPONED:
            self._postponed(path, data, undo)
        elif kind == e.STEP_RESET:
            inside = [each for each in self.open if each == path or each.startswith((f"{path}.", f"{path}["))]
            for each in inside:
                self._close(each, entry.at, CANCELLED)
        elif kind in (e.STEP_COMPLETED, e.STEP_COMPENSATED):
            self._close(path, entry.at, COMPLETED, undo=undo)
            if not undo and isinstance(data.get("output"), dict):
                self._answer(path, data["output"])
        elif kind in (e.STEP_FAILED, e.STEP_RETRYING, e.STEP_COMPENSATION_FAILED):
            error = data.get("error") or {}
            self._close(path, entry.at, error.get("code", "unknown"), error, undo=undo)
            if undo and kind == e.STEP_RETRYING:
                self.undone[path] = (data["until"], data["attempt"] + 1)
        elif kind == e.STEP_CANCELLED:
            self._close(path, entry.at, CANCELLED)

    def _postponed(self, path: str, data: Mapping[str, Any], undo: bool) -> None:
        if data.get("back"):
            return
        if undo:
            self.undone[path] = (data["until"], data["attempt"])
        else:
            self.open.pop(path, None)
        called = self._called(path, undo)
        if called is not None:
            key = (called[0], data["reason"])
            self.reading.postponed[key] = self.reading.postponed.get(key, 0) + 1

    def _close_all(self, at: int, outcome: str) -> None:
        for path in list(self.open):
            self._close(path, at, outcome)
        for path in list(self.undone):
            self._close(path, at, outcome, undo=True)

    def _close(
        self, path: str, at: int, outcome: str, error: Mapping[str, Any] | None = None, *, undo: bool = False
    ) -> None:
        begun = (self.undone if undo else self.open).pop(path, None)
        called = self._called(path, undo)
        if begun is None or called is None or begun[0] > at:
            return
        execution = self.execution
        self.reading.attempts.append(
            Attempt(
                execution=execution.id,
                workflow=execution.workflow,
                step=place_of(path) + ("/compensate" if undo else ""),
                service=called[0],
                method=called[1],
                number=begun[1],
                began=begun[0],
                ended=at,
                outcome=outcome,
                size=execution.input_size,
                retryable=None if error is None else error.get("retryable"),
                path=path,
                status=None if error is None else status_of(error),
            )
        )

    def _called(self, path: str, undo: bool) -> tuple[str, str] | None:
        node = node_at(self.graph, path)
        if node is None:
            return None
        if undo:
            return None if node.undo is None else (node.undo.service, node.undo.method)
        return (str(node.step.service_name), str(node.step.method)) if node.type == "service" else None

    def _answer(self, path: str, output: dict[str, Any]) -> None:
        called = self._called(path, undo=False)
        if called is None:
            return
        known = self.reading.answers.setdefault(called[0], {})
        if any(name not in known for name in output) and len(orjson.dumps(output)) <= LONGEST_ANSWER:
            for name, value in output.items():
                known.setdefault(name, value)


def status_of(error: Mapping[str, Any]) -> int | None:
    """Return the HTTP status of a journaled error, None where it has none."""
    found = (error.get("details") or {}).get("status")
    return found if isinstance(found, int) else None


def node_at(graph: Graph, path: str) -> Node | None:
    """Return the node of the step run at `path`, None if the graph has none there."""
    steps: Steps | None = graph.steps
    node = None
    for name in place_of(path).split("."):
        node = None if steps is None else steps.by_id.get(name)
        if node is None:
            return None
        steps = node.body
    return node
