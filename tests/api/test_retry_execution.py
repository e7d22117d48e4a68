from __future__ import annotations

from orchestration.registry import local
from tests.api.client import Caller
from tests.api.definitions import adding_definition, failing_definition
from tests.api.running import reach, show, start


def test_it_retries_from_what_failed(program: Caller, shift: None):
    program.post("workflows", failing_definition())
    execution = start(program, "failing")
    failed = reach(program, execution, "failed")
    assert failed["error"]["code"] == "service_not_found"
    local.register_local(team_id=None, name="nowhere", method="m", function=lambda given: {"found": True})

    try:
        answer = program.post(f"executions/{execution}/retry")
        ended = reach(program, execution, "completed")
    finally:
        local.unregister_local(team_id=None, name="nowhere")

    assert (answer.status, answer.body["done"]) == (200, True)
    assert answer.body["status"] in {"running", "completed"}
    assert (ended["attempt"], ended["output"], ended["error"]) == (2, {"found": True}, None)


def test_it_refuses_what_completed(program: Caller, shift: None):
    program.post("workflows", adding_definition())
    execution = start(program, "adding")
    before = reach(program, execution, "completed")

    answer = program.post(f"executions/{execution}/retry")

    assert (answer.status, answer.code, answer.body["state"]) == (409, "refused", "completed")
    assert show(program, execution) == before
