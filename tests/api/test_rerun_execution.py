from __future__ import annotations

import pytest

from tests.api.client import Caller
from tests.api.definitions import failing_definition, waiting_definition
from tests.api.running import reach, show, start


def test_it_runs_again_from_a_step(program: Caller, shift: None):
    first = {"id": "first", "type": "service", "service_name": "sums", "method": "add", "input": {"a": 1, "b": 1}}
    definition = failing_definition()
    definition["steps"][0]["dependencies"] = ["first"]
    program.post("workflows", {**definition, "steps": [first, *definition["steps"]]})
    execution = start(program, "failing")
    reach(program, execution, "failed")

    answer = program.post(f"executions/{execution}/rerun", {"step": "first"})

    assert (answer.status, answer.body["done"]) == (200, True)
    again = reach(program, execution, "failed")
    assert again["attempt"] == 2
    events = program.get(f"executions/{execution}/events").body["items"]
    assert [each["step"] for each in events if each["type"] == "step.completed"] == ["first", "first"]


def test_it_refuses_a_step_that_is_not_there(program: Caller, shift: None):
    program.post("workflows", failing_definition())
    execution = start(program, "failing")
    before = reach(program, execution, "failed")

    answer = program.post(f"executions/{execution}/rerun", {"step": "nothing"})

    assert answer.status in {409, 422}
    assert show(program, execution) == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "key.missing"),
        ({"step": 1}, "value.type"),
        ({"step": ""}, "text.format"),
        ({"step": "a" * 64}, "text.format"),
    ],
)
def test_it_needs_a_step(program: Caller, body: dict, code: str):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")

    answer = program.post(f"executions/{execution}/rerun", body)

    assert (answer.status, answer.code, answer.paths) == (422, code, ["step"])


def test_it_needs_a_body(program: Caller):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")

    assert program.post(f"executions/{execution}/rerun").code == "document.empty"
