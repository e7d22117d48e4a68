from __future__ import annotations

from tests.api.client import Caller
from tests.api.definitions import adding_definition, waiting_definition
from tests.api.running import reach, reach_wait, show, start


def test_it_pauses(program: Caller, shift: None):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")
    reach_wait(program, execution)

    answer = program.post(f"executions/{execution}/pause")

    assert (answer.status, answer.body) == (200, {"execution_id": execution, "status": "paused", "done": True})
    assert show(program, execution)["status"] == "paused"


def test_it_refuses_what_is_paused_already(program: Caller, shift: None):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")
    reach_wait(program, execution)
    program.post(f"executions/{execution}/pause", {})

    answer = program.post(f"executions/{execution}/pause", {})

    assert (answer.status, answer.code, answer.body["state"]) == (409, "refused", "paused")
    assert "resume" in answer.body["allowed"]


def test_it_refuses_what_has_ended(program: Caller, shift: None):
    program.post("workflows", adding_definition())
    execution = start(program, "adding")
    before = reach(program, execution, "completed")

    answer = program.post(f"executions/{execution}/pause")

    assert (answer.status, answer.code, answer.body["state"]) == (409, "refused", "completed")
    assert show(program, execution) == before


def test_it_is_taken_on_when_nobody_is_at_work(program: Caller, patience: None):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")

    answer = program.post(f"executions/{execution}/pause")

    assert (answer.status, answer.body["done"]) == (202, False)


def test_it_refuses_a_viewer(program: Caller, viewer: Caller):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")

    assert viewer.post(f"executions/{execution}/pause").status == 403


def test_it_refuses_what_is_not_asked_for(program: Caller):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")

    answer = program.post(f"executions/{execution}/pause", {"until": "tomorrow"})

    assert (answer.status, answer.code, answer.paths) == (422, "key.unknown", ["until"])
