"""A service's policy: shown with every default, changed in part, and not over somebody else's change."""

from __future__ import annotations

import pytest

from orchestration import clock
from orchestration.registry.models import CallingState, Service
from tests.api.client import Answer, Caller

WHERE = "services/by-name/inventory"


@pytest.fixture(autouse=True)
def _registered(program: Caller) -> None:
    program.post("services", {"name": "inventory", "address": "http://127.0.0.1:8999"})


def patch(caller: Caller, body: object, where: str = WHERE, **headers: str) -> Answer:
    return caller.ask("PATCH", where, body, type="application/json", **headers)


def test_it_shows_a_service_with_every_default(program: Caller):
    answer = program.get(WHERE)

    assert (answer.status, answer.headers["ETag"]) == (200, '"1"')
    assert answer.body["policy"]["probe"] == {"interval": "30s", "timeout": "10s", "rise": 2, "fall": 3}
    assert [each["name"] for each in answer.body["instances"]] == ["inventory"]


def test_it_shows_how_its_circuit_stands(program: Caller):
    assert program.get(WHERE).body["circuit"] == {"state": "closed", "until": None, "held_until": None}
    until = clock.now_us() + 60_000_000
    CallingState.objects.create(service=Service.objects.get(name="inventory"), number=1, state="open", until=until)

    shown = program.get(WHERE).body["circuit"]
    assert (shown["state"], shown["held_until"]) == ("open", None)
    assert shown["until"] > program.get(WHERE).body["created_at"]


def test_it_lays_a_change_over_what_there_is(program: Caller):
    patch(program, {"policy": {"probe": {"interval": "1m"}, "rate": {"per_second": 5}}})
    answer = patch(program, {"policy": {"probe": {"fall": 5}, "rate": None}})

    assert (answer.body["policy_version"], answer.headers["ETag"]) == (3, '"3"')
    assert answer.body["policy"]["probe"] == {"interval": "1m", "timeout": "10s", "rise": 2, "fall": 5}
    assert "rate" not in answer.body["policy"]


def test_it_gives_no_version_to_a_change_that_changes_nothing(program: Caller):
    assert patch(program, {"policy": {}}).body["policy_version"] == 1


def test_it_tells_all_that_is_wrong_and_changes_nothing(program: Caller):
    answer = patch(program, {"policy": {"balance": "random", "probe": {"rise": 0}, "timeuot": "1s"}})

    assert (answer.status, set(answer.paths)) == (422, {"policy.balance", "policy.probe.rise", "policy.timeuot"})
    assert program.get(WHERE).body["policy_version"] == 1


def test_it_does_not_write_over_a_change_that_was_not_seen(program: Caller):
    patch(program, {"policy": {"timeout": "1s"}})

    by_body = patch(program, {"policy": {"timeout": "2s"}, "version": 1})
    by_header = patch(program, {"policy": {"timeout": "2s"}}, If_Match='"1"')

    assert (by_body.status, by_body.code) == (409, "policy_changed")
    assert (by_header.status, by_header.code) == (412, "policy_changed")
    assert patch(program, {"policy": {"timeout": "2s"}}, If_Match='"2"').status == 200
    assert patch(program, {"policy": {"timeout": "3s"}}, If_Match="2").code == "header.invalid"


def test_another_teams_policy_is_its_own(program: Caller, stranger: Caller):
    assert stranger.get(WHERE).status == patch(stranger, {"policy": {}}).status == 404
    stranger.post("services", {"name": "inventory", "address": "http://127.0.0.1:8999"})
    patch(stranger, {"policy": {"timeout": "9s"}})

    assert "timeout" not in program.get(WHERE).body["policy"]
    assert len(program.get(WHERE).body["instances"]) == 1


@pytest.mark.parametrize("name", ["-", "a b", "x" * 81, "nothing-of-that-name"])
def test_it_knows_no_other_names(program: Caller, name: str):
    assert program.get(f"services/by-name/{name}").status == 404


def test_it_refuses_a_viewer(viewer: Caller):
    assert viewer.get(WHERE).status == 200
    assert patch(viewer, {"policy": {}}).status == 403
