"""Changing what an instance says of itself, its heartbeats, and its last while."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.registry.models import Instance
from tests.api.client import Caller

HERE = {"name": "inventory", "address": "http://127.0.0.1:8999", "version": "1", "tags": ["eu"], "ttl": "90s"}


@pytest.fixture
def instance(program: Caller) -> str:
    return str(program.post("services", HERE).body["id"])


def test_it_changes_what_is_named_and_nothing_else(program: Caller, instance: str):
    answer = program.ask(
        "PATCH",
        f"services/{instance}",
        {"version": "2", "dependencies": ["stock"], "locality": "eu/a"},
        type="application/json",
    )

    shown = {name: answer.body[name] for name in ("version", "dependencies", "locality", "tags", "ttl")}
    assert answer.status == 200
    assert shown == {"version": "2", "dependencies": ["stock"], "locality": "eu/a", "tags": ["eu"], "ttl": 90.0}
    assert program.get(f"services/{instance}").body["version"] == "2"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"version": "\n"}, "version"),
        ({"tags": ["a b"]}, "tags[0]"),
        ({"dependencies": ["-"]}, "dependencies[0]"),
        ({"dependencies": ["a"] * 65}, "dependencies"),
        ({"locality": "/a"}, "locality"),
        ({"ttl": "soon"}, "ttl"),
        ({"ttl": 0.5}, "ttl"),
        ({"ttl": "900d"}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"health_path": None}, "health_path"),
        ({"name": "other"}, "name"),
        ({"address": "http://127.0.0.1:9"}, "address"),
        ({"status": "active"}, "status"),
        ({"health": "healthy"}, "health"),
    ],
)
def test_it_refuses_what_is_wrong_and_changes_nothing(program: Caller, instance: str, body: dict[str, Any], path: str):
    before = program.get(f"services/{instance}").body
    answer = program.ask("PATCH", f"services/{instance}", body, type="application/json")

    assert answer.status == 422
    assert any(each.startswith(path) for each in answer.paths)
    assert program.get(f"services/{instance}").body == before


def test_it_refuses_a_viewer(program: Caller, viewer: Caller, instance: str):
    assert viewer.ask("PATCH", f"services/{instance}", {}, type="application/json").status == 403
    assert viewer.ask("PUT", f"services/{instance}/heartbeat").status == 403
    assert viewer.post(f"services/{instance}/drain").status == 403


def test_it_hears_a_heartbeat(program: Caller, instance: str):
    answer = program.ask("PUT", f"services/{instance}/heartbeat")

    assert (answer.status, answer.body) == (200, {"id": instance, "status": "active", "ttl": 90.0})


def test_it_knows_no_heartbeat_of_one_that_is_gone(program: Caller, instance: str):
    assert program.ask("PUT", f"services/{instance}/heartbeat").status == 200
    program.delete(f"services/{instance}")

    assert program.ask("PUT", f"services/{instance}/heartbeat").status == 404


def test_it_drains_and_says_so_again(program: Caller, instance: str):
    assert program.post(f"services/{instance}/drain").body["status"] == "draining"
    assert program.post(f"services/{instance}/drain", {}).body["status"] == "draining"
    assert program.ask("PUT", f"services/{instance}/heartbeat").body["status"] == "draining"


def test_it_does_not_drain_one_that_fell_silent(program: Caller, instance: str):
    Instance.objects.filter(pk=instance).update(status="inactive")
    answer = program.post(f"services/{instance}/drain")

    assert (answer.status, answer.code, answer.body["state"]) == (409, "refused", "inactive")
    assert "registered" in answer.body["allowed"]
