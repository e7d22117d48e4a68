"""What a run consists of: scopes (lists of steps that are being run), step runs in them, and their variables."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..graph import DEPENDENCY, ON_FAILURE, Node, Steps
from ..lifecycle import CANCELLED, COMPENSATING, ENDED_STEP_RUN, FAILED, PENDING
from .joins import JOINS, RUN, is_satisfied

Place = tuple[int, ...]
"""Where a step run stands in the definition: ready attempts start in this order, nested ones at their container's."""

NOTIFIER = "notify"
"""The service that notifications are sent by."""


class Vars:
    """The variables of a scope: a first content, and what completed step runs merged into it, in order.

    `current` is shared with whoever took a copy until the first merge; nobody else may write to it.
    """

    __slots__ = ("_owned", "base", "current", "merges")

    def __init__(self, base: dict[str, Any]) -> None:
        self.base = base
        self.current = base
        self.merges: list[tuple[StepRun, dict[str, Any]]] = []
        self._owned = False

    def merge(self, source: StepRun, values: dict[str, Any]) -> None:
        """Overlay `values`, whole values at the top level."""
        self.merges.append((source, values))
        if not self._owned:
            self.current = dict(self.current)
            self._owned = True
        self.current.update(values)

    def snapshot(self) -> dict[str, Any]:
        """Return the variables as they are now; later merges do not show in what was returned."""
        self._owned = False
        return self.current

    def forget(self, source: StepRun) -> None:
        """Make the variables what they would be if `source` had never completed."""
        kept = [(run, values) for run, values in self.merges if run is not source]
        if len(kept) == len(self.merges):
            return
        self.merges = kept
        self.current = dict(self.base)
        self._owned = True
        for _, values in kept:
            self.current.update(values)


@dataclass(frozen=True, slots=True)
class Postponement:
    """Why an attempt that was to be made was not, and waits to be asked for again."""

    reason: str
    message: str


class StepRun:
    """One run of a step: in its scope, at its path, with all that happened to it.

    Instants are microseconds. `attempts` counts from the last reset; `number` tells the end's place among all ends.
    """

    __slots__ = (
        "accepted",
        "asked",
        "attempts",
        "body",
        "busy",
        "cause",
        "dead_branches",
        "dead_dependencies",
        "deadline",
        "due",
        "ended_at",
        "error",
        "first_started_at",
        "generation",
        "holds_slot",
        "input",
        "last_error",
        "node",
        "number",
        "open_arrows",
        "output",
        "path",
        "place",
        "postponed",
        "postponements",
        "queued",
        "ready",
        "recoveries",
        "reference",
        "resets",
        "satisfied_branches",
        "satisfied_dependencies",
        "scope",
        "sealed",
        "spoiled",
        "started_at",
        "status",
        "tries",
        "undo_attempts",
        "undo_error",
        "undo_input",
        "undo_postponed",
        "undo_sealed",
        "undo_seq",
        "undo_started_at",
        "undo_timeout",
    )

    def __init__(self, node: Node, scope: Scope, path: str, place: Place) -> None:
        self.node = node
        self.scope = scope
        self.path = path
        self.place = place
        self.resets = 0
        self.generation = 0
        self.number = 0
        self.queued = False
        self.body: Body | None = None
        self.clear()

    def clear(self) -> None:
        """Forget everything that happened since the run came into being."""
        self.status = PENDING
        self.attempts = 0
        self.started_at: int | None = None
        self.first_started_at: int | None = None
        self.ended_at: int | None = None
        self.input: Any = None
        self.sealed: dict[str, Any] | None = None
        self.output: Any = None
        self.error: dict[str, Any] | None = None
        self.last_error: dict[str, Any] | None = None
        self.reference: str | None = None
        self.accepted = False
        self.holds_slot = False
        self.ready = False
        self.deadline: int | None = None
        self.due: int | None = None
        self.asked: dict[str, Any] = {}
        self.cause: StepRun | None = None
        self.tries: list[list[Any]] = []
        # While it waits to be asked for again: why; how often so far in a row for that its service was away, for that
        # it was busy, and how often it came back.
        self.postponed: Postponement | None = None
        self.postponements = self.busy = self.recoveries = 0
        self.undo_attempts = self.undo_postponed = 0
        self.undo_input: Any = None
        self.undo_sealed: dict[str, Any] | None = None
        self.undo_error: dict[str, Any] | None = None
        self.undo_started_at: int | None = None
        self.undo_timeout: int | None = None
        self.undo_seq = 0
        self.open_arrows = len(self.node.arrows_in)
        self.satisfied_dependencies = self.dead_dependencies = 0
        self.satisfied_branches = self.dead_branches = 0
        self.spoiled = False

    def __lt__(self, other: StepRun) -> bool:
        """Leave the order in a heap to the places that stand before the runs."""
        return False

    @property
    def id(self) -> str:
        """Return the step's id in its list."""
        return self.node.id

    @property
    def name(self) -> str:
        """Return what people call the step."""
        return str(self.node.step.name)

    @property
    def type(self) -> str:
        """Return the step's type."""
        return self.node.type

    @property
    def ended(self) -> bool:
        """Tell whether the run has come to an end (which a retry or a re-run may still undo)."""
        return self.status in ENDED_STEP_RUN

    @property
    def depth(self) -> int:
        """Return in how many containers the run lies."""
        return self.scope.depth

    @property
    def parent(self) -> str | None:
        """Return the path of the container that the run lies in."""
        return None if self.scope.container is None else self.scope.container.path

    @property
    def index(self) -> int | None:
        """Return the number of the iteration that the run lies in, from 0."""
        return self.scope.iteration

    @property
    def next_attempt_at(self) -> int | None:
        """Return when the next attempt is due while the run waits to be tried again, or its call to be asked for."""
        return self.due if self.status == "retrying" or self.postponed is not None else None

    @property
    def service(self) -> str:
        """Return the service that is called for the run, or to undo it."""
        if self.status == COMPENSATING:
            undo = self.node.undo
            assert undo is not None
            return undo.service
        return NOTIFIER if self.node.type == "notification" else str(self.node.step.service_name)

    @property
    def unhandled(self) -> bool:
        """Tell whether the run failed and nobody in its list takes care of that."""
        return self.status == FAILED and not self.node.handled and not self.node.optional

    def resolve(self, source: StepRun, kind: str) -> None:
        """Note that one arrow's source ended: the arrow is satisfied or dead from now on."""
        self.open_arrows -= 1
        satisfied = is_satisfied(source, kind)
        if kind == DEPENDENCY:
            if satisfied:
                self.satisfied_dependencies += 1
            else:
                self.dead_dependencies += 1
        elif satisfied:
            self.satisfied_branches += 1
            if kind == ON_FAILURE and self.cause is None and source.status == FAILED:
                self.cause = source
        else:
            self.dead_branches += 1
        if source.status == CANCELLED or (source.status == FAILED and not source.node.optional):
            self.spoiled = True

    def join_says(self) -> str:
        """Return what the step's join says by now: WAIT, RUN or SKIP."""
        node = self.node
        if not node.arrows_in:
            return RUN
        return JOINS[node.join](self, node)


class Scope:
    """One list of steps being run: the top level, the inside of a `parallel`, or one iteration of a `loop`."""

    __slots__ = (
        "active",
        "blocked",
        "closed",
        "container",
        "depth",
        "failures",
        "held",
        "item",
        "iteration",
        "limit",
        "names",
        "open",
        "outer",
        "place",
        "prefix",
        "queued",
        "reopened",
        "runs",
        "steps",
        "vars",
    )

    def __init__(
        self,
        steps: Steps,
        variables: Vars,
        *,
        container: StepRun | None = None,
        iteration: int | None = None,
        item: Any = None,
    ) -> None:
        self.steps = steps
        self.vars = variables
        self.container = container
        self.outer: Scope | None = None if container is None else container.scope
        self.iteration = iteration
        self.item = item
        self.depth: int = 0 if self.outer is None else self.outer.depth + 1
        self.open = len(steps.nodes)
        self.active = 0
        self.blocked: list[tuple[Place, StepRun]] = []
        self.failures: list[StepRun] = []
        self.closed = False
        # Reopened by a reset, it waits until the loop's limit lets it go on.
        self.held = False
        self.queued = False
        self.reopened = 0
        self.names: dict[str, Any] | None = None
        self.limit = container.node.limit if container is not None and container.type == "parallel" else None
        self.prefix, self.place = _whereabouts(container, iteration)
        self.runs = [StepRun(node, self, self.prefix + node.id, (*self.place, node.index)) for node in steps.nodes]

    def first_failure(self) -> StepRun | None:
        """Return the first unhandled failure that still stands."""
        return next((run for run in self.failures if run.unhandled), None)


def _whereabouts(container: StepRun | None, iteration: int | None) -> tuple[str, Place]:
    if container is None:
        return "", ()
    if iteration is None:
        return f"{container.path}.", (*container.place, 0)
    return f"{container.path}[{iteration}].", (*container.place, iteration)


class Body:
    """What a container has begun: its scopes, and for a loop where it stands.

    `open` counts the scopes in progress, of which `held` wait for the loop's limit (they were begun before, and a reset
    opened them again); `more` is the last word of a `while`, None while it has yet to be asked.
    """

    __slots__ = ("base", "held", "items", "more", "open", "results", "scopes", "shared", "winner")

    def __init__(self, base: dict[str, Any], items: list[Any] | None = None) -> None:
        self.base = base
        self.items = items
        self.scopes: list[Scope] = []
        self.results: list[Any] = []
        self.open = 0
        self.held: deque[Scope] = deque()
        self.more: bool | None = None
        self.shared: Vars | None = None
        self.winner: StepRun | None = None

    def iterations(self) -> int:
        """Return how many iterations have begun."""
        return len(self.scopes)


class StepsView(Mapping[str, Any]):
    """`steps` as expressions see it: the steps of a list and of those around it, the nearer first."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __getitem__(self, step_id: str) -> dict[str, Any]:
        scope: Scope | None = self._scope
        while scope is not None:
            node = scope.steps.by_id.get(step_id)
            if node is not None:
                return _view(scope.runs[node.index])
            scope = scope.outer
        raise KeyError(step_id)

    def __iter__(self) -> Iterator[str]:
        seen: set[str] = set()
        scope: Scope | None = self._scope
        while scope is not None:
            for step_id in scope.steps.by_id:
                if step_id not in seen:
                    seen.add(step_id)
                    yield step_id
            scope = scope.outer

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _view(run: StepRun) -> dict[str, Any]:
    view: dict[str, Any] = {"status": run.status}
    if run.output is not None:
        view["output"] = run.output
    if run.error is not None:
        view["error"] = run.error
    return view
