from __future__ import annotations

from tests.api.client import Caller
from tests.api.definitions import waiting_definition


def test_it_lists_the_teams_workflows(program: Caller, stranger: Caller):
    program.post("workflows", waiting_definition("first", version="7"))
    program.post("workflows", waiting_definition("second"))
    stranger.post("workflows", waiting_definition("theirs"))

    answer = program.get("workflows")

    assert answer.status == 200
    assert [(each["id"], each["version"], each["revision"], each["step_count"]) for each in answer.body["items"]] == [
        ("first", "7", 1, 1),
        ("second", "", 1, 1),
    ]
    assert answer.body["next_cursor"] is None


def test_it_pages_by_cursor(program: Caller):
    names = [f"flow-{number}" for number in range(5)]
    for name in names:
        program.post("workflows", waiting_definition(name))

    seen, cursor = [], ""
    while cursor is not None:
        page = program.get(f"workflows?limit=2{f'&cursor={cursor}' if cursor else ''}").body
        assert len(page["items"]) <= 2
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]

    assert sorted(seen) == names


def test_it_lists_nothing_for_a_team_that_has_nothing(stranger: Caller):
    assert stranger.get("workflows").body == {"items": [], "next_cursor": None}
