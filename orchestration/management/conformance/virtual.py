"""The virtual-time shell: runs, scripted services and an operator in one heap, where nothing takes time by itself.

The heap holds what will happen: answers, timers, actions, starts and ends of children, each with its instant and its
place in the order in which it was scheduled; that order decides between things of the same instant. What one execution
causes in another goes through the heap too, at the same instant, so a run's own commands come before what they set off
elsewhere. One thing is told to one run, the run decides, its commands are carried out, its next timer is armed: the
loop of every shell. An attempt that was cancelled is forgotten, and what was scheduled for it finds nobody.

Plain Python over the domain: no framework, no clock, no chance, so that playing a scenario again gives the same record.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from orchestration.domain.children import why_no_child
from orchestration.domain.commands import CancelAttempt, CancelChild, Command, Finish, StartAttempt, StartChild
from orchestration.domain.definition import Definition, check_input, parse_definition
from orchestration.domain.durations import format_duration
from orchestration.domain.errors import DocumentInvalid, InputInvalid, Refused, StepError
from orchestration.domain.events import Event
from orchestration.domain.facts import (
    Accepted,
    Answered,
    BusEvent,
    Cancel,
    ChildEnded,
    ChildStarted,
    Fact,
    Failed,
    Postponed,
)
from orchestration.domain.graph import Graph
from orchestration.domain.limits import DEFAULTS
from orchestration.domain.run import Run

from .answers import result_of
from .record import Call, Entry, ExecutionRecord, InFlight, Record, StepRecord
from .scenario import Publish, Scenario, TimedAction, reason_of
from .script import NoAnswer, NoMethod, NoService, Services

EPOCH = 1_767_225_600_000_000
"""Where virtual time begins: 2026-01-01T00:00:00Z."""

MOST_TURNS = 1_000_000
MOST_EXECUTIONS = 10_000
FIRST_ID = "00000000-0000-8000-8000-000000000001"


class NeverEnds(Exception):
    """A scenario that stands still, or that does not come to an end within bounds."""


@dataclass(slots=True)
class _Execution:
    """One execution and what its shell keeps for it; `attempt` is what a parent waits under."""

    run: Run
    id: str
    workflow: str
    definition: Definition
    created: int
    parent: _Execution | None = None
    attempt: str = ""
    started: int | None = None
    armed: int | None = None
    journal: list[Event] = field(default_factory=list)


class World:
    """Everything that a scenario sets going, and its virtual clock."""

    def __init__(self, scenario: Scenario, graphs: dict[str, Graph]) -> None:
        self._scenario = scenario
        self._graphs = graphs
        self._services = Services(scenario.services)
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._scheduled = 0
        self._starts = 0
        self._executions: dict[str, _Execution] = {}
        self._pending: dict[str, list[_Execution]] = {}
        self._running: dict[str, list[_Execution]] = {}
        self._in_flight = InFlight()
        self._awaited: set[tuple[str, str]] = set()
        self._calls: list[Call] = []
        self._refused: set[int] = set()
        self._trouble: str | None = None
        self._now = EPOCH

    def play(self, workflow: str) -> Record:
        """Start the first execution, play all actions, and go on until everything has ended."""
        for position, timed in enumerate(self._scenario.actions):
            self._at(EPOCH + timed.at, partial(self._act, position, timed))
        try:
            self._create(workflow, FIRST_ID, self._scenario.input, depth=0)
            self._admit(workflow)
            self._go_on()
        except NeverEnds as error:
            self._trouble = self._trouble or str(error)
        return self._record()

    # Time

    def _at(self, instant: int, happen: Callable[[], None]) -> None:
        self._scheduled += 1
        heapq.heappush(self._heap, (instant, self._scheduled, happen))

    def _soon(self, happen: Callable[[], None]) -> None:
        self._at(self._now, happen)

    def _go_on(self) -> None:
        turns = 0
        while self._heap:
            turns += 1
            if turns > MOST_TURNS:
                raise NeverEnds(f"it has not ended after {MOST_TURNS} turns; {self._standing()}")
            self._now, _, happen = heapq.heappop(self._heap)
            happen()
        if any(not execution.run.ended for execution in self._executions.values()):
            raise NeverEnds(f"it never ends; {self._standing()}")

    def _standing(self) -> str:
        """Return what the executions that have not ended wait for."""
        waits = []
        for execution in self._executions.values():
            if execution.run.ended:
                continue
            if execution.started is None:
                reasons = ["its turn (max_concurrent)"]
            else:
                reasons = [_say(waiting) for waiting in execution.run.waiting_for(self._now)] or ["nothing"]
            waits.append(f"{execution.workflow} is {execution.run.status}, waiting for {', '.join(reasons[:5])}")
        return "; ".join(waits[:5])

    # Executions

    def _create(self, workflow: str, execution_id: str, given: dict[str, Any], *, depth: int) -> _Execution:
        if len(self._executions) >= MOST_EXECUTIONS:
            raise NeverEnds(f"it started more than {MOST_EXECUTIONS} executions")
        graph = self._graphs[workflow]
        secrets = self._scenario.secrets
        run = Run(graph, execution_id=execution_id, revision=1, input=given, secrets=secrets, depth=depth)
        execution = _Execution(run, execution_id, workflow, graph.definition, len(self._executions))
        self._executions[execution_id] = execution
        self._pending.setdefault(workflow, []).append(execution)
        return execution

    def _admit(self, workflow: str) -> None:
        """Start what waits for its turn, by priority and then age, as far as `max_concurrent` allows."""
        pending = self._pending[workflow]
        running = self._running[workflow] = [each for each in self._running.get(workflow, []) if not each.run.ended]
        most = self._graphs[workflow].definition.config.max_concurrent or DEFAULTS.max_concurrent
        while pending and len(running) < most:
            execution = min(pending, key=lambda each: (each.definition.config.priority, each.created))
            pending.remove(execution)
            if execution.run.ended:
                continue
            running.append(execution)
            self._starts += 1
            execution.started = self._starts
            execution.run.start(self._now)
            self._decide(execution)

    def _tell(self, execution: _Execution, fact: Fact) -> None:
        execution.run.hear(fact, self._now)
        self._decide(execution)

    def _decide(self, execution: _Execution) -> None:
        decision = execution.run.decide(self._now)
        execution.journal.extend(decision.events)
        for command in decision.commands:
            self._carry_out(execution, command)
        wake_at = decision.wake_at
        if wake_at is not None and wake_at <= self._now and not decision.events:
            raise NeverEnds(f"{execution.workflow} wants to decide again at once, without news; {self._standing()}")
        if wake_at != execution.armed:
            execution.armed = wake_at
            if wake_at is not None:
                self._at(wake_at, lambda: self._wake(execution, wake_at))

    def _wake(self, execution: _Execution, instant: int) -> None:
        if execution.armed == instant:
            execution.armed = None
            self._decide(execution)

    def _carry_out(self, execution: _Execution, command: Command) -> None:
        match command:
            case StartAttempt():
                self._call(execution, command)
            case CancelAttempt():
                self._forget(execution, command.attempt)
            case StartChild():
                self._soon(lambda: self._start_child(execution, command))
            case CancelChild():
                self._soon(lambda: self._cancel_child(command))
            case Finish():
                self._soon(lambda: self._ended(execution, command))

    def _ended(self, execution: _Execution, finish: Finish) -> None:
        if execution.parent is not None:
            ended = ChildEnded(execution.attempt, execution.id, finish.status, finish.output, finish.error)
            self._tell(execution.parent, ended)
        self._admit(execution.workflow)

    # Children

    def _start_child(self, parent: _Execution, command: StartChild) -> None:
        error = why_no_child(command, self._graphs)
        if error is not None:
            self._tell(parent, Failed(command.attempt, error))
            return
        child = self._executions.get(command.child_id)
        if child is None:
            child = self._create(command.workflow, command.child_id, command.input, depth=command.depth)
            if command.wait:
                child.parent, child.attempt = parent, command.attempt
            self._admit(command.workflow)
        if not command.wait:
            self._tell(parent, ChildStarted(command.attempt, child.id))

    def _cancel_child(self, command: CancelChild) -> None:
        child = self._executions.get(command.child_id)
        if child is None:
            return
        try:
            self._tell(child, Cancel(compensate=command.compensate))
        except Refused:
            return  # it has ended by now, or is compensating already

    # Services

    def _call(self, execution: _Execution, command: StartAttempt) -> None:
        key = (execution.id, command.attempt)
        self._awaited.add(key)
        notification = command.purpose == "notification"
        try:
            answer = self._services.answer(command.service, command.method, command.input, notification=notification)
        except NoService as error:
            self._fail(execution, command, StepError("service_not_found", f"there is no service {error}"))
            return
        except NoMethod as error:
            self._fail(execution, command, StepError("method_not_found", f"there is no method {error}"))
            return
        except NoAnswer as error:
            self._trouble = self._trouble or str(error)
            self._fail(execution, command, StepError("no_answer", str(error), retryable=False))
            return
        postponed = answer.postponed
        if postponed is not None:
            self._forget(execution, command.attempt)
            told = Postponed(command.attempt, postponed.reason, postponed.message, postponed.after)
            self._soon(lambda: self._tell(execution, told))
            return
        self._calls.append(Call(f"{command.service}.{command.method}", command.input))
        self._in_flight.begin(key)
        taken_on = answer.accepted is not None and command.completion == "callback"
        if answer.accepted is not None:
            word: Accepted | Answered = Accepted(command.attempt) if taken_on else Answered(command.attempt)
            self._at(self._now + answer.accepted, lambda: self._answer(execution, word, last=not taken_on))
        if not answer.hang and (taken_on or answer.accepted is None):
            fact = result_of(command.attempt, answer)
            self._at(self._now + answer.after, lambda: self._answer(execution, fact, last=True))

    def _fail(self, execution: _Execution, command: StartAttempt, error: StepError) -> None:
        self._soon(lambda: self._answer(execution, Failed(command.attempt, error), last=True))

    def _answer(self, execution: _Execution, fact: Accepted | Answered | Failed, *, last: bool) -> None:
        if (execution.id, fact.attempt) not in self._awaited:
            return
        if last:
            self._forget(execution, fact.attempt)
        self._tell(execution, fact)

    def _forget(self, execution: _Execution, attempt: str) -> None:
        self._awaited.discard((execution.id, attempt))
        self._in_flight.end((execution.id, attempt))

    # Actions

    def _act(self, position: int, timed: TimedAction) -> None:
        action = timed.action
        if isinstance(action, Publish):
            event = BusEvent(action.topic, action.payload, id=f"event-{position}", published_at=self._now)
            for execution in list(self._executions.values()):
                if execution.run.waits_for_event(action.topic):
                    self._tell(execution, event)
            return
        first = self._executions[FIRST_ID]
        before = first.run.seq, first.run.status
        had_ended = first.run.ended
        try:
            self._tell(first, action)
            if had_ended and not first.run.ended:
                self._running[first.workflow].append(first)
        except Refused as error:
            self._refused.add(position)
            if (first.run.seq, first.run.status) != before:
                raise NeverEnds(f"action {position} was refused and changed something: {error}") from error

    # What came of it

    def _record(self) -> Record:
        first, *children = self._executions.values()
        children.sort(key=lambda each: (each.started is None, each.started or each.created))
        return Record(
            first=record_of(first.run, first.workflow, first.journal),
            children=[record_of(child.run, child.workflow, child.journal) for child in children],
            calls=self._calls,
            max_in_flight=self._in_flight.most,
            refused=self._refused,
            trouble=self._trouble,
        )


def play(scenario: Scenario) -> Record:
    """Play a scenario over the domain in virtual time and return what came of it."""
    try:
        definition = parse_definition(scenario.definition)
    except DocumentInvalid as error:
        return Record(invalid=tuple(problem.path for problem in error.problems))
    graphs = {definition.id: Graph.compile(definition)}
    for place, document in enumerate(scenario.children):
        try:
            child = parse_definition(document)
        except DocumentInvalid as error:
            return Record(trouble=f"children[{place}] is no definition: {reason_of(error)}")
        if child.id in graphs:
            return Record(trouble=f"children[{place}]: there are two definitions {child.id}")
        graphs[child.id] = Graph.compile(child)
    try:
        check_input(definition, scenario.input)
    except InputInvalid as error:
        return Record(invalid_input=tuple(problem.path for problem in error.problems))
    return World(scenario, graphs).play(definition.id)


def record_of(run: Run, workflow: str, journal: list[Event]) -> ExecutionRecord:
    """Return what an execution has come to."""
    return ExecutionRecord(
        workflow=workflow,
        status=run.status,
        error=_code(run.error),
        output=run.output,
        started_at=run.started_at,
        ended_at=run.ended_at,
        steps={
            step.path: StepRecord(step.status, step.attempts, step.output, _code(step.error))
            for step in run.step_runs()
        },
        journal=tuple(Entry(event.type, event.step, event.at) for event in journal),
    )


def _code(error: dict[str, Any] | None) -> str | None:
    return None if error is None else str(error["code"])


def _say(waiting: Any) -> str:
    """Return one answer of `waiting_for` as words."""
    words = [waiting.kind, waiting.step or "", waiting.detail or ""]
    if waiting.until is not None:
        words.append(f"until {format_duration(max(0, waiting.until - EPOCH))}")
    return " ".join(word for word in words if word)
