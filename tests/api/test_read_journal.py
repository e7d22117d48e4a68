from __future__ import annotations

import pytest

from tests.api.client import Caller
from tests.api.definitions import adding_definition, waiting_definition
from tests.api.running import reach, start


def test_it_reads_the_journal_in_order(program: Caller, shift: None):
    program.post("workflows", adding_definition())
    execution = start(program, "adding")
    ended = reach(program, execution, "completed")

    journal = program.get(f"executions/{execution}/events").body

    assert [(each["seq"], each["type"], each["step"]) for each in journal["items"]] == [
        (1, "workflow.started", ""),
        (2, "step.started", "add"),
        (3, "step.completed", "add"),
        (4, "workflow.completed", ""),
    ]
    assert journal["next_after"] == ended["seq"] == 4


def test_it_reads_on_after_an_entry(program: Caller, shift: None):
    program.post("workflows", adding_definition())
    execution = start(program, "adding")
    reach(program, execution, "completed")

    seen, after = [], 0
    for _ in range(3):
        page = program.get(f"executions/{execution}/events?after={after}&limit=2").body
        seen += [each["seq"] for each in page["items"]]
        after = page["next_after"]

    assert (seen, after) == ([1, 2, 3, 4], 4)


def test_it_reads_nothing_of_what_has_not_begun(program: Caller):
    program.post("workflows", waiting_definition())

    answer = program.get(f"executions/{start(program, 'approval')}/events?after=7")

    assert answer.body == {"items": [], "next_after": 7}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("after=-1", "value.range"),
        ("after=9007199254740992", "value.range"),
        ("after=99999999999999999999", "value.type"),
        ("after=x", "value.type"),
        ("after=1.5", "value.type"),
        ("limit=0", "value.range"),
        ("limit=1001", "value.range"),
    ],
)
def test_it_refuses_what_is_no_place_in_a_journal(program: Caller, query: str, code: str):
    program.post("workflows", waiting_definition())

    answer = program.get(f"executions/{start(program, 'approval')}/events?{query}")

    assert (answer.status, answer.code) == (422, code)


def test_it_finds_nothing_of_another_team(program: Caller, stranger: Caller):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")

    foreign = stranger.get(f"executions/{execution}/events")

    assert foreign.status == 404
    assert foreign.body == stranger.get("executions/ffffffff-ffff-4fff-8fff-ffffffffffff/events").body
