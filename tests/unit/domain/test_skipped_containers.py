"""A container that ran before, was reset and is skipped the second time: nothing in it is left open."""

from __future__ import annotations

from orchestration.domain.definition import parse_definition
from orchestration.domain.errors import StepError
from orchestration.domain.facts import Answered, Cancel, Failed, Retry
from orchestration.domain.graph import Graph
from orchestration.domain.invariants import check_state
from orchestration.domain.run import Run

ONCE = {"max_attempts": 1}
CALL = {"type": "service", "service_name": "s", "method": "m", "retry": ONCE}
UNDO = {"service_name": "s", "method": "undo"}
DOCUMENT = {
    "id": "w",
    "config": {"failure_policy": "continue"},
    "steps": [
        {"id": "a", **CALL, "compensate": UNDO},
        {"id": "p", "type": "parallel", "dependencies": ["a"], "steps": [{"id": "n", **CALL}]},
    ],
}


def test_what_was_reset_in_a_container_that_is_skipped_is_cancelled():
    run = Run(Graph.compile(parse_definition(DOCUMENT)), execution_id="e")
    run.start(1)

    def reference() -> str:
        [command] = run.decide(1).commands
        return command.attempt

    run.hear(Answered(reference(), {}), 1)
    assert reference().startswith("p.n!")
    run.hear(Cancel(compensate=True), 1)
    [_, undo] = run.decide(1).commands
    run.hear(Answered(undo.attempt, {}), 1)
    run.decide(1)
    assert run.status == "cancelled"
    run.hear(Retry(), 1)
    run.hear(Failed(reference(), StepError("no")), 1)
    run.decide(1)
    assert run.status == "failed"
    assert {step.path: step.status for step in run.step_runs()} == {"a": "failed", "p": "skipped", "p.n": "cancelled"}
    assert check_state(run) == []
