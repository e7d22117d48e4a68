"""An execution's state, and the changes of it that the fold is made of.

The queues are notes of what follows from the entries folded so far, for `decide` to work off: `eligible` (step runs
whose join has come to a verdict), `judgements` (ends that may end their whole list), `finished` (lists in which
everything ended), `opened` (containers that may be done), `ready` (step runs that may start, by their place in the
definition; `without_slot` holds those that found no slot) and `timers`. A note may be out of date when it is read (a
replay leaves many such), so whoever reads one checks it against the state; those of `eligible` and `finished` carry the
number of the reset that they were made after, so that an old note does not stand in for a new one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from heapq import heappop, heappush
from typing import Any

from ..commands import Command
from ..errors import IllegalTransition
from ..events import Event
from ..graph import Graph, Undo
from ..ids import attempt_reference
from ..lifecycle import COMPENSATING, COMPLETED, EXECUTION, FAILED, PENDING, RETRYING, WAITING
from ..limits import DEFAULTS, LIMITS, Defaults, Limits
from ..postponement import BUSY, NO_HEALTHY_INSTANCE
from .joins import WAIT
from .state import Body, Place, Postponement, Scope, StepRun, Vars
from .timers import DEADLINE, DUE, EXECUTION_DEADLINE, Timers

NO_TIMEOUTS: Mapping[str, int] = {}


class Standing:
    """Where an execution stands."""

    def __init__(
        self,
        graph: Graph,
        *,
        execution_id: str,
        revision: int = 1,
        input: dict[str, Any] | None = None,
        secrets: Mapping[str, Any] | None = None,
        depth: int = 0,
        limits: Limits = LIMITS,
        defaults: Defaults = DEFAULTS,
        service_timeouts: Mapping[str, int] = NO_TIMEOUTS,
    ) -> None:
        """Stand at the beginning.

        `service_timeouts` are those of services' policies (microseconds, by service), read when an attempt begins whose
        step gives none; which was taken is in that attempt's entry.
        """
        self.graph = graph
        self.config = graph.definition.config
        self.parallel_limit = graph.parallel_limit
        self.execution_id = execution_id
        self.revision = revision
        self.input = input or {}
        self.secrets = secrets or {}
        self.depth = depth
        self.limits = limits
        self.defaults = defaults
        self.service_timeouts = service_timeouts

        self.status = PENDING
        self.seq = 0
        self.attempt = 1
        self.rounds = 0
        self.output: Any = None
        self.error: dict[str, Any] | None = None
        self.started_at: int | None = None
        self.ended_at: int | None = None
        self.deadline: int | None = None

        self.root: Scope | None = None
        self.by_path: dict[str, StepRun] = {}
        self.generations: dict[str, int] = {}
        self.ends = 0
        self.slots_used = 0
        self.callbacks = 0
        self.kept_signals: dict[str, list[tuple[Any, str | None]]] = {}
        self.signal_waits: dict[str, dict[str, StepRun]] = {}
        self.event_waits: dict[str, dict[str, StepRun]] = {}
        self.service_waits: dict[str, dict[str, StepRun]] = {}

        self.undo: list[StepRun] = []
        self.undoing: StepRun | None = None
        self.undo_failures = 0
        self.ending: dict[str, Any] = {}

        self.eligible: deque[tuple[StepRun, int]] = deque()
        self.judgements: deque[StepRun] = deque()
        self.finished: deque[tuple[Scope, int]] = deque()
        self.opened: deque[StepRun] = deque()
        self.ready: list[tuple[Place, StepRun]] = []
        self.without_slot: list[tuple[Place, StepRun]] = []
        self.timers = Timers()

        # The ledger's own; a compiled class cannot hand keywords on to the one that it extends.
        self.now = 0
        self.written: list[Event] = []
        self.ordered: list[Command] = []
        self.conditions_met: list[StepRun] = []
        self.resuming = False

    # What a shell reads -------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Tell whether the execution has ended (an operator's retry may still run it again)."""
        return self.status in EXECUTION.last

    @property
    def steps_total(self) -> int:
        """Return how many top-level steps the workflow has."""
        return len(self.graph.steps.nodes)

    @property
    def steps_done(self) -> int:
        """Return how many top-level step runs have ended."""
        return 0 if self.root is None else self.steps_total - self.root.open

    @property
    def progress(self) -> float:
        """Return the ended share of the top-level steps, 0 to 1."""
        return self.steps_done / self.steps_total

    # Finding and noting ---------------------------------------------------------------------------------------------

    def find(self, path: str) -> StepRun:
        """Return the step run at a path; raise IllegalTransition if there is none."""
        run = self.by_path.get(path)
        if run is None:
            raise IllegalTransition(
                f"execution {self.execution_id} has no step run {path!r}", thing=path, state="absent"
            )
        return run

    def admit(self, scope: Scope) -> None:
        """Take a list's runs in; those that no arrow leads to may start at once."""
        by_path = self.by_path
        generations = self.generations
        for run in scope.runs:
            by_path[run.path] = run
            if generations:
                run.generation = generations.get(run.path, 0)
            if not run.node.arrows_in:
                run.queued = True
                self.eligible.append((run, run.resets))

    def note_eligible(self, run: StepRun) -> None:
        """Note that the join of a pending run may have come to its verdict."""
        if not run.queued:
            run.queued = True
            self.eligible.append((run, run.resets))

    def note_finished(self, scope: Scope) -> None:
        """Note that everything in a list has ended."""
        if not scope.queued:
            scope.queued = True
            self.finished.append((scope, scope.reopened))

    def make_ready(self, run: StepRun) -> None:
        """Let a run start as soon as it is its turn."""
        if (run.status in (PENDING, RETRYING) or run.postponed is not None) and not run.ready:
            run.ready = True
            heappush(self.ready, (run.place, run))

    def to_undo(self) -> list[StepRun]:
        """Return the step runs that a compensation would undo, in no order."""
        also_failed = self.config.compensation == "all"
        return [
            run
            for run in self.by_path.values()
            if run.node.undo is not None and (run.status == COMPLETED or (also_failed and run.status == FAILED))
        ]

    def dissolve(self) -> None:
        """Let go of all step runs, so that their memory is free at once; to be called for what nobody asks of any more.

        Lists and their runs name each other, and would wait for the interpreter to look for rubbish.
        """
        for run in self.by_path.values():
            scope = run.scope
            scope.names = None
            scope.vars.merges = []
            scope.runs = []
            run.body = None
        self.by_path = {}
        self.root = None

    # Time -----------------------------------------------------------------------------------------------------------

    def keep_defaults(self, data: dict[str, Any]) -> None:
        """Go by the defaults that the execution began with, whatever the shell's are by now."""
        kept = data.get("defaults")
        if kept is not None and kept != self.defaults.as_json():
            self.defaults = replace(self.defaults, **kept)

    def count_down(self, now: int) -> None:
        """Start the execution's timeout."""
        timeout = self.config.timeout
        self.deadline = now + (self.defaults.execution_timeout if timeout is None else timeout)
        self.timers.set(self.deadline, EXECUTION_DEADLINE, None)

    def set_deadline(self, run: StepRun, now: int) -> None:
        """Start the timeout of an attempt, if it has one."""
        timeout = self.timeout_of(run)
        if timeout is not None:
            run.deadline = now + timeout
            self.timers.set(run.deadline, DEADLINE, run)

    def timeout_of(self, run: StepRun) -> int | None:
        """Return how long the attempt under way may take, None for as long as it likes.

        The step's own word comes first, then the service's policy as it was when the attempt began, then the default.
        """
        node = run.node
        if node.timeout is not None:
            return node.timeout
        if node.takes_slot:
            kept: int | None = run.asked.get("timeout")
            return self.defaults.step_timeout if kept is None else kept
        return self.defaults.wait_timeout if node.type == "wait" else None

    def start_undo_attempt(self, run: StepRun, now: int) -> None:
        """Note that an attempt of a run's compensation is under way (it has no entry: see WORKFLOWS.md, 78)."""
        undo = run.node.undo
        assert undo is not None
        run.reference = attempt_reference(run.path, run.undo_seq, run.undo_attempts + run.undo_postponed + 1)
        run.due = None
        self.no_longer_postponed(run)
        run.deadline = now + self.undo_timeout_of(run, undo)
        self.timers.set(run.deadline, DEADLINE, run)

    def undo_timeout_of(self, run: StepRun, undo: Undo) -> int:
        """Return how long one attempt of a run's compensation may take: as `timeout_of` has it for a step."""
        if undo.timeout is not None:
            return undo.timeout
        return self.defaults.step_timeout if run.undo_timeout is None else run.undo_timeout

    # Containers ---------------------------------------------------------------------------------------------------

    def open_body(self, run: StepRun, data: dict[str, Any]) -> None:
        """Begin what lies in a container, or go on with what is left of it."""
        body = run.body
        if body is None:
            body = run.body = Body(run.scope.vars.snapshot(), data.get("items"))
            if run.node.test is not None:
                body.shared = Vars(body.base)
                body.more = data["more"]
                if body.more:
                    self.begin_iteration(run, body)
            elif run.type == "parallel":
                self._begin_scope(run, body, None, None)
        else:
            self._reopen(run, body)
        if body.items is not None:
            while body.open < (run.node.limit or 1) and body.iterations() < len(body.items):
                self.begin_iteration(run, body)
        self.opened.append(run)

    def _reopen(self, run: StepRun, body: Body) -> None:
        unfinished = [scope for scope in body.scopes if not scope.closed]
        limit = (run.node.limit or 1) if run.type == "loop" else 1
        for scope in unfinished[limit:]:
            scope.held = True
        body.held = deque(unfinished[limit:])
        for scope in unfinished[:limit]:
            self._go_on_with(scope)

    def _go_on_with(self, scope: Scope) -> None:
        scope.held = False
        if not scope.open:
            self.note_finished(scope)
        for run in scope.runs:
            if run.status == PENDING and run.join_says() is not WAIT:
                self.note_eligible(run)

    def begin_iteration(self, run: StepRun, body: Body) -> None:
        """Begin the next iteration of a loop."""
        index = body.iterations()
        item = body.items[index] if body.items is not None else None
        body.results.append(None)
        body.more = None
        self._begin_scope(run, body, index, item)

    def _begin_scope(self, run: StepRun, body: Body, iteration: int | None, item: Any) -> None:
        steps = run.node.body
        assert steps is not None
        variables = body.shared if body.shared is not None else Vars(body.base)
        scope = Scope(steps, variables, container=run, iteration=iteration, item=item)
        body.scopes.append(scope)
        body.open += 1
        self.admit(scope)

    def _fold_iteration_end(self, run: StepRun, body: Body, index: int, result: Any) -> None:
        scope = body.scopes[index]
        if scope.closed:
            return
        scope.closed = True
        body.results[index] = result
        body.open -= 1
        if body.held:
            self._go_on_with(body.held.popleft())
        elif body.items is not None and body.iterations() < len(body.items):
            self.begin_iteration(run, body)
        self.opened.append(run)

    # Attempts and lists ---------------------------------------------------------------------------------------------

    def waits_of(self, run: StepRun) -> dict[str, StepRun]:
        """Return the waits for the same signal or topic, by path, the oldest first."""
        step = run.node.step
        waits, name = (self.signal_waits, step.signal) if step.signal is not None else (self.event_waits, step.event)
        return waits.setdefault(name, {})

    def attempt_over(self, run: StepRun) -> None:
        """Forget the attempt under way: its reference, timers and slot."""
        run.reference = run.deadline = run.due = None
        if run.accepted:
            run.accepted = False
            self.callbacks -= 1
        if run.holds_slot:
            run.holds_slot = False
            self.slots_used -= 1
        if run.status == WAITING and run.node.type == "wait":
            self.waits_of(run).pop(run.path, None)
        if run.postponed is not None:
            self.no_longer_postponed(run)

    def postpone(self, run: StepRun, why: Postponement, until: int, *, back: bool) -> None:
        """Have an attempt that was not made wait until it is asked for again; `back`: its service is said to be."""
        if back:
            run.recoveries += 1
        else:
            if why.reason in BUSY:
                run.busy += 1
            else:
                run.postponements += 1
            run.undo_postponed += run.status == COMPENSATING
        run.postponed = why
        run.due = until
        self.timers.set(until, DUE, run)
        if why.reason == NO_HEALTHY_INSTANCE:
            self.service_waits.setdefault(run.service, {})[run.path] = run

    def no_longer_postponed(self, run: StepRun) -> None:
        """Forget that an attempt was not made."""
        if run.postponed is not None:
            run.postponed = None
            self.service_waits.get(run.service, {}).pop(run.path, None)

    def unblock(self, scope: Scope) -> None:
        """Let the first run that waits for a place in its list try again."""
        while scope.blocked:
            waiting = heappop(scope.blocked)
            if waiting[1].ready:
                heappush(self.ready, waiting)
                return

    def drop_body(self, run: StepRun) -> None:
        """Forget everything nested in a run."""
        if run.body is None:
            return
        for scope in run.body.scopes:
            for nested in scope.runs:
                self.drop_body(nested)
                self.by_path.pop(nested.path, None)
                if nested.generation:
                    self.generations[nested.path] = nested.generation
        run.body = None

    def reopen_iteration(self, scope: Scope) -> None:
        """Count an iteration as in progress again."""
        container = scope.container
        if scope.closed and container is not None and container.body is not None:
            scope.closed = False
            container.body.open += 1
