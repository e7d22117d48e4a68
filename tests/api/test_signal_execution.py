from __future__ import annotations

from typing import Any

import pytest

from tests.api.client import Caller
from tests.api.definitions import adding_definition, waiting_definition
from tests.api.running import reach, reach_wait, start


def test_it_ends_the_wait(program: Caller, shift: None):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")
    waiting = reach_wait(program, execution)
    assert waiting["current_steps"] == ["gate"]
    assert [(each["kind"], each["step"]) for each in waiting["waiting_for"]] == [("signal", "gate")]

    answer = program.post(f"executions/{execution}/signals/go", {"value": {"approved": True}})

    assert (answer.status, answer.body["done"]) == (200, True)
    assert reach(program, execution, "completed")["output"] == {"told": {"approved": True}, "by": "key program"}


@pytest.mark.parametrize("value", [None, 7, "yes", [1, {"a": None}], False])
def test_it_carries_any_value(program: Caller, shift: None, value: Any):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")
    program.post(f"executions/{execution}/signals/go", {"value": value})

    assert reach(program, execution, "completed")["output"]["told"] == value


def test_it_needs_no_body(program: Caller, shift: None):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")
    program.post(f"executions/{execution}/signals/go")

    assert reach(program, execution, "completed")["output"]["told"] is None


def test_a_program_may_speak_for_somebody(program: Caller, shift: None):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")
    program.post(f"executions/{execution}/signals/go", {"by": "ann"})

    assert reach(program, execution, "completed")["output"]["by"] == "ann"


def test_a_person_speaks_for_themselves(program: Caller, operator: Caller, shift: None):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")

    refused = operator.post(f"executions/{execution}/signals/go", {"by": "ann"})
    operator.post(f"executions/{execution}/signals/go", {"value": 1})

    assert (refused.status, refused.code, refused.paths) == (422, "key.read_only", ["by"])
    assert reach(program, execution, "completed")["output"]["by"] == "operator"


def test_it_refuses_what_has_ended(program: Caller, shift: None):
    program.post("workflows", adding_definition())
    execution = start(program, "adding")
    reach(program, execution, "completed")

    answer = program.post(f"executions/{execution}/signals/go", {"value": 1})

    assert (answer.status, answer.code, answer.body["state"]) == (409, "refused", "completed")


@pytest.mark.parametrize("name", ["%00", "%0A", "%20", "%20go", "a" * 201])
def test_it_refuses_a_name_that_is_none(program: Caller, name: str):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")

    answer = program.post(f"executions/{execution}/signals/{name}", {})

    assert (answer.status, answer.code) == (422, "text.format")
