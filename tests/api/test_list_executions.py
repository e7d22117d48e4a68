from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.api.client import Caller
from tests.api.definitions import waiting_definition
from tests.api.running import reach, reach_wait


def start(program: Caller, workflow: str = "approval") -> str:
    return program.post(f"workflows/{workflow}/execute", {}).body["execution_id"]


@pytest.fixture(autouse=True)
def _saved(program: Caller) -> None:
    program.post("workflows", waiting_definition())


def ids(answer) -> list[str]:
    assert answer.status == 200, answer
    return [each["id"] for each in answer.body["items"]]


def test_it_lists_the_teams_executions_the_newest_first(program: Caller, stranger: Caller):
    started = [start(program) for _ in range(3)]

    assert ids(program.get("executions")) == started[::-1]
    assert ids(stranger.get("executions")) == []


def test_it_filters_by_status(program: Caller, shift: None):
    kept, cancelled = start(program), start(program)
    reach_wait(program, kept)
    program.post(f"executions/{cancelled}/cancel")
    reach(program, cancelled, "cancelled")

    assert ids(program.get("executions?status=running")) == [kept]
    assert ids(program.get("executions?status=cancelled")) == [cancelled]
    assert ids(program.get("executions?status=running,cancelled")) == [cancelled, kept]
    assert ids(program.get("executions?status=running&status=cancelled")) == [cancelled, kept]
    assert ids(program.get("executions?status=completed")) == []


def test_it_filters_by_workflow(program: Caller):
    program.post("workflows", waiting_definition("other"))
    start(program)
    other = start(program, "other")

    assert ids(program.get("executions?workflow=other")) == [other]
    assert ids(program.get("executions?workflow=unknown")) == []


def test_it_filters_by_time(program: Caller):
    execution = start(program)
    at = program.get(f"executions/{execution}").body["created_at"]

    assert ids(program.get(f"executions?since={quote(at)}")) == [execution]
    assert ids(program.get("executions?since=2199-01-01T00:00:00Z")) == []
    assert ids(program.get("executions?until=1999-01-01T00:00:00%2B01:00")) == []
    assert ids(program.get("executions?until=2199-01-01T00:00:00Z")) == [execution]


def test_it_filters_by_parent(program: Caller):
    execution = start(program)

    assert ids(program.get(f"executions?parent={execution}")) == []


def test_it_pages_by_cursor(program: Caller):
    started = [start(program) for _ in range(5)]

    first = program.get("executions?limit=2")
    second = program.get(f"executions?limit=2&cursor={quote(first.body['next_cursor'])}")
    third = program.get(f"executions?limit=2&cursor={quote(second.body['next_cursor'])}")

    assert ids(first) + ids(second) + ids(third) == started[::-1]
    assert third.body["next_cursor"] is None


def test_it_gives_no_cursor_at_the_end(program: Caller):
    start(program)
    start(program)

    assert program.get("executions?limit=2").body["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("status=broken", 422, "value.choice"),
        ("status=", 422, "value.choice"),
        ("status=pending,", 422, "value.choice"),
        ("workflow=No%20Slug", 422, "text.format"),
        ("workflow=a%00b", 422, "text.format"),
        ("workflow='%20OR%201=1--", 422, "text.format"),
        ("parent=0", 422, "text.format"),
        ("parent=FFFFFFFF-FFFF-4FFF-8FFF-FFFFFFFFFFFF", 422, "text.format"),
        ("since=yesterday", 422, "time.invalid"),
        ("since=2024-02-30T00:00:00Z", 422, "time.invalid"),
        ("since=2024-01-01T24:00:00Z", 422, "time.invalid"),
        ("since=2024-01-01T00:00:00", 422, "time.invalid"),
        ("since=infinity", 422, "time.invalid"),
        ("since=294277-01-01T00:00:00Z", 422, "time.invalid"),
        ("since=0000-01-01T00:00:00Z", 422, "time.invalid"),
        ("since=1969-12-31T23:59:59Z", 422, "time.invalid"),
        ("until=2200-01-01T00:00:00Z", 422, "time.invalid"),
        ("limit=0", 422, "value.range"),
        ("limit=501", 422, "value.range"),
        ("limit=-1", 422, "value.range"),
        ("limit=ten", 422, "value.type"),
        ("limit=1e2", 422, "value.type"),
        ("limit=%D9%A1", 422, "value.type"),
        (f"limit={'9' * 5000}", 422, "value.type"),
        ("limit=1&limit=2", 400, "param.repeated"),
        ("workflow=a&workflow=b", 400, "param.repeated"),
        ("cursor=", 400, "cursor.invalid"),
        ("cursor=garbage", 400, "cursor.invalid"),
        ("cursor=%00", 400, "cursor.invalid"),
        (f"cursor={'A' * 2000}", 400, "cursor.invalid"),
        ("cursor=eyJhIjoxfQ", 400, "cursor.invalid"),
        ("order_by=password", 400, "param.unknown"),
        ("team=1", 400, "param.unknown"),
        ("team__secret=1", 400, "param.unknown"),
        ("%00=1", 400, "param.unknown"),
    ],
)
def test_it_refuses_parameters_that_make_no_sense(program: Caller, query: str, status: int, code: str):
    answer = program.get(f"executions?{query}")

    assert (answer.status, answer.code) == (status, code)
    assert answer.body["path"]
    assert len(answer.body["detail"]) < 500
