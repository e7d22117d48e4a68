"""`?wait=`: the answer comes when the execution has ended."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from django.db import connections
from pytest_django.fixtures import Settings

from orchestration.api.waiting import PLACES
from tests.api.client import Answer, Caller
from tests.api.definitions import adding_definition, failing_definition, waiting_definition
from tests.waiting import wait_for


def test_it_answers_with_the_whole_execution_when_it_ended(program: Caller, shift: None):
    program.post("workflows", adding_definition())

    answer = program.post("workflows/adding/execute?wait=30s", {"variables": {"a": 40}})

    assert (answer.status, answer.body["status"], answer.body["output"]["sum"]) == (200, "completed", 42)
    assert answer.body["steps"][0]["status"] == "completed"
    assert answer.headers["Location"].endswith(answer.body["execution_id"])


def test_it_answers_when_it_failed(program: Caller, shift: None):
    program.post("workflows", failing_definition())

    answer = program.post("workflows/failing/execute?wait=30", {})

    assert (answer.status, answer.body["status"]) == (200, "failed")


def test_it_waits_for_the_same_execution_again(program: Caller, shift: None):
    program.post("workflows", adding_definition())
    first = program.post("workflows/adding/execute?wait=30s", {}, Idempotency_Key="k")

    again = program.post("workflows/adding/execute?wait=30s", {}, Idempotency_Key="k")

    assert again.status == 200
    assert again.body == first.body
    assert again.headers["Idempotent-Replayed"] == "true"


def test_it_answers_202_when_it_has_not_ended_in_time(program: Caller, shift: None):
    program.post("workflows", waiting_definition())

    began = time.monotonic()
    answer = program.post("workflows/approval/execute?wait=300ms", {})

    assert answer.status == 202
    assert 0.3 <= time.monotonic() - began < 3
    assert answer.body["status"] in {"pending", "running"}


def test_it_cuts_the_wait_to_the_sites_longest(program: Caller, shift: None, settings: Settings):
    settings.PODIUM = replace(settings.PODIUM, wait_max_seconds=0.2)
    program.post("workflows", waiting_definition())

    began = time.monotonic()

    assert program.post("workflows/approval/execute?wait=7d", {}).status == 202
    assert time.monotonic() - began < 3


def test_no_more_requests_wait_than_the_limit(program: Caller, shift: None, settings: Settings):
    settings.PODIUM = replace(settings.PODIUM, api_waiters=1)
    program.post("workflows", waiting_definition())
    answers: list[Answer] = []

    def ask() -> None:
        answers.append(Caller(key=program.key).post("workflows/approval/execute?wait=30s", {}))
        connections.close_all()

    first = threading.Thread(target=ask)
    first.start()
    wait_for(lambda: PLACES.taken, what="the first request to wait")

    began = time.monotonic()
    second = program.post("workflows/approval/execute?wait=30s", {})

    assert (second.status, time.monotonic() - began < 3) == (202, True)
    for each in program.get("executions").body["items"]:
        program.post(f"executions/{each['id']}/signals/go")
    first.join(30)
    assert [answer.status for answer in answers] == [200]
    assert not PLACES.taken
