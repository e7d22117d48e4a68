from __future__ import annotations

from tests.api.client import Caller
from tests.api.definitions import waiting_definition


def test_it_shows_the_latest_revision(program: Caller):
    program.post("workflows", waiting_definition())
    program.post("workflows", waiting_definition(description="changed"))

    answer = program.get("workflows/approval")

    assert answer.status == 200
    assert (answer.body["revision"], answer.body["description"]) == (2, "changed")
    assert sorted(each["revision"] for each in answer.body["revisions"]) == [1, 2]
    assert answer.body["revisions"][0]["created_by"] == "key program"


def test_it_shows_an_earlier_revision(program: Caller):
    program.post("workflows", waiting_definition())
    program.post("workflows", waiting_definition(description="changed"))

    answer = program.get("workflows/approval?revision=1")

    assert answer.body["definition"] == waiting_definition()
    assert answer.body["revision"] == 1


def test_it_finds_no_unknown_revision(program: Caller):
    program.post("workflows", waiting_definition())

    assert program.get("workflows/approval?revision=9").status == 404


def test_it_finds_nothing_of_another_team(program: Caller, stranger: Caller):
    program.post("workflows", waiting_definition())

    foreign, unknown = stranger.get("workflows/approval"), stranger.get("workflows/never-saved")

    assert foreign.status == unknown.status == 404
    assert foreign.body == unknown.body
