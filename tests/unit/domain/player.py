"""A deliberately simple shell for property tests: it keeps what a run asked for in lists and answers in any order.

Nothing here is shared with the real shells. Which of the things that may happen next does happen is drawn, so answers,
timers, actions and messages come in every order; an answer never comes before its time has, a timer never before it is
due, and a thing that is late is only that.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from orchestration.domain.commands import CancelAttempt, CancelChild, Decision, Finish, StartAttempt, StartChild
from orchestration.domain.definition import parse_definition
from orchestration.domain.durations import parse_duration
from orchestration.domain.errors import Refused, StepError
from orchestration.domain.events import Event
from orchestration.domain.facts import (
    Accepted,
    Answered,
    BusEvent,
    Cancel,
    ChildEnded,
    ChildStarted,
    Failed,
    Pause,
    Postponed,
    Rerun,
    Resume,
    Retry,
    ServiceBack,
    Signal,
)
from orchestration.domain.graph import Graph
from orchestration.domain.invariants import check_state
from orchestration.domain.limits import Defaults
from orchestration.domain.postponement import NO_HEALTHY_INSTANCE, REASONS
from orchestration.domain.run import Run

START = 1_700_000_000_000_000
MOST_TURNS = 3_000
DEFAULTS = Defaults(
    postponed_first=20_000, postponed_most=200_000, postponed_busy_most=50_000, postponed_undo=1_000_000
)
"""What is postponed is asked for again within the times in which everything else happens here."""


def new_run(scenario: dict[str, Any], graph: Graph | None = None) -> Run:
    """Return a run of the scenario's workflow to which nothing has happened."""
    graph = graph or Graph.compile(parse_definition(scenario["definition"]))
    return Run(graph, execution_id="run-1", input=scenario["input"], defaults=DEFAULTS)


def snapshot(run: Run) -> dict[str, Any]:
    """Return everything of a run that others can see."""
    # When an attempt of a compensation began is in no entry: what is in flight then is known to its shell only.
    compensating = run.status == "compensating"
    return {
        "status": run.status,
        "seq": run.seq,
        "attempt": run.attempt,
        "output": run.output,
        "error": run.error,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "progress": run.progress,
        "steps_done": run.steps_done,
        "topics": run.event_topics,
        "in_flight": None if compensating else run.in_flight,
        "wake_at": None if compensating else run.wake_at,
        "waits": [] if compensating else run.waiting_for(run.started_at or 0),
        "steps": [
            (
                step.path,
                step.status,
                step.attempts,
                step.started_at,
                step.ended_at,
                None if step.status == "compensating" else step.next_attempt_at,
                step.input,
                step.output,
                step.error,
            )
            for step in run.step_runs()
        ],
    }


@dataclass(slots=True)
class Due:
    """Something that will be told, not before `at`."""

    at: int
    fact: Any


@dataclass(slots=True)
class Player:
    """One run and all that is under way outside of it."""

    scenario: dict[str, Any]
    run: Run
    luck: random.Random
    now: int = START
    journal: list[Event] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    due: list[Due] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    actions: list[dict[str, Any]] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    finishes: int = 0
    postpones: float = 0.0

    @classmethod
    def begin(cls, scenario: dict[str, Any], seed: int, run: Run | None = None) -> Player:
        """Return a player whose run has just started."""
        player = cls(scenario, run or new_run(scenario), random.Random(seed))
        player.actions = list(scenario["actions"])
        player.postpones = player.luck.choice([0.0, 0.0, 0.3, 0.6])
        player.run.start(player.now)
        player.decide()
        return player

    def decide(self) -> Decision:
        """Let the run decide, and note what it asks for."""
        decision = self.run.decide(self.now)
        wrong = check_state(self.run)
        assert not wrong, f"{self.scenario['scenario']}: {wrong}"
        self.decisions.append(decision)
        self.journal.extend(decision.events)
        for command in decision.commands:
            self.carry_out(command)
        return decision

    def carry_out(self, command: Any) -> None:
        match command:
            case StartAttempt():
                self.started.append(command.attempt)
                self.call(command)
            case CancelAttempt():
                self.due = [each for each in self.due if getattr(each.fact, "attempt", None) != command.attempt]
            case StartChild():
                self.start_child(command)
            case CancelChild():
                self.due = [each for each in self.due if getattr(each.fact, "execution_id", "") != command.child_id]
            case Finish():
                self.finishes += 1

    def call(self, command: StartAttempt) -> None:
        if self.luck.random() < self.postpones:
            self.turn_away(command)
            return
        name = f"{command.service}.{command.method}"
        answers = self.scenario["services"].get(name, [{}])
        used = self.used.get(name, 0)
        self.used[name] = used + 1
        answer = answers[min(used, len(answers) - 1)]
        if "accepted" in answer and command.completion == "callback":
            self.later(answer["accepted"], Accepted(command.attempt))
        if answer.get("hang"):
            return
        error = answer.get("error")
        if error is None:
            self.later(answer.get("after", 0), Answered(command.attempt, answer.get("output")))
            return
        wait = parse_duration(error["retry_after"]) if "retry_after" in error else None
        self.later(answer["after"], Failed(command.attempt, StepError(error["code"]), wait))

    def turn_away(self, command: StartAttempt) -> None:
        reason = self.luck.choice(sorted(REASONS))
        after = self.luck.choice([None, None, 1_000, 80_000])
        self.later(self.luck.choice([0, "5ms"]), Postponed(command.attempt, reason, "not now", after))
        if reason == NO_HEALTHY_INSTANCE and self.luck.random() < 0.5:
            self.later(f"{self.luck.randrange(1, 60)}ms", ServiceBack(command.service))

    def start_child(self, command: StartChild) -> None:
        if command.workflow == "nobody":
            self.later(0, Failed(command.attempt, StepError("workflow_not_found")))
        elif not command.wait:
            self.later(0, ChildStarted(command.attempt, command.child_id))
        elif not any(getattr(each.fact, "execution_id", "") == command.child_id for each in self.due):
            status = self.luck.choice(["completed", "completed", "failed", "cancelled"])
            error = StepError("http_418").as_json() if status == "failed" else None
            output = {"v1": self.luck.randrange(3)} if status == "completed" else None
            self.later("50ms", ChildEnded(command.attempt, command.child_id, status, output, error))

    def later(self, after: str | int, fact: Any) -> None:
        self.due.append(Due(self.now + parse_duration(after), fact))

    # What happens next

    def turn(self) -> bool:
        """Let one more thing happen, mostly what comes next; return False if nothing can happen any more."""
        happenings = [(each.at, lambda each=each: self.answer(each)) for each in self.due]
        if self.actions:
            happenings.append((START + parse_duration(self.actions[0]["at"]), self.act))
        if self.run.wake_at is not None:
            happenings.append((self.run.wake_at, self.wake))
        if not happenings:
            return False
        in_time = self.luck.random() < 0.9
        _, happen = min(happenings, key=lambda each: each[0]) if in_time else self.luck.choice(happenings)
        happen()
        return True

    def answer(self, each: Due) -> None:
        self.due.remove(each)
        self.now = max(self.now, each.at)
        self.tell(each.fact)

    def wake(self) -> None:
        wake_at = self.run.wake_at
        assert wake_at is not None
        self.now = max(self.now, wake_at)
        self.decide()

    def act(self) -> None:
        action = self.actions.pop(0)
        self.now = max(self.now, START + parse_duration(action["at"]))
        fact = fact_of(action)
        try:
            self.tell(fact)
        except Refused:
            self.decide()

    def tell(self, fact: Any) -> Decision:
        """Tell the run something and let it decide."""
        self.run.hear(fact, self.now)
        self.told.append(fact)
        return self.decide()

    def play(self) -> None:
        """Go on until nothing can happen any more; fail if that takes too long."""
        for _ in range(MOST_TURNS):
            if not self.turn():
                return
        raise AssertionError(f"it has not ended after {MOST_TURNS} turns: {self.run.waiting_for(self.now)}")


def fact_of(action: dict[str, Any]) -> Any:
    """Return an action as the run hears it."""
    match action["do"]:
        case "pause":
            return Pause()
        case "resume":
            return Resume()
        case "cancel":
            return Cancel(action["compensate"])
        case "retry":
            return Retry()
        case "rerun":
            return Rerun(action["step"])
        case "signal":
            return Signal(action["name"], action["value"], action["by"])
    return BusEvent(action["topic"], action["payload"], "event-1", START)


def same_entries(left: list[Event], right: list[Event]) -> bool:
    """Tell whether two stretches of journal say the same."""
    return [(e.seq, e.type, e.at, e.step, e.data) for e in left] == [
        (e.seq, e.type, e.at, e.step, e.data) for e in right
    ]
