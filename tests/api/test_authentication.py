from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from orchestration import clock
from orchestration.teams import operations as teams
from tests.api.client import Caller


def test_it_lets_a_key_in(program: Caller):
    assert program.get("workflows").status == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_it_reads_the_scheme_in_any_case(program: Caller, scheme: str):
    assert program.get("workflows", Authorization=f"{scheme} {program.key}").status == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic ZGVtbzpkZW1v",
        "Token abc",
        f"Bearer {'k' * 1_000_000}",
        "Bearer clé",
        "Bearer a\x0bb",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
    ],
)
def test_it_refuses_what_is_no_key(program: Caller, header: str):
    answer = program.get("workflows", Authorization=header)

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert len(answer.body["detail"]) < 200


@pytest.mark.parametrize("name", ["token", "api_key", "access_token", "key"])
def test_it_never_reads_a_key_from_the_address(nobody: Caller, program: Caller, name: str):
    assert nobody.get(f"workflows?{name}={program.key}").status == 401


def test_it_refuses_a_key_that_was_revoked(team_id: int):
    view, key = teams.create_key(team_id=team_id, name="short-lived")
    teams.revoke_key(team_id=team_id, key_id=view.id)

    assert Caller(key=key).get("workflows").status == 401


def test_it_refuses_a_key_that_is_over(team_id: int):
    _, key = teams.create_key(team_id=team_id, name="short-lived", expires_at=clock.now())

    assert Caller(key=key).get("workflows").status == 401


def test_it_lets_a_person_in(operator: Caller):
    assert operator.get("workflows").status == 200


def test_it_judges_by_the_key_alone_when_there_is_one(operator: Caller):
    assert operator.get("workflows", Authorization="Bearer wrong").status == 401


def test_it_refuses_a_person_without_the_csrf_token(operator: Caller):
    answer = Caller(client=operator.client).post("workflows", {})

    assert (answer.status, answer.code) == (403, "csrf")


def test_it_refuses_a_person_with_a_wrong_csrf_token(operator: Caller):
    assert operator.post("workflows", {}, X_CSRFToken="d" * 32).status == 403


def test_it_refuses_a_form_of_a_person_before_reading_it(operator: Caller):
    answer = operator.post("workflows", b"a=1&csrfmiddlewaretoken=c", type="application/x-www-form-urlencoded")

    assert (answer.status, answer.code) == (415, "type.unsupported")


def test_it_asks_a_key_for_no_csrf_token(program: Caller):
    assert program.post("workflows", {}).status == 422


def test_it_lets_a_viewer_look(viewer: Caller):
    assert viewer.get("workflows").status == 200


def test_it_refuses_a_person_who_is_in_no_team(db: None):
    client = Client()
    client.force_login(get_user_model().objects.create_user(username="alone"))

    assert Caller(client=client).get("workflows").status == 401


def test_it_refuses_a_person_who_left(operator: Caller, team_id: int):
    user = get_user_model().objects.get(username="operator")
    teams.remove_member(team_id=team_id, user_id=user.pk)

    assert operator.get("workflows").status == 401


def test_it_refuses_a_person_who_was_disabled(operator: Caller):
    get_user_model().objects.filter(username="operator").update(is_active=False)

    assert operator.get("workflows").status == 401


def test_it_never_shows_the_key(program: Caller):
    answer = program.get("workflows/unknown")

    assert program.key not in str(answer)
