from __future__ import annotations

import json

from tests.api.client import Caller
from tests.api.definitions import waiting_definition

YAML = b"""
id: from-yaml
name: From YAML
steps:
  - id: nap
    type: delay
    duration: 1s
"""


def test_it_saves_a_definition(program: Caller):
    answer = program.post("workflows", waiting_definition())

    assert answer.status == 201
    assert answer.body == {"id": "approval", "revision": 1, "created": True, "changed": True}
    assert answer.headers["Location"] == "/api/v1/workflows/approval"
    assert program.get("workflows/approval").body["definition"] == waiting_definition()


def test_it_makes_no_revision_when_nothing_changed(program: Caller):
    program.post("workflows", waiting_definition())

    answer = program.post("workflows", waiting_definition())

    assert answer.status == 201
    assert answer.body == {"id": "approval", "revision": 1, "created": False, "changed": False}


def test_it_saves_a_change_as_a_revision(program: Caller):
    program.post("workflows", waiting_definition())

    answer = program.post("workflows", waiting_definition(description="changed"))

    assert answer.status == 201
    assert answer.body == {"id": "approval", "revision": 2, "created": False, "changed": True}


def test_it_reads_yaml(program: Caller):
    answer = program.post("workflows", YAML, type="application/yaml")

    assert answer.status == 201
    assert program.get("workflows/from-yaml").body["definition"]["steps"][0]["duration"] == "1s"


def test_it_reports_everything_that_is_wrong_at_once(program: Caller):
    steps = [
        {"id": "a", "type": "service", "service_name": "s", "method": "m", "tiemout": "1s"},
        {"id": "a", "type": "delay", "duration": "soon"},
        {"id": "b", "type": "condition", "condition": "vars.x ==", "dependencies": ["nobody"]},
    ]

    answer = program.post("workflows", {"id": "wrong", "steps": steps})

    assert (answer.status, answer.code) == (422, "definition_invalid")
    assert set(answer.paths) == {
        "steps[0].tiemout",
        "steps[1].id",
        "steps[1].duration",
        "steps[2].condition",
        "steps[2].dependencies[0]",
    }
    assert all(each["code"] and each["message"] for each in answer.body["errors"])
    assert program.get("workflows").body["items"] == []


def test_it_reports_a_circle(program: Caller):
    steps = [
        {"id": "a", "type": "delay", "duration": 1, "dependencies": ["b"]},
        {"id": "b", "type": "delay", "duration": 1, "dependencies": ["a"]},
    ]

    answer = program.post("workflows", {"id": "circle", "steps": steps})

    assert (answer.status, answer.paths) == (422, ["steps"])


def test_it_keeps_each_teams_workflows_apart(program: Caller, stranger: Caller):
    program.post("workflows", waiting_definition())

    answer = stranger.post("workflows", waiting_definition())

    assert answer.body == {"id": "approval", "revision": 1, "created": True, "changed": True}


def test_it_refuses_a_viewer(viewer: Caller):
    answer = viewer.post("workflows", waiting_definition())

    assert (answer.status, answer.code) == (403, "denied")


def test_it_stores_markup_as_it_is(program: Caller):
    markup = "<img src=x onerror=alert(1)>"
    program.post("workflows", waiting_definition(name=markup))

    assert program.get("workflows/approval").body["name"] == markup


def test_it_reads_a_definition_in_any_spelling_of_json(program: Caller):
    text = json.dumps(waiting_definition(), indent=8).encode()

    assert program.post("workflows", text, type="application/json; charset=UTF-8").status == 201
