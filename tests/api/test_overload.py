"""Backpressure at the door: refused with 429 and a time to come again; what was accepted before never is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pytest_django.fixtures import Settings

from orchestration.engine import door
from orchestration.engine.models import Execution, InboxItem
from tests.api.client import Answer, Caller
from tests.api.definitions import waiting_definition
from tests.api.running import reach_wait, start
from tests.waiting import wait_for


@pytest.fixture
def small(settings: Settings) -> Iterator[None]:
    settings.PODIUM = replace(settings.PODIUM, backlog_max=3, inbox_max=2, overload_retry_seconds=7)
    door.forget()
    yield
    door.forget()


def refused(answer: Answer) -> None:
    assert (answer.status, answer.code) == (429, "overloaded"), answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "7"


def test_it_starts_no_more_than_may_wait_to_begin(small: None, program: Caller, stranger: Caller):
    for caller in (program, stranger):
        caller.post("workflows", waiting_definition())
    for _ in range(3):
        start(program, "approval")
    rows = Execution.objects.count()

    for _ in range(5):
        answer = program.post("workflows/approval/execute", {})
        refused(answer)
        assert answer.body["limit"] == "backlog_max"

    assert Execution.objects.count() == rows
    start(stranger, "approval")


def test_it_lets_more_in_when_some_have_begun(small: None, program: Caller):
    program.post("workflows", waiting_definition())
    executions = [start(program, "approval") for _ in range(3)]
    refused(program.post("workflows/approval/execute", {}))
    Execution.objects.filter(id=executions[0]).update(status="running")

    answer = wait_for(
        lambda: (found := program.post("workflows/approval/execute", {})).status == 202 and found, what="a place"
    )

    assert answer.status == 202
    refused(program.post("workflows/approval/execute", {}))


def test_it_counts_what_other_processes_started(small: None, program: Caller):
    program.post("workflows", waiting_definition())
    for _ in range(3):
        start(program, "approval")
        door.forget()

    refused(program.post("workflows/approval/execute", {}))


def test_a_start_that_stands_is_answered_again_however_much_waits(small: None, program: Caller):
    program.post("workflows", waiting_definition())
    keyed = {"Idempotency-Key": "k"}
    first = program.post("workflows/approval/execute", {}, **keyed)
    for _ in range(2):
        start(program, "approval")

    again = program.post("workflows/approval/execute", {}, **keyed)

    assert (again.status, again.body["execution_id"]) == (202, first.body["execution_id"])
    refused(program.post("workflows/approval/execute", {}, **{"Idempotency-Key": "another"}))
    other = program.post("workflows/approval/execute", {"variables": {"a": 1}}, **keyed)
    assert (other.status, other.code) == (422, "idempotency.mismatch")


def test_children_and_retries_are_never_refused(small: None, program: Caller, shift: None):
    program.post("workflows", waiting_definition())
    children = [{"id": f"c{n}", "type": "subflow", "workflow": "approval", "wait": False} for n in range(5)]
    program.post("workflows", {"id": "parent", "steps": children, "config": {"max_concurrent": 1}})
    parent = start(program, "parent")

    wait_for(lambda: Execution.objects.filter(parent_id=parent).count() == 5, what="the children")


def test_an_inbox_takes_only_so_much(small: None, program: Caller):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")
    for _ in range(2):
        InboxItem.objects.create(execution_id=execution, kind="pause", payload="{}", created_at=1)

    refused(program.post(f"executions/{execution}/signals/go"))

    assert InboxItem.objects.filter(execution_id=execution).count() == 2


def test_what_is_heard_makes_room(small: None, program: Caller, shift: None):
    program.post("workflows", waiting_definition())
    execution = start(program, "approval")
    reach_wait(program, execution)
    for _ in range(4):
        assert program.post(f"executions/{execution}/pause").status in (200, 409)
        assert program.post(f"executions/{execution}/resume").status in (200, 409)
