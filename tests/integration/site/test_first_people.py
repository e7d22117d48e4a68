"""The first login and the first key of a site without a demo."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from orchestration.teams.operations import default_team
from orchestration.teams.queries import principal_for_key, role_of

pytestmark = pytest.mark.django_db
PASSWORD = "a long one that nobody knows"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch):
    def typed(text: str):
        monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))

    return typed


def test_it_makes_a_person_who_can_log_in_and_has_a_role(typed):
    typed(PASSWORD)
    call_command("create_person", "ada", "--role", "admin", stdout=io.StringIO())
    person = authenticate(None, username="ada", password=PASSWORD)
    assert person is not None
    assert not person.is_staff
    assert role_of(team_id=default_team().id, user_id=person.pk) == "admin"


def test_it_opens_the_admin_site_to_a_superuser(typed):
    typed(PASSWORD)
    call_command("create_person", "ada", "--superuser", stdout=io.StringIO())
    person = authenticate(None, username="ada", password=PASSWORD)
    assert person is not None
    assert person.is_staff


def test_it_refuses_a_password_that_is_too_simple(typed):
    typed("short")
    with pytest.raises(CommandError, match="too short"):
        call_command("create_person", "ada")


def test_it_refuses_a_name_that_is_taken(typed):
    typed(PASSWORD)
    call_command("create_person", "ada", stdout=io.StringIO())
    with pytest.raises(CommandError, match="already"):
        call_command("create_person", "ada")


def test_it_makes_a_key_that_opens_the_team():
    said = io.StringIO()
    call_command("create_key", "reports", stdout=said)
    principal = principal_for_key(key=said.getvalue().strip())
    assert principal is not None
    assert principal.team_id == default_team().id


def test_it_refuses_a_key_without_a_name():
    with pytest.raises(CommandError, match="name"):
        call_command("create_key", " ")
