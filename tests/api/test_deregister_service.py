from __future__ import annotations

from tests.api.client import Caller


def register(caller: Caller) -> str:
    return caller.post("services", {"name": "s", "address": "http://127.0.0.1:8999"}).body["id"]


def test_it_takes_an_instance_out(program: Caller):
    instance = register(program)

    answer = program.delete(f"services/{instance}")

    assert (answer.status, answer.body) == (204, None)
    assert program.get(f"services/{instance}").status == 404
    assert program.delete(f"services/{instance}").status == 404


def test_it_finds_nothing_of_another_team(program: Caller, stranger: Caller):
    instance = register(program)

    assert stranger.delete(f"services/{instance}").status == 404
    assert program.get(f"services/{instance}").status == 200


def test_it_refuses_a_viewer(program: Caller, viewer: Caller):
    instance = register(program)

    assert viewer.delete(f"services/{instance}").status == 403
    assert program.get(f"services/{instance}").status == 200
