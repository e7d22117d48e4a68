from __future__ import annotations

from typing import Any

import pytest

from tests.api.client import Caller

HERE = {"name": "inventory", "address": "http://127.0.0.1:8999/stock"}


def test_it_registers_an_instance(program: Caller):
    answer = program.post("services", {**HERE, "version": "1.2", "tags": ["eu"], "metadata": {"rack": 7}})

    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/v1/services/{answer.body['id']}"
    shown = {name: answer.body[name] for name in ("name", "protocol", "address", "port", "path", "version", "tags")}
    assert shown == {
        "name": "inventory",
        "protocol": "http",
        "address": "127.0.0.1",
        "port": 8999,
        "path": "/stock",
        "version": "1.2",
        "tags": ["eu"],
    }
    assert (answer.body["status"], answer.body["health"], answer.body["metadata"]) == ("active", "unknown", {"rack": 7})
    assert answer.body["registered_by"] == "key program"


def test_it_takes_address_and_port_apart(program: Caller):
    answer = program.post("services", {"name": "s", "address": "127.0.0.1", "port": 8998, "protocol": "http"})

    assert (answer.status, answer.body["url"]) == (201, "http://127.0.0.1:8998")


def test_it_gives_the_same_instance_for_the_same_address(program: Caller):
    first = program.post("services", HERE)

    assert program.post("services", HERE).body["id"] == first.body["id"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "name"),
        ({"name": "s"}, "address"),
        ({**HERE, "name": ""}, "name"),
        ({**HERE, "name": "a b"}, "name"),
        ({**HERE, "name": "\x01"}, "name"),
        ({**HERE, "name": 7}, "name"),
        ({**HERE, "address": "file:///etc/passwd"}, "address"),
        ({**HERE, "address": "http://169.254.169.254/"}, "address"),
        ({**HERE, "address": "http://u:p@127.0.0.1/"}, "address"),
        ({**HERE, "address": "http://127.0.0.1:8999/\r\nX: y"}, "address"),
        ({**HERE, "port": 99999}, "port"),
        ({**HERE, "port": "80"}, "port"),
        ({**HERE, "port": True}, "port"),
        ({**HERE, "tags": "eu"}, "tags"),
        ({**HERE, "tags": [1]}, "tags[0]"),
        ({**HERE, "metadata": []}, "metadata"),
        ({**HERE, "health_path": "health"}, "health_path"),
        ({**HERE, "health": "healthy"}, "health"),
        ({**HERE, "id": "x"}, "id"),
        ({**HERE, "status": "draining"}, "status"),
        ({**HERE, "team": 2}, "team"),
    ],
)
def test_it_refuses_what_is_wrong(program: Caller, body: dict[str, Any], path: str):
    answer = program.post("services", body)

    assert answer.status == 422
    assert path in answer.paths
    assert program.get("services").body["items"] == []


def test_it_refuses_a_viewer(viewer: Caller):
    assert viewer.post("services", HERE).status == 403
