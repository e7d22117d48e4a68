from __future__ import annotations

from tests.api.client import Caller
from tests.api.definitions import waiting_definition


def test_it_accepts_a_valid_definition_and_saves_nothing(program: Caller):
    answer = program.post("workflows/approval/validate", waiting_definition())

    assert (answer.status, answer.body) == (200, {"valid": True})
    assert program.get("workflows").body["items"] == []


def test_it_reports_everything_that_is_wrong(program: Caller):
    definition = waiting_definition(surprise=1, config={"failure_policy": "hope"})

    answer = program.post("workflows/approval/validate", definition)

    assert (answer.status, answer.code) == (422, "definition_invalid")
    assert set(answer.paths) == {"surprise", "config.failure_policy"}


def test_it_checks_the_stored_definition_without_a_body(program: Caller):
    program.post("workflows", waiting_definition())

    answer = program.post("workflows/approval/validate")

    assert (answer.status, answer.body) == (200, {"valid": True})


def test_it_finds_no_stored_definition_of_another_team(program: Caller, stranger: Caller):
    program.post("workflows", waiting_definition())

    assert stranger.post("workflows/approval/validate").body == stranger.post("workflows/nothing/validate").body
    assert stranger.post("workflows/approval/validate").status == 404
