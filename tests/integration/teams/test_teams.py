"""Teams and their members."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from orchestration.domain.errors import Conflict, NotFound, Refused
from orchestration.teams import operations, queries
from orchestration.teams.models import Team

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


def test_it_makes_the_default_team_once():
    first, again = operations.default_team(), operations.default_team()
    assert first == again
    assert first.slug == "default"
    assert Team.objects.filter(slug="default").count() == 1


def test_it_makes_a_team():
    team = operations.create_team(slug="shop", name="The shop")
    assert queries.get_team(slug="shop") == team
    with pytest.raises(Conflict):
        operations.create_team(slug="shop")
    with pytest.raises(NotFound):
        queries.get_team(slug="nobody")


@pytest.mark.parametrize("slug", ["", "A", "1a", "a b", "a" * 64, "ü", "-a"])
def test_it_refuses_a_slug_that_is_none(slug: str):
    with pytest.raises(Refused):
        operations.create_team(slug=slug)


def test_it_finds_the_team_of_a_person(ada: User):
    assert queries.team_for_user(user_id=ada.pk) is None
    first, second = operations.default_team(), operations.create_team(slug="shop")
    operations.add_member(team_id=first.id, user_id=ada.pk, role="viewer")
    operations.add_member(team_id=second.id, user_id=ada.pk, role="admin")
    assert queries.team_for_user(user_id=ada.pk) == first
    assert queries.role_of(team_id=second.id, user_id=ada.pk) == "admin"
    operations.remove_member(team_id=first.id, user_id=ada.pk)
    assert queries.team_for_user(user_id=ada.pk) == second
    assert queries.role_of(team_id=first.id, user_id=ada.pk) is None
    with pytest.raises(NotFound):
        operations.remove_member(team_id=first.id, user_id=ada.pk)


def test_it_changes_the_role_of_a_member(ada: User):
    team = operations.default_team()
    for role in ("viewer", "operator"):
        operations.add_member(team_id=team.id, user_id=ada.pk, role=role)
    assert queries.role_of(team_id=team.id, user_id=ada.pk) == "operator"


def test_it_refuses_an_unknown_role_person_or_team(ada: User):
    team = operations.default_team()
    with pytest.raises(Refused):
        operations.add_member(team_id=team.id, user_id=ada.pk, role="king")
    with pytest.raises(NotFound):
        operations.add_member(team_id=team.id, user_id=ada.pk + 1000, role="viewer")
    with pytest.raises(NotFound):
        operations.add_member(team_id=team.id + 1000, user_id=ada.pk, role="viewer")
