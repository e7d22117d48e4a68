"""How long an attempt may take: by the step's word, else by the service's policy, else by the default; and for ever."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.domain.commands import CancelAttempt, StartAttempt
from orchestration.domain.definition import parse_definition
from orchestration.domain.errors import StepError
from orchestration.domain.events import Event
from orchestration.domain.facts import Answered, Cancel, Failed
from orchestration.domain.graph import Graph
from orchestration.domain.limits import MICROSECONDS, Defaults
from orchestration.domain.run import Run

SECOND = MICROSECONDS
CALL: dict[str, Any] = {"id": "a", "type": "service", "service_name": "slow", "method": "m"}
DEFAULT = Defaults(step_timeout=30 * SECOND)


def run_of(*steps: dict[str, Any], timeouts: dict[str, int] | None = None, **config: Any) -> Run:
    graph = Graph.compile(parse_definition({"id": "w", "steps": list(steps), "config": config}))
    return Run(graph, execution_id="e", defaults=DEFAULT, service_timeouts=timeouts or {})


def begun(run: Run) -> tuple[list[Event], StartAttempt, int | None]:
    run.start(0)
    decision = run.decide(0)
    (command,) = decision.commands
    assert isinstance(command, StartAttempt)
    return list(decision.events), command, decision.wake_at


@pytest.mark.parametrize(
    ("own", "policy", "expected", "nobody_chose"),
    [
        (None, None, 30, True),
        (None, 90, 90, True),
        (None, 5, 5, True),
        ("10s", 90, 10, False),
        ("2m", 5, 120, False),
    ],
)
def test_it_goes_by_the_step_then_the_policy_then_the_default(own, policy, expected, nobody_chose):
    timeouts = {} if policy is None else {"slow": policy * SECOND}
    step = CALL if own is None else {**CALL, "timeout": own}
    _, command, wake_at = begun(run_of(step, timeouts=timeouts))
    assert (command.timeout, command.default_timeout) == (expected * SECOND, nobody_chose)
    assert wake_at == expected * SECOND


def test_it_goes_by_the_policy_of_the_service_that_it_calls():
    _, command, _ = begun(run_of(CALL, timeouts={"other": 90 * SECOND}))
    assert command.timeout == 30 * SECOND


def test_it_gives_up_at_the_policys_timeout_and_not_before():
    run = run_of({**CALL, "retry": {"max_attempts": 1}}, timeouts={"slow": 90 * SECOND})
    begun(run)
    assert run.decide(90 * SECOND - 1).events == []
    decision = run.decide(90 * SECOND)
    assert [each.type for each in decision.events] == ["step.failed", "workflow.failed"]
    assert decision.events[0].data["error"]["code"] == "timeout"
    assert any(isinstance(each, CancelAttempt) for each in decision.commands)


def test_it_journals_only_what_a_policy_decided():
    entries, _, _ = begun(run_of(CALL, timeouts={"slow": 90 * SECOND}))
    assert entries[-1].data["timeout"] == 90 * SECOND
    for step, timeouts in ((CALL, {}), ({**CALL, "timeout": "10s"}, {"slow": 90 * SECOND})):
        entries, _, _ = begun(run_of(step, timeouts=timeouts))
        assert "timeout" not in entries[-1].data


def test_a_replay_goes_by_what_it_began_with_whatever_the_policy_is_by_then():
    entries, command, _ = begun(run_of(CALL, timeouts={"slow": 90 * SECOND}))
    again = run_of(CALL, timeouts={"slow": 5 * SECOND})
    for each in entries:
        again.apply(each)
    again.take_up(SECOND, lost=False)
    decision = again.decide(SECOND)
    (repeated,) = decision.commands
    assert isinstance(repeated, StartAttempt)
    assert (repeated.attempt, repeated.timeout) == (command.attempt, 90 * SECOND)
    assert decision.wake_at == 90 * SECOND


def test_the_next_attempt_goes_by_the_policy_of_its_own_time():
    timeouts = {"slow": 90 * SECOND}
    run = run_of({**CALL, "retry": {"delay": "1s", "jitter": 0}}, timeouts=timeouts)
    _, command, _ = begun(run)
    timeouts["slow"] = 5 * SECOND
    run.hear(Failed(command.attempt, StepError("connection")), SECOND)
    run.decide(SECOND)
    (second,) = run.decide(2 * SECOND).commands
    assert isinstance(second, StartAttempt)
    assert second.timeout == 5 * SECOND


def test_a_compensation_goes_by_it_as_a_step_does():
    undo = {"service_name": "undoer", "method": "undo"}
    steps = ({**CALL, "compensate": undo}, {"id": "w", "type": "wait", "signal": "go", "dependencies": ["a"]})
    timeouts = {"undoer": 90 * SECOND}
    run = run_of(*steps, timeouts=timeouts)
    entries, command, _ = begun(run)
    run.hear(Answered(command.attempt, {}), SECOND)
    entries += run.decide(SECOND).events
    run.hear(Cancel(compensate=True), 2 * SECOND)
    decision = run.decide(2 * SECOND)
    (undoing,) = [each for each in decision.commands if isinstance(each, StartAttempt)]
    assert (undoing.purpose, undoing.timeout, undoing.default_timeout) == ("compensation", 90 * SECOND, True)
    assert run.by_path["a"].deadline == 92 * SECOND
    again = run_of(*steps, timeouts={"undoer": 5 * SECOND})
    for each in [*entries, *decision.events]:
        again.apply(each)
    again.decide(3 * SECOND)
    assert again.by_path["a"].deadline == 93 * SECOND
