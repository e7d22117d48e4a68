"""Keys: handed out once, found by their prefix, kept as a hash."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestration import clock
from orchestration.domain.errors import Conflict, LimitExceeded, NotFound, Refused
from orchestration.teams import operations, queries
from orchestration.teams.models import ApiKey
from orchestration.teams.operations import create_team, default_team

pytestmark = pytest.mark.django_db

GIVEN = "demo-key-0123456789-0123456789-0123456789"


@pytest.fixture
def team() -> int:
    return default_team().id


@pytest.fixture
def other_team() -> int:
    return create_team(slug="other").id


def test_it_hands_out_a_key_that_opens_its_team(team: int):
    view, key = operations.create_key(team_id=team, name="deploy", by="ada")
    assert queries.principal_for_key(key=key) == queries.Principal(team_id=team, name="key deploy")
    assert (view.name, view.created_by, view.last_used_at, view.expires_at) == ("deploy", "ada", None, None)
    assert key.startswith(view.prefix)


def test_it_keeps_only_a_hash(team: int):
    _, key = operations.create_key(team_id=team, name="deploy")
    kept = ApiKey.objects.values().get()
    assert key not in str(kept)
    assert key[20:] not in str(kept)
    assert len(kept["hash"]) == 64


def test_it_makes_no_two_keys_alike(team: int):
    keys = {operations.create_key(team_id=team, name="n")[1] for _ in range(20)}
    assert len(keys) == 20
    assert min(len(key) for key in keys) >= 50


def test_it_takes_a_given_key_once(team: int, other_team: int):
    first, key = operations.create_key(team_id=team, name="demo", key=GIVEN)
    again, _ = operations.create_key(team_id=team, name="demo", key=GIVEN)
    assert (key, again.id) == (GIVEN, first.id)
    with pytest.raises(Conflict):
        operations.create_key(team_id=other_team, name="demo", key=GIVEN)
    principal = queries.principal_for_key(key=GIVEN)
    assert principal is not None
    assert principal.team_id == team


@pytest.mark.parametrize("key", ["", "short", "x" * 31, "x" * 201, "ü" * 40, "with a space" * 5, "line\n" * 10])
def test_it_refuses_a_key_that_cannot_be_one(team: int, key: str):
    with pytest.raises(Refused):
        operations.create_key(team_id=team, name="demo", key=key)
    assert queries.principal_for_key(key=key) is None
    assert not ApiKey.objects.exists()


def test_it_does_not_know_a_key_by_its_beginning(team: int):
    operations.create_key(team_id=team, name="demo", key=GIVEN)
    assert queries.principal_for_key(key=GIVEN[:-1]) is None
    assert queries.principal_for_key(key=GIVEN + "x") is None
    assert queries.principal_for_key(key=GIVEN[:16] + "x" * 20) is None


def test_it_ends_a_key_at_its_time(team: int):
    now = clock.now()
    _, over = operations.create_key(team_id=team, name="old", expires_at=now - timedelta(seconds=1))
    _, good = operations.create_key(team_id=team, name="new", expires_at=now + timedelta(hours=1))
    assert queries.principal_for_key(key=over) is None
    assert queries.principal_for_key(key=good) is not None


def test_it_revokes_a_key_at_once(team: int, other_team: int):
    view, key = operations.create_key(team_id=team, name="demo")
    with pytest.raises(NotFound):
        operations.revoke_key(team_id=other_team, key_id=view.id)
    assert queries.principal_for_key(key=key) is not None
    operations.revoke_key(team_id=team, key_id=view.id)
    assert queries.principal_for_key(key=key) is None
    ended = queries.list_keys(team_id=team)[0].expires_at
    operations.revoke_key(team_id=team, key_id=view.id)
    assert queries.list_keys(team_id=team)[0].expires_at == ended


def test_it_notes_the_use_of_a_key_once_a_minute(team: int, django_assert_num_queries):
    view, key = operations.create_key(team_id=team, name="demo")
    before = clock.now()
    queries.principal_for_key(key=key)
    used = ApiKey.objects.get(pk=view.id).last_used_at
    assert used is not None
    assert used >= before
    with django_assert_num_queries(1):
        queries.principal_for_key(key=key)
    assert ApiKey.objects.get(pk=view.id).last_used_at == used
    ApiKey.objects.update(last_used_at=used - timedelta(minutes=2))
    queries.principal_for_key(key=key)
    assert ApiKey.objects.get(pk=view.id).last_used_at > used - timedelta(minutes=1)


def test_it_lists_a_teams_own_keys(team: int, other_team: int):
    operations.create_key(team_id=team, name="mine")
    operations.create_key(team_id=other_team, name="theirs")
    assert [view.name for view in queries.list_keys(team_id=team)] == ["mine"]


def test_it_bounds_the_keys_of_a_team(team: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(operations, "KEYS_PER_TEAM", 2)
    for _ in range(2):
        operations.create_key(team_id=team, name="n")
    with pytest.raises(LimitExceeded):
        operations.create_key(team_id=team, name="n")


@pytest.mark.parametrize("name", ["", "  ", "x" * 121, "a\x00b", "a\nb"])
def test_it_refuses_a_name_that_is_none(team: int, name: str):
    with pytest.raises(Refused):
        operations.create_key(team_id=team, name=name)


def test_it_gives_no_key_to_a_team_that_is_not_there(team: int):
    with pytest.raises(NotFound):
        operations.create_key(team_id=team + 1000, name="n")
