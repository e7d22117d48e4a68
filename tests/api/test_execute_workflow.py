from __future__ import annotations

import re

import pytest

from tests.api.client import Caller
from tests.api.definitions import waiting_definition

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(autouse=True)
def _saved(request: pytest.FixtureRequest) -> None:
    if "program" in request.fixturenames:
        request.getfixturevalue("program").post("workflows", waiting_definition())


def test_it_starts_an_execution(program: Caller):
    answer = program.post("workflows/approval/execute", {"variables": {"order": 7}})

    assert answer.status == 202
    assert UUID.fullmatch(answer.body["execution_id"])
    assert answer.body["status"] == "pending"
    links = answer.body["links"]
    assert links["self"] == answer.headers["Location"] == f"/api/v1/executions/{answer.body['execution_id']}"
    shown = program.get(links["self"].removeprefix("/api/v1/")).body
    assert shown["input"] == {"order": 7}
    assert (shown["workflow"], shown["revision"], shown["by"]) == ("approval", 1, "key program")
    assert program.get(links["workflow"].removeprefix("/api/v1/")).status == 200
    assert program.get(links["events"].removeprefix("/api/v1/")).status == 200


def test_it_starts_without_variables(program: Caller):
    answer = program.post("workflows/approval/execute", {})

    assert program.get(f"executions/{answer.body['execution_id']}").body["input"] == {}


def test_it_starts_the_revision_that_was_asked_for(program: Caller):
    program.post("workflows", waiting_definition(description="changed"))

    first = program.post("workflows/approval/execute", {"revision": 1}).body["execution_id"]
    latest = program.post("workflows/approval/execute", {}).body["execution_id"]

    assert program.get(f"executions/{first}").body["revision"] == 1
    assert program.get(f"executions/{latest}").body["revision"] == 2


def test_it_takes_a_priority(program: Caller):
    answer = program.post("workflows/approval/execute", {"priority": 0})

    assert program.get(f"executions/{answer.body['execution_id']}").body["priority"] == 0


def test_it_starts_no_unknown_revision(program: Caller):
    assert program.post("workflows/approval/execute", {"revision": 9}).status == 404


def test_it_gives_the_same_execution_for_the_same_key(program: Caller):
    first = program.post("workflows/approval/execute", {"variables": {"a": 1}}, Idempotency_Key="k-1")

    again = program.post("workflows/approval/execute", {"variables": {"a": 1}}, Idempotency_Key="k-1")

    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert len(program.get("executions").body["items"]) == 1


def test_it_refuses_the_same_key_with_another_body(program: Caller):
    program.post("workflows/approval/execute", {"variables": {"a": 1}}, Idempotency_Key="k-1")

    answer = program.post("workflows/approval/execute", {"variables": {"a": 2}}, Idempotency_Key="k-1")

    assert (answer.status, answer.code) == (422, "idempotency.mismatch")
    assert len(program.get("executions").body["items"]) == 1


def test_it_keeps_each_teams_keys_apart(program: Caller, stranger: Caller):
    stranger.post("workflows", waiting_definition())
    ours = program.post("workflows/approval/execute", {}, Idempotency_Key="k-1")

    theirs = stranger.post("workflows/approval/execute", {}, Idempotency_Key="k-1")

    assert theirs.status == 202
    assert theirs.body["execution_id"] != ours.body["execution_id"]


@pytest.mark.parametrize("key", ["", "k" * 256, "k\x7f", "clé"])
def test_it_refuses_a_key_that_is_none(program: Caller, key: str):
    answer = program.post("workflows/approval/execute", {}, Idempotency_Key=key)

    assert (answer.status, answer.code) == (400, "idempotency.key_invalid")
    assert answer.paths == ["Idempotency-Key"]


def test_it_refuses_an_input_that_the_schema_refuses(program: Caller):
    schema = {"type": "object", "required": ["order_id"], "properties": {"order_id": {"type": "string"}}}
    program.post("workflows", waiting_definition("strict", input_schema=schema))

    missing = program.post("workflows/strict/execute", {"variables": {}})
    wrong = program.post("workflows/strict/execute", {"variables": {"order_id": 7}})

    assert (missing.status, missing.code, missing.paths) == (422, "invalid_input", ["input.order_id"])
    assert (wrong.status, wrong.code, wrong.paths) == (422, "invalid_input", ["input.order_id"])
    assert program.get("executions").body["items"] == []


def test_it_refuses_a_viewer(viewer: Caller, program: Caller):
    assert viewer.post("workflows/approval/execute", {}).status == 403


def test_it_lets_an_operator(operator: Caller, program: Caller):
    answer = operator.post("workflows/approval/execute", {})

    assert program.get(f"executions/{answer.body['execution_id']}").body["by"] == "operator"


def test_it_finds_nothing_of_another_team(program: Caller, stranger: Caller):
    foreign = stranger.post("workflows/approval/execute", {})
    unknown = stranger.post("workflows/nothing/execute", {})

    assert foreign.status == unknown.status == 404
    assert foreign.body == unknown.body


def test_it_answers_202_when_the_wait_is_over_first(program: Caller):
    answer = program.post("workflows/approval/execute?wait=50ms", {})

    assert answer.status == 202
    assert answer.body["status"] == "pending"


@pytest.mark.parametrize("wait", ["", "soon", "-1s", "1e3", "NaN", "99999999999d"])
def test_it_refuses_a_wait_that_is_no_duration(program: Caller, wait: str):
    answer = program.post(f"workflows/approval/execute?wait={wait}", {})

    assert (answer.status, answer.code, answer.paths) == (422, "duration.invalid", ["wait"])
    assert program.get("executions").body["items"] == []
