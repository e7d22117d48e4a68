"""What a hostile caller sends about services: refused in our words with code and place, and nothing half done."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from orchestration.registry.models import Instance, Service, ServiceEvent
from tests.api.client import Answer, Caller
from tests.unit.domain.misfits import foreign_words

ADDRESS = "http://127.0.0.1:9300"


def register(caller: Caller, **changes: Any) -> Answer:
    return caller.post("services", {"name": "ledger", "address": ADDRESS, **changes})


def patch(caller: Caller, path: str, body: dict[str, Any]) -> Answer:
    return caller.ask("PATCH", path, body, type="application/json")


def problems_of(answer: Answer) -> list[tuple[str, str]]:
    assert not [each for each in answer.body["errors"] if foreign_words(each["message"])], answer.body["errors"]
    return [(each["path"], each["code"]) for each in answer.body["errors"]]


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"address": "http://[fe80::1%25eth0]:9300"}, "address", "address.format"),
        ({"address": "http://[fe80::1%eth0]:9300"}, "address", "address.format"),
        ({"address": "http://::1:9300"}, "address", "address.format"),
        ({"address": "http://[::ffff:169.254.169.254]:80"}, "address", "address.forbidden"),
        ({"address": "http://bücher.example"}, "address", "address.format"),
        ({"address": "http://127。0。0。1:9300"}, "address", "address.format"),
        ({"address": "http://2130706433:9300"}, "address", "address.format"),
        ({"address": "http://127.0.0.1:0"}, "address", "address.port"),
        ({"address": "http://127.0.0.1:65536"}, "address", "address.port"),
        ({"address": f"http://127.0.0.1:{'9' * 5_000}"}, "address", "address.format"),
        ({"address": ADDRESS, "protocol": "python"}, "address", "address.format"),
        ({"address": "python:os"}, "address", "address.forbidden"),
        ({"address": 5}, "address", "value.type"),
        ({"address": None}, "address", "value.type"),
        ({"metadata": {"k": "x" * 100_000}}, "metadata", "metadata.too_long"),
        ({"metadata": [1]}, "metadata", "value.type"),
        ({"tags": {"a": 1}}, "tags", "value.type"),
        ({"tags": [1]}, "tags[0]", "value.type"),
        ({"tags": [f"t{number}" for number in range(200)]}, "tags", "tags.format"),
        ({"ttl": True}, "ttl", "value.type"),
        ({"ttl": [5]}, "ttl", "value.type"),
        ({"ttl": 1e308}, "ttl", "duration.invalid"),
        ({"ttl": 0}, "ttl", "value.range"),
        ({"name": None}, "name", "value.type"),
        ({"colour": "red"}, "colour", "key.unknown"),
        ({"status": "inactive"}, "status", "key.read_only"),
    ],
)
def test_a_registration_is_refused_whole(program: Caller, changes: dict[str, Any], path: str, code: str):
    answer = register(program, **changes)
    assert (answer.status, problems_of(answer)) == (422, [(path, code)])
    assert not Instance.objects.exists()
    assert not Service.objects.exists()


def test_it_says_what_a_value_must_be(program: Caller):
    def said(**changes: Any) -> str:
        message: str = register(program, **changes).body["errors"][0]["message"]
        return message

    assert said(address=5) == "This must be a text."
    assert said(ttl=True) == "This must be a text or a number."
    assert said(metadata=[1]) == "This must be an object."
    missing = program.post("services", {"name": "ledger"})
    assert [each["message"] for each in missing.body["errors"]] == ["The key is missing."]


def test_two_teams_have_one_name_each_for_itself(program: Caller, stranger: Caller):
    mine, theirs = register(program).body["id"], register(stranger, version="theirs").body["id"]
    assert mine != theirs
    for caller, own, other in ((program, mine, theirs), (stranger, theirs, mine)):
        assert [each["id"] for each in caller.get("services?name=ledger").body["items"]] == [own]
        for method, path in (
            ("GET", f"services/{other}"),
            ("DELETE", f"services/{other}"),
            ("PUT", f"services/{other}/heartbeat"),
            ("POST", f"services/{other}/drain"),
        ):
            assert caller.ask(method, path).code == "not_found"
    patch(program, "services/by-name/ledger", {"policy": {"timeout": "7s"}})
    assert "timeout" not in stranger.get("services/by-name/ledger").body["policy"]
    assert {each["instance_id"] for each in program.get("services/watch?after=0&wait=1ms").body["items"]} <= {
        mine,
        None,
    }


@pytest.mark.parametrize(
    ("after", "status", "code"),
    [
        ("99999999", 410, "index_gone"),
        ("-1", 422, "value.range"),
        ("1e3", 422, "value.type"),
        ("", 422, "value.type"),
        ("9" * 30, 422, "value.type"),
        ("%D9%A3", 422, "value.type"),
    ],
)
def test_an_index_that_never_was_is_refused(program: Caller, after: str, status: int, code: str):
    answer = program.get(f"services/watch?after={after}&wait=1ms")
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "services/{}/heartbeat"),
        ("POST", "services/{}/drain"),
        ("GET", "services/{}"),
        ("DELETE", "services/{}"),
    ],
)
@pytest.mark.parametrize("unknown", [str(uuid.UUID(int=7)), "not-a-uuid", "0" * 500])
def test_an_id_that_is_unknown_is_not_found(program: Caller, method: str, path: str, unknown: str):
    answer = program.ask(method, path.format(unknown))
    assert (answer.status, answer.code) == (404, "not_found")


def test_draining_twice_is_draining_once(program: Caller):
    instance = register(program).body["id"]
    assert program.post(f"services/{instance}/drain").body["status"] == "draining"
    events = ServiceEvent.objects.count()
    again = program.post(f"services/{instance}/drain")
    assert (again.status, again.body["status"]) == (200, "draining")
    assert ServiceEvent.objects.count() == events
    assert program.ask("PUT", f"services/{instance}/heartbeat").body["status"] == "draining"


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"version": "9", "tags": [1]}, "tags[0]", "value.type"),
        ({"version": "9", "colour": 1}, "colour", "key.unknown"),
        ({"version": "9", "status": "active"}, "status", "key.read_only"),
        ({"version": "9", "metadata": {"k": "x" * 100_000}}, "metadata", "metadata.too_long"),
        ({"version": "9", "tags": None}, "tags", "value.type"),
    ],
)
def test_a_change_of_an_instance_is_refused_whole(program: Caller, changes: dict[str, Any], path: str, code: str):
    instance = register(program).body["id"]
    before = program.get(f"services/{instance}").body
    answer = patch(program, f"services/{instance}", changes)
    assert (answer.status, problems_of(answer)) == (422, [(path, code)])
    assert program.get(f"services/{instance}").body == before


@pytest.mark.parametrize(
    ("policy", "path", "code"),
    [
        ({"timeout": "4s", "breaker": {"open_for": "5m", "open_at_most": "1s"}}, "breaker.open_at_most", "value.range"),
        ({"timeout": "4s", "probe": {"interval": "1s", "timeout": "10s"}}, "probe.timeout", "value.range"),
        ({"timeout": "4s", "heartbeat": {"ttl": "10us"}}, "heartbeat.ttl", "duration.range"),
        ({"timeout": "4s", "callers": ["No Such Name"]}, "callers[0]", "text.format"),
        ({"timeout": "4s", "tls": {"ca": "../../etc/passwd"}}, "tls.ca", "text.format"),
        ({"timeout": "4s", "rate": {"burst": 5}}, "rate.per_second", "key.missing"),
        ({"timeout": 1e308}, "timeout", "duration.invalid"),
        ({"timeout": "4s", "nope": 1}, "nope", "key.unknown"),
    ],
)
def test_a_policy_is_refused_whole(program: Caller, policy: dict[str, Any], path: str, code: str):
    register(program)
    before = program.get("services/by-name/ledger").body
    answer = patch(program, "services/by-name/ledger", {"policy": policy})
    assert (answer.status, problems_of(answer)) == (422, [(f"policy.{path}", code)])
    assert program.get("services/by-name/ledger").body == before
