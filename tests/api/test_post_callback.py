from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestration.registry import local
from tests.api.client import Caller
from tests.api.running import reach, show, start
from tests.waiting import wait_for

STEP = {"id": "slow", "type": "service", "service_name": "later", "method": "do", "completion": "callback"}
DEFINITION = {"id": "called-back", "steps": [{**STEP, "retry": {"max_attempts": 1}}]}
PLACE = "/api/v1/"


@pytest.fixture
def addresses(shift: None) -> Iterator[list[str]]:
    """Return the addresses that the service was told to post its results to."""
    told: list[str] = []

    def accept(given: dict[str, Any], context: local.CallContext) -> local.Acceptance:
        told.append(str(context.callback))
        return local.ACCEPTED

    local.register_local(team_id=None, name="later", method="do", function=accept)
    yield told
    local.unregister_local(team_id=None, name="later")


def accepted(program: Caller, addresses: list[str]) -> tuple[str, str]:
    program.post("workflows", DEFINITION)
    execution = start(program, "called-back")
    wait_for(lambda: addresses, what="the call")
    wait_for(lambda: show(program, execution)["steps"][0]["status"] in {"running", "waiting"}, what="the acceptance")
    return execution, addresses[0].partition(PLACE)[2]


def test_it_ends_the_step(program: Caller, nobody: Caller, addresses: list[str]):
    execution, address = accepted(program, addresses)

    answer = nobody.post(address, {"output": {"sum": 42}})

    assert (answer.status, answer.body) == (200, {"accepted": True})
    shown = reach(program, execution, "completed")
    assert (shown["steps"][0]["output"], shown["output"]) == ({"sum": 42}, {"sum": 42})


def test_an_object_with_neither_key_is_the_output(program: Caller, nobody: Caller, addresses: list[str]):
    execution, address = accepted(program, addresses)
    nobody.post(address, {"sum": 42})

    assert reach(program, execution, "completed")["output"] == {"sum": 42}


def test_nothing_is_an_empty_output(program: Caller, nobody: Caller, addresses: list[str]):
    execution, address = accepted(program, addresses)

    assert nobody.post(address).status == 200
    assert reach(program, execution, "completed")["output"] == {}


def test_it_fails_the_step(program: Caller, nobody: Caller, addresses: list[str]):
    execution, address = accepted(program, addresses)

    nobody.post(address, {"error": {"code": "declined", "message": "no money", "details": {"left": 3}}})

    error = reach(program, execution, "failed")["steps"][0]["error"]
    assert (error["code"], error["message"], error["retryable"]) == ("declined", "no money", False)


def test_only_the_first_result_counts(program: Caller, nobody: Caller, addresses: list[str]):
    execution, address = accepted(program, addresses)
    nobody.post(address, {"output": {"first": True}})
    reach(program, execution, "completed")

    assert nobody.post(address, {"output": {"second": True}}).status == 200
    assert show(program, execution)["output"] == {"first": True}


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        ({"output": 7}, "value.type", "output"),
        ({"error": {}}, "key.missing", "error.code"),
        ({"error": "bad"}, "value.type", "error"),
        ({"error": {"code": "x"}, "output": {}}, "key.excluded", "error"),
        ({"output": {}, "status": "completed"}, "key.read_only", "status"),
    ],
)
def test_it_refuses_a_result_that_is_none(program: Caller, nobody: Caller, addresses: list[str], body, code, path):
    execution, address = accepted(program, addresses)

    answer = nobody.post(address, body)

    assert (answer.status, answer.code, answer.paths) == (422, code, [path])
    assert show(program, execution)["status"] == "running"


@pytest.mark.parametrize("token", ["x", "a.b.c", "x" * 5000, "%00", "WzEsMiwzXQ:1vE:abc", "é"])
def test_it_finds_no_token_that_was_not_made_here(nobody: Caller, token: str):
    answer = nobody.post(f"callbacks/{token}", {"output": {}})

    assert (answer.status, answer.code) == (404, "not_found")


def test_it_finds_no_token_that_was_changed(program: Caller, nobody: Caller, addresses: list[str]):
    execution, address = accepted(program, addresses)

    for place in (len("callbacks/") + 2, len(address) // 2, len(address) - 1):
        changed = address[:place] + ("A" if address[place] != "A" else "B") + address[place + 1 :]
        assert nobody.post(changed, {"output": {}}).status == 404
    assert show(program, execution)["status"] == "running"


def test_it_takes_no_other_method(nobody: Caller):
    assert nobody.get("callbacks/x").status == 405
