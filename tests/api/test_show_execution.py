from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from pytest_django.fixtures import Settings

from tests.api.client import Caller
from tests.api.definitions import adding_definition, failing_definition, waiting_definition
from tests.api.running import reach, reach_wait, show, start

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_it_shows_what_completed(program: Caller, shift: None):
    program.post("workflows", adding_definition())
    execution = start(program, "adding", a=40)

    shown = reach(program, execution, "completed")

    assert (shown["id"], shown["execution_id"], shown["workflow"]) == (execution, execution, "adding")
    assert (shown["progress"], shown["steps_done"], shown["steps_total"]) == (1.0, 1, 1)
    assert (shown["input"], shown["output"]["sum"], shown["error"]) == ({"a": 40}, 42, None)
    assert (shown["current_steps"], shown["waiting_for"], shown["steps_left_off"]) == ([], [], 0)
    [step] = shown["steps"]
    assert (step["path"], step["type"], step["status"], step["attempts"]) == ("add", "service", "completed", 1)
    assert (step["output"], step["error"]) == ({"sum": 42}, None)
    assert [attempt["number"] for attempt in step["tries"]] == [1]
    times = [shown["created_at"], shown["started_at"], step["started_at"], step["ended_at"], shown["ended_at"]]
    assert all(INSTANT.fullmatch(each) for each in times)
    assert times == sorted(times)
    assert datetime.fromisoformat(times[0]).tzinfo is not None


def test_it_shows_why_it_failed(program: Caller, shift: None):
    program.post("workflows", failing_definition())
    execution = start(program, "failing")

    shown = reach(program, execution, "failed")

    assert shown["error"]["code"] == shown["steps"][0]["error"]["code"] == "service_not_found"
    assert shown["error"]["details"]["step"] == "call"
    assert shown["error"]["retryable"] is False


def test_it_shows_what_it_waits_for(program: Caller, shift: None):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")

    shown = reach_wait(program, execution)

    assert (shown["status"], shown["progress"], shown["current_steps"]) == ("running", 0.0, ["gate"])
    assert INSTANT.fullmatch(shown["waiting_for"][0]["until"])


def test_it_shows_a_pending_one(program: Caller):
    program.post("workflows", waiting_definition())

    shown = show(program, start(program, "approval"))

    assert (shown["status"], shown["started_at"], shown["ended_at"], shown["output"]) == ("pending", None, None, None)


def test_it_lists_as_many_steps_as_are_asked_for(program: Caller, shift: None, settings: Settings):
    steps = [{"id": f"nap{number}", "type": "delay", "duration": 0} for number in range(7)]
    program.post("workflows", {"id": "naps", "steps": steps})
    execution = start(program, "naps")
    reach(program, execution, "completed")

    some = program.get(f"executions/{execution}?steps=3").body
    none = program.get(f"executions/{execution}?steps=0").body
    settings.PODIUM = replace(settings.PODIUM, api_steps=5)

    assert ([step["id"] for step in some["steps"]], some["steps_left_off"]) == (["nap0", "nap1", "nap2"], 4)
    assert (none["steps"], none["steps_left_off"]) == ([], 7)
    assert show(program, execution)["steps_left_off"] == 2


def test_it_shows_children(program: Caller, shift: None):
    program.post("workflows", adding_definition())
    child = {"id": "sub", "type": "subflow", "workflow": "adding", "input": {"a": 5}}
    program.post("workflows", {"id": "parent", "steps": [child]})
    execution = start(program, "parent")

    shown = reach(program, execution, "completed")

    [child_shown] = shown["children"]
    assert (child_shown["workflow"], child_shown["parent_id"], child_shown["status"]) == (
        "adding",
        execution,
        "completed",
    )
    listed = program.get(f"executions?parent={execution}").body["items"]
    assert [each["id"] for each in listed] == [child_shown["id"]]


def test_it_finds_nothing_of_another_team(program: Caller, stranger: Caller):
    program.post("workflows", waiting_definition())

    assert stranger.get(f"executions/{start(program, 'approval')}").status == 404
