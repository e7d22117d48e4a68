from __future__ import annotations

from tests.api.client import Caller


def test_it_shows_an_instance(program: Caller):
    registered = program.post("services", {"name": "s", "address": "http://127.0.0.1:8999"}).body

    answer = program.get(f"services/{registered['id']}")

    assert (answer.status, answer.body) == (200, {**registered, "health_history": []})


def test_it_finds_nothing_of_another_team(program: Caller, stranger: Caller):
    registered = program.post("services", {"name": "s", "address": "http://127.0.0.1:8999"}).body

    assert stranger.get(f"services/{registered['id']}").status == 404
