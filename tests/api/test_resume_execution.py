from __future__ import annotations

from tests.api.client import Caller
from tests.api.definitions import waiting_definition
from tests.api.running import reach_wait, start


def test_it_resumes(program: Caller, shift: None):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")
    reach_wait(program, execution)
    program.post(f"executions/{execution}/pause")

    answer = program.post(f"executions/{execution}/resume")

    assert (answer.status, answer.body) == (200, {"execution_id": execution, "status": "running", "done": True})


def test_it_refuses_what_is_not_paused(program: Caller, shift: None):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")
    reach_wait(program, execution)

    answer = program.post(f"executions/{execution}/resume")

    assert (answer.status, answer.code, answer.body["state"]) == (409, "refused", "running")
