"""The simulated shell: the domain's own runs in SimPy's time, where nothing takes time but what a model says.

Instants are whole microseconds. One thing is told to one run, the run decides, its commands are carried out, its next
timer is armed: the loop of every shell. What happens at the same instant happens in the order in which it was
scheduled; what one execution causes in another is scheduled too, so a run's own commands come first. An attempt that
was cancelled is forgotten, and an answer to it finds nobody.

How calls are made is the business of `Calls`, what it costs to decide that of `Workers`. Executions that ended are let
go unless they are to be kept, so a long simulation needs no more memory than a short one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Protocol

from orchestration.domain.children import why_no_child
from orchestration.domain.commands import CancelAttempt, CancelChild, Command, Finish, StartAttempt, StartChild
from orchestration.domain.errors import InvariantViolated, Refused
from orchestration.domain.events import Event
from orchestration.domain.facts import BusEvent, Cancel, ChildEnded, ChildStarted, Fact, Failed
from orchestration.domain.graph import Graph
from orchestration.domain.lifecycle import ENDED_EXECUTION
from orchestration.domain.limits import DEFAULTS
from orchestration.domain.run import Run

from .cases import Case
from .clock import Clock, Later

EPOCH = 1_767_225_600_000_000
"""Where simulated time begins unless a scenario says otherwise: 2026-01-01T00:00:00Z."""


@dataclass(slots=True, eq=False)
class Execution:
    """One execution and what its shell keeps for it. `job` counts those that were not started by another one, from 0;
    it is -1 for those that were.

    `attempt` is what `parent` waits under. `taken_up`: its worker has been charged for taking it up. `work` is what a
    model of calls keeps per attempt that is under way. `under_way` has the beginnings of attempts that were so when the
    simulation began, and are yet to go on. `case` is what kind of execution it is (None: the usual one), `tried` counts
    the calls that it has fail.
    """

    run: Run
    id: str
    workflow: str
    job: int
    created: int
    created_at: int
    parent: Execution | None = None
    attempt: str = ""
    started: int | None = None
    armed: int | None = None
    timer: Later | None = None
    taken_up: bool = False
    work: dict[str, Any] = field(default_factory=dict)
    under_way: dict[str, int] = field(default_factory=dict)
    journal: list[Event] | None = None
    case: Case | None = None
    tried: dict[str, int] = field(default_factory=dict)


class Calls(Protocol):
    """How attempts are made."""

    def call(self, execution: Execution, command: StartAttempt) -> None:
        """Begin an attempt; what comes of it is told to the shell with `answer` later, at this instant or another."""

    def cancel(self, execution: Execution, attempt: str) -> None:
        """Let an attempt go; nobody waits for its answer."""


class Workers(Protocol):
    """What it costs to decide."""

    def decided(self, execution: Execution, entries: int, calls: int, then: Callable[[], None] | None) -> bool:
        """Take note of a decision of `entries` entries that leads to `calls` calls.

        Return True if `then` (None: nothing) may be done at once.
        Otherwise it is called once the entries are committed.
        """


class Shell:
    """All executions of a simulation, and its clock."""

    def __init__(
        self,
        graphs: Mapping[str, Graph],
        *,
        env: Clock | None = None,
        keep: bool = False,
        secrets: Mapping[str, str] | None = None,
        service_timeouts: Mapping[str, int] | None = None,
    ) -> None:
        """Make a shell for compiled definitions by their ids. `keep`: executions stay, with their journals.

        `service_timeouts` are those of services' policies, microseconds by service.
        """
        self.env = env if env is not None else Clock(initial_time=EPOCH)
        # Called as `shell.after(delay, happen, value)`: the clock's own method, for it is called twice a step.
        self.after = self.env.later
        self.graphs = graphs
        self.keep = keep
        self.calls: Calls = _NoCalls()
        self.workers: Workers | None = None
        self.ended: Callable[[Execution], None] = _nothing
        self.executions: dict[str, Execution] = {}
        self.entries = 0
        self.secrets = dict(secrets or {})
        self.service_timeouts = dict(service_timeouts or {})
        self._created = 0
        self._starts = 0
        self._pending: dict[str, list[tuple[int, int, Execution]]] = {workflow: [] for workflow in graphs}
        self._running = dict.fromkeys(graphs, 0)
        self._most = {
            workflow: graph.definition.config.max_concurrent or DEFAULTS.max_concurrent
            for workflow, graph in graphs.items()
        }

    # Time

    @property
    def now(self) -> int:
        """Return the instant, in microseconds."""
        return self.env.now  # type: ignore[return-value]

    # Executions

    def start(
        self,
        workflow: str,
        execution_id: str,
        given: dict[str, Any],
        *,
        job: int = 0,
        priority: int | None = None,
        case: Case | None = None,
    ) -> Execution:
        """Start an execution as soon as `max_concurrent` allows, by priority (the workflow's own), and return it."""
        execution = self._create(workflow, execution_id, given, depth=0, job=job, priority=priority)
        execution.case = case
        self._admit(workflow)
        return execution

    def adopt(self, execution: Execution) -> None:
        """Take in an execution that was created elsewhere, as its run stands; `take_up` has it go on."""
        execution.created = self._created
        self._created += 1
        self.executions[execution.id] = execution
        if execution.run.seq:
            self._starts += 1
            execution.started = self._starts
            self._running[execution.workflow] += 1
        else:
            priority = execution.run.graph.definition.config.priority
            heappush(self._pending[execution.workflow], (priority, execution.created, execution))

    def take_up(self, execution: Execution) -> None:
        """Have an adopted execution go on: what was in flight as the same attempts, what was pending in its turn."""
        if not execution.run.seq:
            self._admit(execution.workflow)
            return
        execution.run.take_up(self.now, lost=False)
        self._decide(execution)

    def tell(self, execution: Execution, fact: Fact) -> None:
        """Tell a fact to an execution, and do what follows. Raises Refused for an action that does not fit."""
        run = execution.run
        had_ended = run.status in ENDED_EXECUTION
        run.hear(fact, self.env._now)  # type: ignore[arg-type]
        self._decide(execution)
        if had_ended and not run.ended:
            self._running[execution.workflow] += 1

    def publish(self, event: BusEvent) -> None:
        """Tell a bus event to every execution that waits for its topic."""
        for execution in list(self.executions.values()):
            if execution.run.waits_for_event(event.topic):
                self.tell(execution, event)

    def _create(
        self,
        workflow: str,
        execution_id: str,
        given: dict[str, Any],
        *,
        depth: int,
        job: int,
        priority: int | None = None,
    ) -> Execution:
        graph = self.graphs[workflow]
        run = Run(
            graph,
            execution_id=execution_id,
            revision=1,
            input=given,
            secrets=self.secrets,
            depth=depth,
            service_timeouts=self.service_timeouts,
        )
        execution = Execution(run, execution_id, workflow, job, self._created, self.now)
        if self.keep:
            execution.journal = []
        self._created += 1
        self.executions[execution_id] = execution
        rank = graph.definition.config.priority if priority is None else priority
        heappush(self._pending[workflow], (rank, execution.created, execution))
        return execution

    def _admit(self, workflow: str) -> None:
        """Start what waits for its turn, by priority and then age, as far as `max_concurrent` allows."""
        pending = self._pending[workflow]
        while pending and self._running[workflow] < self._most[workflow]:
            execution = heappop(pending)[2]
            if execution.run.ended:
                self._let_go(execution)
                continue
            self._running[workflow] += 1
            self._starts += 1
            execution.started = self._starts
            execution.run.start(self.now)
            self._decide(execution)

    def _decide(self, execution: Execution) -> None:
        now: int = self.env._now  # type: ignore[assignment]
        decision = execution.run.decide(now)
        events, commands, wake_at = decision.events, decision.commands, decision.wake_at
        if events:
            self.entries += len(events)
            if execution.journal is not None:
                execution.journal += events
        elif wake_at is not None and wake_at <= now:
            message = f"{execution.workflow} {execution.id} wants to decide again at once, without news"
            raise InvariantViolated(message)
        if self.workers is None:
            if commands:
                self._carry_out(execution, commands)
        elif events or commands:
            self._charge(self.workers, execution, len(events), commands)
        if wake_at is not None and (execution.armed is None or wake_at < execution.armed):
            execution.armed = wake_at
            execution.timer = self.after(wake_at - now, self._wake, (execution, wake_at))

    def _charge(self, workers: Workers, execution: Execution, entries: int, commands: list[Command]) -> None:
        """Have the workers do what a decision costs, and its commands after that."""
        calls = sum(type(command) is StartAttempt for command in commands)
        then = (lambda: self._carry_out(execution, commands)) if commands else None
        if workers.decided(execution, entries, calls, then) and commands:
            self._carry_out(execution, commands)

    def _wake(self, happening: Later) -> None:
        # A timer that moved further away stays where it was, and is set anew when it goes off: most of them are the
        # timeouts of attempts that are answered long before.
        if happening._value is None:
            return
        execution, instant = happening._value
        if execution.armed != instant:
            return
        execution.armed = None
        due = execution.run.wake_at
        if due is not None and due > instant:
            execution.armed = due
            execution.timer = self.after(due - instant, self._wake, (execution, due))
        elif due is not None:
            self._decide(execution)

    def _carry_out(self, execution: Execution, commands: list[Command]) -> None:
        for command in commands:
            kind = type(command)
            if kind is StartAttempt:
                self.calls.call(execution, command)  # type: ignore[arg-type]
            elif kind is CancelAttempt:
                self.calls.cancel(execution, command.attempt)  # type: ignore[union-attr]
            elif kind is Finish:
                self.after(0, self._finish, (execution, command))
            elif kind is StartChild:
                self.after(0, self._start_child, (execution, command))
            else:
                self.after(0, self._cancel_child, command)

    def _finish(self, happening: Later) -> None:
        execution, finish = happening._value
        self._running[execution.workflow] -= execution.started is not None
        self.ended(execution)
        if not self.keep:
            self._let_go(execution)
        if execution.parent is not None:
            told = ChildEnded(execution.attempt, execution.id, finish.status, finish.output, finish.error)
            self.tell(execution.parent, told)
        if self._pending[execution.workflow]:
            self._admit(execution.workflow)

    def _let_go(self, execution: Execution) -> None:
        if not self.keep:
            self.executions.pop(execution.id, None)
            if execution.timer is not None:
                # The clock would hold on to all that the execution was until the last of its timeouts is over.
                execution.timer._value = None
            execution.run.dissolve()

    # Children

    def _start_child(self, happening: Later) -> None:
        parent, command = happening._value
        error = why_no_child(command, self.graphs)
        if error is not None:
            self.tell(parent, Failed(command.attempt, error))
            return
        child = self.executions.get(command.child_id)
        if child is None:
            child = self._create(command.workflow, command.child_id, command.input, depth=command.depth, job=-1)
            if command.wait:
                child.parent, child.attempt = parent, command.attempt
            if parent.case is not None:
                child.case = parent.case.children.get(command.step)
            self._admit(command.workflow)
        if not command.wait:
            self.tell(parent, ChildStarted(command.attempt, child.id))

    def _cancel_child(self, happening: Later) -> None:
        command: CancelChild = happening._value
        child = self.executions.get(command.child_id)
        if child is None:
            return
        try:
            self.tell(child, Cancel(compensate=command.compensate))
        except Refused:
            return  # it has ended by now, or is compensating already


class _NoCalls:
    """A shell without services: every attempt fails."""

    def call(self, execution: Execution, command: StartAttempt) -> None:
        """Raise InvariantViolated."""
        raise InvariantViolated(f"there are no services: {execution.id} calls {command.service}.{command.method}")

    def cancel(self, execution: Execution, attempt: str) -> None:
        """Do nothing: there is no attempt."""


def _nothing(execution: Execution) -> None:
    """Take no note of an end."""
