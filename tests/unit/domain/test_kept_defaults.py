"""What an execution began with stays what it goes by, whatever the defaults of the platform are by then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestration.domain.definition import parse_definition
from orchestration.domain.errors import StepError
from orchestration.domain.events import Event
from orchestration.domain.facts import Cancel, Failed, Retry
from orchestration.domain.graph import Graph
from orchestration.domain.limits import DEFAULTS, MICROSECONDS, Defaults
from orchestration.domain.run import Run

CALL = {"id": "a", "type": "service", "service_name": "s", "method": "m", "retry": {"delay": "1s", "jitter": 0}}
WAIT = {"id": "w", "type": "wait", "signal": "go"}
THEN = Defaults(
    step_timeout=5 * MICROSECONDS,
    execution_timeout=100 * MICROSECONDS,
    retry_attempts=2,
    wait_timeout=20 * MICROSECONDS,
    max_concurrent=7,
)


def run_of(*steps: dict[str, Any], defaults: Defaults = THEN, **config: Any) -> Run:
    graph = Graph.compile(parse_definition({"id": "w", "steps": list(steps), "config": config}))
    return Run(graph, execution_id="e", defaults=defaults)


def replayed(entries: list[Event], *steps: dict[str, Any], defaults: Defaults = DEFAULTS) -> Run:
    run = run_of(*steps, defaults=defaults)
    for each in entries:
        run.apply(each)
    return run


def begun(*steps: dict[str, Any]) -> tuple[Run, list[Event]]:
    run = run_of(*steps)
    run.start(0)
    return run, list(run.decide(0).events)


def test_its_journal_says_what_it_began_with():
    _, entries = begun(CALL)
    assert entries[0].type == "workflow.started"
    assert entries[0].data == {
        "defaults": {
            "step_timeout": 5 * MICROSECONDS,
            "execution_timeout": 100 * MICROSECONDS,
            "retry_attempts": 2,
            "wait_timeout": 20 * MICROSECONDS,
        }
    }


def test_a_replay_after_a_change_has_the_same_timers():
    run, entries = begun(CALL, WAIT)
    again = replayed(entries, CALL, WAIT)
    assert run.decide(0).wake_at == again.decide(0).wake_at == 5 * MICROSECONDS
    assert (again.deadline, again.by_path["w"].deadline) == (100 * MICROSECONDS, 20 * MICROSECONDS)
    assert again.defaults == replace(THEN, max_concurrent=DEFAULTS.max_concurrent)


def test_one_that_runs_makes_as_many_calls_as_when_it_began():
    _, entries = begun(CALL)
    again = replayed(entries, CALL, defaults=replace(THEN, retry_attempts=50))
    for second in (1, 10):
        reference = again.by_path["a"].reference
        assert reference is not None
        again.hear(Failed(reference, StepError("timeout")), second * MICROSECONDS)
        again.decide(second * MICROSECONDS)
        again.decide((second + 5) * MICROSECONDS)
    assert (again.by_path["a"].status, again.by_path["a"].attempts) == ("failed", 2)


def test_an_execution_ends_in_the_time_that_it_began_with():
    _, entries = begun(WAIT | {"timeout": "1h"})
    again = replayed(entries, WAIT | {"timeout": "1h"})
    again.decide(100 * MICROSECONDS - 1)
    assert again.status == "running"
    again.decide(100 * MICROSECONDS)
    assert (again.status, again.error and again.error["code"]) == ("failed", "timeout")


def test_what_the_definition_says_holds_before_the_defaults():
    run = run_of(CALL | {"timeout": "1s"}, WAIT | {"timeout": "2s"}, timeout="3s")
    run.start(0)
    run.decide(0)
    deadlines = run.by_path["a"].deadline, run.by_path["w"].deadline, run.deadline
    assert deadlines == (MICROSECONDS, 2 * MICROSECONDS, 3 * MICROSECONDS)


def test_one_that_was_cancelled_before_it_began_keeps_what_its_retry_found():
    run = run_of(CALL)
    run.hear(Cancel(), 0)
    entries = list(run.decide(0).events)
    later = replayed(entries, CALL, defaults=THEN)
    later.hear(Retry(), 1)
    entries += later.decide(1).events
    assert [each.type for each in entries[:2]] == ["workflow.cancelled", "workflow.retried"]
    again = replayed(entries, CALL)
    assert (again.defaults.retry_attempts, again.deadline) == (2, 100 * MICROSECONDS + 1)


def test_a_journal_of_before_goes_by_the_defaults_of_its_shell():
    again = replayed([Event(1, "workflow.started", 0, "", {})], CALL, defaults=THEN)
    assert again.defaults == THEN
