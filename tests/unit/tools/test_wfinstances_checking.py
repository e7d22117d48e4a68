"""The check of a journal: it must find what it is there to find."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from orchestration.management.wfinstances.checking import faults_in


@dataclass(frozen=True, slots=True)
class Entry:
    """A journal entry."""

    seq: int
    type: str
    step: str


DEFINITION = {"id": "wf", "steps": [{"id": "a"}, {"id": "b", "dependencies": ["a"]}]}
GOOD = (
    "workflow.started",
    "step.started a",
    "step.completed a",
    "step.started b",
    "step.completed b",
    "workflow.completed",
)


def _faults(*lines: str) -> list[str]:
    entries = [Entry(seq, *(line + " ").split(" ")[:2]) for seq, line in enumerate(lines, start=1)]
    return faults_in(DEFINITION, entries)


def test_it_finds_nothing_in_a_good_journal():
    assert _faults(*GOOD) == []


def test_it_lets_a_lost_attempt_be_repeated():
    assert _faults(*GOOD[:2], "step.retrying a", *GOOD[1:]) == []


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ((GOOD[0], GOOD[1], GOOD[3], GOOD[2], *GOOD[4:]), "b started before a was completed"),
        ((*GOOD[:3], *GOOD[2:]), "a was completed 2 times"),
        ((*GOOD[:4], GOOD[5]), "b was completed 0 times"),
        ((GOOD[0], *GOOD[2:]), "a was completed 1 times and never started"),
        (GOOD[:5], "the journal does not end with workflow.completed"),
        ((*GOOD[:5], "step.started c", GOOD[5]), "c is no step of the definition"),
    ],
)
def test_it_says_what_is_wrong(lines: tuple[str, ...], fault: str):
    assert fault in _faults(*lines)


def test_it_notices_a_gap():
    entries = [Entry(1, "workflow.started", ""), Entry(3, "workflow.completed", "")]
    assert "the journal goes on with 3 after 1" in faults_in({"id": "wf", "steps": []}, entries)
