from __future__ import annotations

import pytest

from tests.api.client import Caller
from tests.api.definitions import waiting_definition
from tests.api.running import reach, reach_wait, show, start


@pytest.mark.parametrize("compensate", [False, True])
def test_it_cancels(program: Caller, shift: None, compensate: bool):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")
    reach_wait(program, execution)

    answer = program.post(f"executions/{execution}/cancel", {"compensate": compensate})

    assert (answer.status, answer.body["status"]) == (200, "cancelled")
    shown = show(program, execution)
    assert (shown["status"], shown["error"], shown["steps"][0]["status"]) == ("cancelled", None, "cancelled")
    assert shown["ended_at"] >= shown["started_at"] >= shown["created_at"]


def test_it_refuses_what_has_ended(program: Caller, shift: None):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")
    reach_wait(program, execution)
    program.post(f"executions/{execution}/cancel")
    reach(program, execution, "cancelled")

    answer = program.post(f"executions/{execution}/cancel")

    assert (answer.status, answer.code, answer.body["state"]) == (409, "refused", "cancelled")


@pytest.mark.parametrize("compensate", ["true", 1, None])
def test_it_refuses_what_is_no_bool(program: Caller, compensate: object):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")

    answer = program.post(f"executions/{execution}/cancel", {"compensate": compensate})

    assert (answer.status, answer.code, answer.paths) == (422, "value.type", ["compensate"])
