"""The standing actors: an operator and a program of one team, a viewer of it, a stranger of another, and nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from pytest_django.fixtures import Settings

from orchestration.engine import graphs
from orchestration.registry import local
from orchestration.teams import operations as teams
from tests.api.client import Caller
from tests.api.running import shift_at_work

CSRF_TOKEN = "c" * 32


@pytest.fixture(autouse=True)
def _no_graphs_of_other_tests() -> None:
    # A rolled back test's revisions leave their numbers to the next one's.
    graphs._graphs.clear()


@pytest.fixture
def team_id(db: None) -> int:
    """Return the team that most of what happens belongs to."""
    return teams.default_team().id


@pytest.fixture
def program(team_id: int) -> Caller:
    """Return a program with a key of the team."""
    return Caller(key=teams.create_key(team_id=team_id, name="program")[1])


@pytest.fixture
def configurer(team_id: int) -> Caller:
    """Return a program that may change the live settings."""
    return Caller(key=teams.create_key(team_id=team_id, name="configurer", may_configure=True)[1])


@pytest.fixture
def stranger(db: None) -> Caller:
    """Return a program of another team."""
    other = teams.create_team(slug="others")
    return Caller(key=teams.create_key(team_id=other.id, name="stranger")[1])


@pytest.fixture
def nobody(db: None) -> Caller:
    """Return somebody who does not say who they are."""
    return Caller()


def _person(team_id: int, role: str) -> Caller:
    user = get_user_model().objects.create_user(username=role)
    teams.add_member(team_id=team_id, user_id=user.pk, role=role)
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.cookies["csrftoken"] = CSRF_TOKEN
    return Caller(client=client, csrf=CSRF_TOKEN)


@pytest.fixture
def operator(team_id: int) -> Caller:
    """Return a person of the team who may act."""
    return _person(team_id, "operator")


@pytest.fixture
def viewer(team_id: int) -> Caller:
    """Return a person of the team who may only look."""
    return _person(team_id, "viewer")


@pytest.fixture
def production(settings: Settings) -> None:
    """Make the site a production one, as far as the API asks."""
    settings.PODIUM = replace(settings.PODIUM, env="production")


@pytest.fixture
def shift(transactional_db: None) -> Iterator[None]:
    """Have a shift at work in this process, with the local service `sums`."""
    local.register_local(
        team_id=None, name="sums", method="add", function=lambda given: {"sum": given["a"] + given["b"]}
    )
    with shift_at_work():
        yield
    local.unregister_local(team_id=None, name="sums")


@pytest.fixture
def patience(settings: Settings) -> None:
    """Let actions wait for their word no longer than a moment."""
    settings.PODIUM = replace(settings.PODIUM, api_action_seconds=0.05)
