"""Silence, over real rows: a fixed clock moves, and what the duty writes is seen from outside."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from orchestration import clock
from orchestration.registry import duties, expiry, operations, queries
from orchestration.registry.models import Instance, RegistryDuty
from orchestration.teams.operations import create_team, default_team

pytestmark = pytest.mark.django_db

TTL = 30.0
# The first look of a round of `registry.cleanup_interval`, 5 minutes: START lies 200 seconds into one.
ROUND = 401
START = clock.to_datetime(2_000_000_000_000_000)


@pytest.fixture(autouse=True)
def _listens(settings) -> None:
    settings.PODIUM = replace(settings.PODIUM, expiry_seconds=5, expiry_doubt_least=3)
    long_ago = START - timedelta(days=1)
    RegistryDuty.objects.create(name=duties.EXPIRY, since=long_ago, looked_at=START - timedelta(seconds=6))


@pytest.fixture
def team() -> int:
    return default_team().id


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def instances(team: int, count: int, **changes) -> list[str]:
    """Register instances that were heard at START."""
    ids = [
        operations.register(
            **{"team_id": team, "name": "inventory", "address": f"http://127.0.0.1:{9000 + n}", "ttl": TTL, **changes}
        ).id
        for n in range(count)
    ]
    hear(ids, START)
    return ids


def hear(ids: list[str], at: datetime) -> None:
    Instance.objects.filter(pk__in=ids).update(last_seen_at=at)


def look(seconds: float) -> dict[str, int]:
    """Look at this time, as the duty does every few seconds."""
    RegistryDuty.objects.filter(name=duties.EXPIRY).update(looked_at=after(seconds - 5))
    return expiry.run_due(now=after(seconds))


def statuses(ids: list[str]) -> list[str]:
    known = dict(Instance.objects.values_list("pk", "status"))
    return [known.get(type(next(iter(known)))(each), "gone") if known else "gone" for each in ids]


def test_a_silent_instance_is_inactive_and_later_gone(team: int):
    ids = instances(team, 3)
    operations.update_policy(team_id=team, name="inventory", changes={"heartbeat": {"deregister_after": "5m"}})
    before = queries.latest_index()
    hear(ids[1:], after(31))

    assert look(30) == {"silent": 0, "gone": 0}
    assert look(31) == {"silent": 1, "gone": 0}
    assert statuses(ids) == ["inactive", "active", "active"]
    hear(ids[1:], after(399))
    assert look(331) == {"silent": 0, "gone": 0}
    assert look(332) == {"silent": 0, "gone": 0}, "its time is over, and nobody cleans up yet"
    assert look(ROUND) == {"silent": 0, "gone": 1}
    assert statuses(ids) == ["gone", "active", "active"]
    told = queries.events_after(team_id=team, index=before).items
    assert [(each.type, each.data["reason"]) for each in told] == [
        ("service.updated", "silent"),
        ("service.deregistered", "silent"),
    ]


def test_a_heartbeat_brings_an_inactive_one_back(team: int):
    ids = instances(team, 1)
    look(31)
    assert queries.get_service(team_id=team, name="inventory").usable == 0
    assert operations.heartbeat(team_id=team, instance_id=ids[0]).status == "active"
    assert queries.get_service(team_id=team, name="inventory").usable == 1


def test_one_without_a_time_is_never_silent(team: int):
    ids = instances(team, 1, ttl=None)
    assert look(1_000_000) == {"silent": 0, "gone": 0}
    assert statuses(ids) == ["active"]


def test_the_policy_may_ask_for_heartbeats(team: int):
    ids = instances(team, 1, ttl=None)
    operations.update_policy(team_id=team, name="inventory", changes={"heartbeat": {"ttl": "1m"}})
    assert look(60) == {"silent": 0, "gone": 0}
    assert look(61) == {"silent": 1, "gone": 0}
    assert statuses(ids) == ["inactive"]


def test_it_distrusts_itself_when_most_are_silent_at_once(team: int):
    ids = instances(team, 5)
    hear(ids[:2], after(100))

    assert look(100) == {"silent": 0, "gone": 0}
    assert statuses(ids) == ["active"] * 5
    (doubt,) = queries.doubts()
    assert (doubt.duty, doubt.since) == ("expiry", after(100))
    assert doubt.detail.startswith("3 of 5 instances are silent at once")
    assert look(1_000) == {"silent": 0, "gone": 0}
    assert queries.doubts()[0].since == after(100)


def test_when_its_doubt_is_over_it_listens_for_two_windows_first(team: int):
    ids = instances(team, 5)
    look(100)
    assert queries.doubts()
    hear(ids[:4], after(110))
    assert look(110) == {"silent": 0, "gone": 0}
    assert queries.doubts() == ()
    hear(ids[:4], after(165))
    assert look(165) == {"silent": 0, "gone": 0}
    hear(ids[:4], after(171))
    assert look(171) == {"silent": 1, "gone": 0}
    assert statuses(ids) == ["active"] * 4 + ["inactive"]


def test_after_a_restart_it_listens_for_two_windows_first(team: int):
    ids = instances(team, 1)
    expiry.note_restart(now=after(100))
    assert look(159) == {"silent": 0, "gone": 0}
    assert look(160) == {"silent": 1, "gone": 0}
    assert statuses(ids) == ["inactive"]


def test_a_long_pause_counts_as_a_restart(team: int):
    ids = instances(team, 1)
    assert expiry.run_due(now=after(500)) == {"silent": 0, "gone": 0}
    assert RegistryDuty.objects.get(name=duties.EXPIRY).since == after(500)
    assert look(559) == {"silent": 0, "gone": 0}
    assert look(560) == {"silent": 1, "gone": 0}
    assert statuses(ids) == ["inactive"]


def test_only_one_looks_at_a_time_and_not_too_often(team: int):
    instances(team, 1)
    assert expiry.is_due(now=START)
    assert expiry.run_due(now=START) == {"silent": 0, "gone": 0}
    assert expiry.run_due(now=START) == {}
    assert not expiry.is_due(now=after(4))
    assert expiry.is_due(now=after(5))


def test_one_that_is_heard_in_the_meantime_keeps_its_place(team: int, monkeypatch):
    ids = instances(team, 1)
    judged = expiry.watched

    def heard_meanwhile():
        found = judged()
        hear(ids, after(31))
        return found

    monkeypatch.setattr(expiry, "watched", heard_meanwhile)
    assert look(31) == {"silent": 0, "gone": 0}
    assert statuses(ids) == ["active"]


def test_a_first_look_ever_is_a_restart(team: int):
    RegistryDuty.objects.all().delete()
    instances(team, 1)
    assert expiry.is_due(now=after(100))
    assert expiry.run_due(now=after(100)) == {"silent": 0, "gone": 0}
    assert RegistryDuty.objects.get(name=duties.EXPIRY).since == after(100)


def test_a_team_that_is_cut_off_keeps_its_states_and_holds_up_no_other(team: int):
    other = create_team(slug="other").id
    cut, theirs = instances(team, 9), instances(other, 3)
    hear(theirs[1:], after(100))

    assert look(100) == {"silent": 1, "gone": 0}
    assert (statuses(cut), statuses(theirs)) == (["active"] * 9, ["inactive", "active", "active"])
    (doubt,) = queries.doubts(team_id=team)
    assert (doubt.duty, doubt.of_team, doubt.since) == ("expiry", True, after(100))
    assert doubt.detail.startswith("9 of the team's 9 instances are silent at once")
    assert queries.doubts(team_id=other) == ()
    assert queries.doubts() == (doubt,)


def test_when_the_doubt_about_a_team_is_over_it_alone_has_two_windows(team: int):
    other = create_team(slug="other").id
    cut, theirs = instances(team, 5), instances(other, 6)
    hear(theirs, after(100))
    look(100)
    hear([*cut[:4], *theirs], after(110))
    assert look(110) == {"silent": 0, "gone": 0}
    assert queries.doubts() == ()
    hear([*cut[:4], *theirs[1:]], after(141))
    assert look(141) == {"silent": 1, "gone": 0}, "the other team's silent one"
    assert statuses(cut) == ["active"] * 5
    hear([*cut[:4], *theirs[1:]], after(171))
    assert look(171) == {"silent": 1, "gone": 0}
    assert statuses(cut) == ["active"] * 4 + ["inactive"]


def test_when_the_platform_hears_nobody_no_team_is_judged(team: int):
    other = create_team(slug="other").id
    ids = [*instances(team, 9), *instances(other, 1)]
    assert look(100) == {"silent": 0, "gone": 0}
    assert statuses(ids) == ["active"] * 10
    (doubt,) = queries.doubts(team_id=other)
    assert (doubt.of_team, doubt.detail[:8]) == (False, "10 of 10")
