"""Following the services: at once, waiting, as a stream; from an index, and never past what is not kept."""

from __future__ import annotations

import json

import pytest

from orchestration.registry import events, operations
from tests.api.client import Caller

HERE = {"name": "inventory", "address": "http://127.0.0.1:8999"}


def types(answer) -> list[str]:
    return [each["type"] for each in answer.body["items"]]


def test_it_tells_what_came_after_an_index(program: Caller, stranger: Caller):
    index = program.get("services").body["index"]
    instance = program.post("services", HERE).body["id"]
    stranger.post("services", HERE)
    program.delete(f"services/{instance}")

    answer = program.get(f"services/watch?after={index}")

    assert types(answer) == ["service.registered", "service.deregistered"]
    assert {each["instance_id"] for each in answer.body["items"]} == {instance}
    assert program.get(f"services/watch?after={answer.body['index']}").body["items"] == []


def test_it_tells_from_now_on_without_an_index(program: Caller):
    program.post("services", HERE)
    answer = program.get("services/watch")

    assert answer.body == {"items": [], "index": program.get("services").body["index"]}


def test_it_pages_and_chooses_by_name(program: Caller):
    for name in ("a", "b", "a"):
        program.post("services", {**HERE, "name": name, "tags": ["again"] if name == "a" else []})
    program.post("services", {**HERE, "name": "a", "version": "2"})

    first = program.get("services/watch?after=0&limit=2")

    assert types(first) == ["service.registered", "service.registered"]
    assert types(program.get(f"services/watch?after={first.body['index']}")) == ["service.updated"]
    assert types(program.get("services/watch?after=0&name=b")) == ["service.registered"]


def test_it_says_so_when_an_index_is_not_kept_any_more(program: Caller):
    for version in "1234":
        program.post("services", {**HERE, "version": version})
    latest = program.get("services").body["index"]
    events.drop_old(keep=1)

    answer = program.get("services/watch?after=0")

    assert (answer.status, answer.code) == (410, "index_gone")
    assert (answer.body["latest"], answer.body["oldest"]) == (latest, latest - 1)
    assert program.get(f"services/watch?after={latest + 5}").status == 410
    assert types(program.get(f"services/watch?after={latest - 1}")) == ["service.updated"]


def test_a_stream_tells_what_there_is_and_where_it_stands(program: Caller, team_id: int):
    program.post("services", HERE)
    response = program.client.get(
        "/api/v1/services/watch?after=0",
        headers={"Authorization": f"Bearer {program.key}", "Accept": "text/event-stream"},
    )

    assert response.headers["Content-Type"] == "text/event-stream"
    told, mark = response.content.decode().strip().split("\n\n")
    lines = dict(line.split(": ", 1) for line in told.split("\n"))
    assert (lines["event"], json.loads(lines["data"])["service"]) == ("service.registered", "inventory")
    assert mark.split("\n")[0] == f"id: {lines['id']}"

    operations.register(team_id=team_id, **{**HERE, "version": "2"})
    again = program.get("services/watch", Last_Event_ID=lines["id"])
    assert types(again) == ["service.updated"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("after=-1", 422), ("after=x", 422), ("wait=soon", 422), ("limit=0", 422), ("name=%00", 422), ("since=1", 400)],
)
def test_it_refuses_what_is_wrong(program: Caller, query: str, status: int):
    assert program.get(f"services/watch?{query}").status == status


def test_it_refuses_a_place_in_a_stream_that_is_none(program: Caller):
    assert program.get("services/watch", Last_Event_ID="x").code == "header.invalid"
