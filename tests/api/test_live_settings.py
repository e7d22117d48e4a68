"""The live settings over REST: read by all, changed by who may, for one version where that is asked."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections

from orchestration.configuration import operations
from orchestration.teams import operations as teams
from tests.api.client import NOTHING, Answer, Caller
from tests.api.conftest import _person

MAX = "workflows.max_concurrent"
ONE = f"config/{MAX}"


def ask(caller: Caller, method: str, path: str, body: Any = NOTHING, **headers: str) -> Answer:
    return caller.ask(method, path, body, type="application/json", **headers)


def patch(caller: Caller, values: Any, **more: Any) -> Answer:
    return ask(caller, "PATCH", "config", {"values": values, **more})


def setting(answer: Answer, name: str = MAX) -> dict[str, Any]:
    return next(each for each in answer.body["settings"] if each["name"] == name)


def test_everybody_reads_them_with_default_source_and_bounds(program: Caller, stranger: Caller, viewer: Caller):
    for caller in (program, stranger, viewer):
        answer = caller.get("config")
        assert (answer.status, answer.body["version"], answer.headers["ETag"]) == (200, 0, '"0"')
        assert len(answer.body["settings"]) == 12
        timeout = setting(answer, "workflows.default_timeout")
        assert (timeout["value"], timeout["number"], timeout["default"], timeout["source"]) == (
            "1h",
            3600,
            "1h",
            "default",
        )
        assert (timeout["least"], timeout["most"], timeout["variable"]) == (
            "1s",
            "365d",
            "PODIUM_EXECUTION_TIMEOUT_SECONDS",
        )


def test_it_shows_one_of_them(program: Caller):
    assert program.get(ONE).body["value"] == 100
    assert program.get("config/workflows.nothing").status == 404


def test_it_changes_some_and_leaves_the_others(configurer: Caller):
    patch(configurer, {MAX: 7})
    answer = patch(configurer, {"messaging.retry_backoff": "linear", "registry.cleanup_interval": 600})
    assert (answer.status, answer.body["version"]) == (200, 2)
    assert [
        (setting(answer, name)["value"], setting(answer, name)["source"]) for name in (MAX, "registry.cleanup_interval")
    ] == [
        (7, "live"),
        ("10m", "live"),
    ]


def test_it_replaces_all_of_them(configurer: Caller):
    patch(configurer, {MAX: 7})
    answer = ask(configurer, "PUT", "config", {"values": {"workflows.retry_attempts": 5}})
    assert (setting(answer)["value"], setting(answer, "workflows.retry_attempts")["value"]) == (100, 5)


def test_it_sets_and_resets_one(configurer: Caller):
    answer = ask(configurer, "PUT", ONE, {"value": "50", "reason": "for the sale"})
    assert (answer.body["value"], answer.headers["ETag"]) == (50, '"1"')
    assert ask(configurer, "DELETE", ONE).body["source"] == "default"
    assert ask(configurer, "PUT", "config/workflows.nothing", {"value": 1}).status == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_only_who_runs_the_site_changes_them(
    program: Caller, operator: Caller, viewer: Caller, stranger: Caller, method: str
):
    for caller in (program, operator, viewer, stranger):
        answer = ask(caller, method, "config", {"values": {MAX: 7}})
        assert (answer.status, answer.code) == (403, "denied")
        assert caller.get("config/history").code == "denied"
        assert ask(caller, "POST", "config/restore", {"restore": 0}).code == "denied"
        assert ask(caller, "DELETE", ONE).code == "denied"
    assert program.get("config").body["version"] == 0


def test_a_superuser_changes_them(team_id: int, configurer: Caller):
    person = _person(team_id, "admin")
    get_user_model().objects.filter(username="admin").update(is_superuser=True)
    assert patch(person, {MAX: 7}).status == 200
    assert configurer.get("config/history").body["items"][0]["by"] == "admin"


@pytest.mark.parametrize(
    ("values", "paths", "codes"),
    [
        ({MAX: 0}, [MAX], ["value.range"]),
        ({MAX: True}, [MAX], ["value.type"]),
        ({MAX: [7]}, [MAX], ["value.type"]),
        ({"workflows.default_timeout": "soon"}, ["workflows.default_timeout"], ["duration.invalid"]),
        ({"messaging.max_message_size": "1TB"}, ["messaging.max_message_size"], ["value.range"]),
        ({"messaging.max_message_size": "1 XB"}, ["messaging.max_message_size"], ["size.invalid"]),
        ({"messaging.retry_backoff": "none"}, ["messaging.retry_backoff"], ["value.choice"]),
        ({"workflows.nothing": 1, MAX: -1}, ["workflows.nothing", MAX], ["key.unknown", "value.range"]),
        ({"registry.heartbeat_interval": "10m"}, ["registry.heartbeat_interval"], ["value.relation"]),
    ],
)
def test_it_refuses_each_wrong_value_with_its_code(configurer: Caller, values: Any, paths: list[str], codes: list[str]):
    answer = patch(configurer, values)
    assert (answer.status, answer.code, answer.paths) == (422, "settings.invalid", paths)
    assert [each["code"] for each in answer.body["errors"]] == codes
    assert configurer.get("config").body["version"] == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "key.missing"),
        ({"values": {}, "valeus": {}}, "key.unknown"),
        ({"values": [1]}, "value.type"),
        ({"values": {}, "reason": "x" * 501}, "text.format"),
        ({"values": {}, "version": -1}, "value.range"),
        ({"values": {}, "version": "1"}, "value.type"),
    ],
)
def test_it_refuses_a_wrong_body(configurer: Caller, body: Any, code: str):
    answer = ask(configurer, "PATCH", "config", body)
    assert (answer.status, answer.code) == (422, code)


def test_a_change_for_another_version_is_refused(configurer: Caller):
    patch(configurer, {MAX: 7})
    stale = ask(configurer, "PATCH", "config", {"values": {MAX: 8}}, If_Match='"0"')
    assert (stale.status, stale.code) == (412, "version.stale")
    assert "version 1" in stale.body["detail"]
    told = patch(configurer, {MAX: 8}, version=0)
    assert (told.status, told.code) == (409, "version.stale")
    assert ask(configurer, "DELETE", ONE, If_Match='"0"').status == 412
    assert ask(configurer, "POST", "config/restore", {"restore": 0}, If_Match='"5"').status == 412
    assert setting(configurer.get("config"))["value"] == 7
    assert ask(configurer, "PATCH", "config", {"values": {MAX: 8}}, If_Match='"1"').status == 200


@pytest.mark.parametrize("header", ["1", 'W/"1"', '""', '"x"'])
def test_it_refuses_an_if_match_that_is_no_version(configurer: Caller, header: str):
    answer = ask(configurer, "PATCH", "config", {"values": {}}, If_Match=header)
    assert (answer.status, answer.code) == (400, "header.invalid")


def test_its_history_says_who_changed_what_and_why(configurer: Caller):
    patch(configurer, {MAX: 7}, reason="a busy week")
    patch(configurer, {"workflows.retry_attempts": 5})
    page = configurer.get(f"config/history?name={MAX}&limit=1").body
    assert [(each["version"], each["by"], each["reason"]) for each in page["items"]] == [
        (1, "key configurer", "a busy week")
    ]
    assert page["items"][0]["changes"] == [{"name": MAX, "old": None, "new": 7}]
    newest = configurer.get("config/history?limit=1").body
    assert (newest["items"][0]["version"], newest["next_cursor"]) == (2, "2")
    assert configurer.get(f"config/history?cursor={newest['next_cursor']}").body["items"] == page["items"]
    assert configurer.get("config/history?name=workflows.nothing").code == "value.choice"


def test_it_brings_an_earlier_version_back(configurer: Caller):
    patch(configurer, {MAX: 7})
    patch(configurer, {MAX: 8})
    answer = ask(configurer, "POST", "config/restore", {"restore": 1, "reason": "slower after all"})
    assert (answer.body["version"], setting(answer)["value"]) == (3, 7)
    assert configurer.get("config/history").body["items"][0]["restored"] == 1
    assert ask(configurer, "POST", "config/restore", {"restore": 9}).status == 404


def test_it_answers_a_wait_at_once_where_there_is_a_later_version(configurer: Caller):
    patch(configurer, {MAX: 7})
    assert configurer.get("config?after=0&wait=50s").body["version"] == 1
    assert configurer.get("config?after=1&wait=0.2").body["version"] == 1


@pytest.mark.parametrize("query", ["after=-1", "after=x", "wait=soon", "after=1&wait=-1s"])
def test_it_refuses_a_wrong_wait(program: Caller, query: str):
    assert program.get(f"config?{query}").status == 422


@pytest.mark.django_db(transaction=True)
def test_it_answers_a_wait_when_the_change_comes(transactional_db: None):
    team = teams.default_team()
    key = teams.create_key(team_id=team.id, name="watcher")[1]
    answers: list[Answer] = []

    def watch() -> None:
        try:
            answers.append(Caller(key=key).get("config?after=0&wait=30s"))
        finally:
            connections.close_all()

    waiting = threading.Thread(target=watch)
    waiting.start()
    operations.change_settings(values={MAX: 7}, by="ana")
    waiting.join(20)
    assert [setting(each)["value"] for each in answers] == [7]
