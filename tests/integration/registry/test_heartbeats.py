"""Heartbeats: many cost few writes, and one that was taken out is not known any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration import clock
from orchestration.domain.errors import NotFound
from orchestration.registry import duties, heartbeats, operations, queries
from orchestration.registry.heartbeats import Ear
from orchestration.registry.models import Instance, RegistryDuty
from orchestration.teams.operations import create_team, default_team
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


class TimedEar(Ear):
    """An ear whose thread is the test: it keeps up when it is told to."""

    def _begin(self) -> None:
        return


@pytest.fixture
def ear(monkeypatch) -> TimedEar:
    moment = [1_000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: moment[0])
    made = TimedEar()
    made.moment = moment  # type: ignore[attr-defined]
    return made


@pytest.fixture
def team(transactional_db: None) -> int:
    return default_team().id


def register(team: int, port: int = 9000, **changes) -> str:
    given = {"team_id": team, "name": "inventory", "address": f"http://127.0.0.1:{port}", "ttl": 30.0, **changes}
    return operations.register(**given).id


def later(ear: TimedEar, seconds: float) -> None:
    ear.moment[0] += seconds  # type: ignore[attr-defined]


def test_many_heartbeats_cost_few_statements(team: int, ear: TimedEar):
    ids = [register(team, 9000 + number) for number in range(50)]
    ear.keep_up(now=clock.now())
    for each in ids:
        ear.hear(team_id=team, instance_id=each)
    with CaptureQueriesContext(
        connection,
    ) as done:
        for _ in range(20):
            later(ear, 1)
            for each in ids:
                assert ear.hear(team_id=team, instance_id=each).status == "active"
            ear.keep_up(now=clock.now())
    writes = [each["sql"] for each in done.captured_queries if each["sql"].startswith(("UPDATE", "INSERT"))]
    # A row younger than a tenth of its time is left alone: every third second all fifty are written, in one statement.
    assert len([sql for sql in writes if "podium_instance" in sql]) == 6
    assert len(done.captured_queries) < 80


def test_what_was_heard_stands_in_the_row(team: int, ear: TimedEar):
    instance = register(team)
    long_ago = clock.now() - timedelta(hours=1)
    ear.hear(team_id=team, instance_id=instance)
    Instance.objects.update(last_seen_at=long_ago)
    later(ear, 4)
    ear.hear(team_id=team, instance_id=instance)
    assert Instance.objects.get().last_seen_at == long_ago
    now = clock.now()
    assert ear.keep_up(now=now) == 1
    assert Instance.objects.get().last_seen_at == now
    assert ear.keep_up(now=clock.now()) == 0


def test_one_that_was_taken_out_elsewhere_is_not_known_after_the_news(team: int, ear: TimedEar):
    instance = register(team)
    ear.keep_up(now=clock.now())
    ear.hear(team_id=team, instance_id=instance)
    listeners = heartbeats.events.LISTENERS[:]
    heartbeats.events.LISTENERS.clear()
    try:
        operations.deregister(team_id=team, instance_id=instance)
    finally:
        heartbeats.events.LISTENERS[:] = listeners
    assert ear.hear(team_id=team, instance_id=instance).id == instance
    ear.keep_up(now=clock.now())
    with pytest.raises(NotFound):
        ear.hear(team_id=team, instance_id=instance)


@pytest.fixture
def whole_ear(team: int) -> Iterator[None]:
    """Let this process hear, with its thread, and have it rest before the database goes."""
    heartbeats.EAR.rest()
    yield
    heartbeats.EAR.rest()


def test_its_thread_writes_down_who_was_heard(team: int, whole_ear: None, settings):
    settings.PODIUM = replace(settings.PODIUM, heartbeat_write_seconds=0.02)
    instance = register(team, ttl=1.0)
    heartbeats.hear(team_id=team, instance_id=instance)
    first = Instance.objects.get().last_seen_at

    def is_written() -> bool:
        heartbeats.hear(team_id=team, instance_id=instance)
        return Instance.objects.get().last_seen_at > first

    wait_for(is_written, what="the row to be written")


def test_one_that_was_taken_out_here_is_not_known_at_once(team: int, whole_ear: None):
    instance = register(team)
    assert heartbeats.hear(team_id=team, instance_id=instance).status == "active"
    assert heartbeats.hear(team_id=team, instance_id=instance).status == "active"
    operations.deregister(team_id=team, instance_id=instance)
    with pytest.raises(NotFound):
        heartbeats.hear(team_id=team, instance_id=instance)


def test_another_teams_instance_is_not_known(team: int, ear: TimedEar):
    instance, other = register(team), create_team(slug="others").id
    for _ in range(2):
        with pytest.raises(NotFound):
            ear.hear(team_id=other, instance_id=instance)
        ear.hear(team_id=team, instance_id=instance)


def test_one_that_fell_silent_is_active_again_at_once(team: int, ear: TimedEar):
    instance = register(team)
    ear.hear(team_id=team, instance_id=instance)
    ear.keep_up(now=clock.now())
    Instance.objects.update(status="inactive", inactive_at=clock.now())
    ear.forget([instance])
    assert ear.hear(team_id=team, instance_id=instance).status == "active"
    assert queries.get_instance(team_id=team, instance_id=instance).status == "active"


def test_the_policys_time_is_told_where_the_instance_has_none(team: int, ear: TimedEar):
    instance = register(team, ttl=None)
    assert ear.hear(team_id=team, instance_id=instance).ttl is None
    operations.update_policy(team_id=team, name="inventory", changes={"heartbeat": {"ttl": "45s"}})
    ear.keep_up(now=clock.now())
    assert ear.hear(team_id=team, instance_id=instance).ttl == 45


def test_a_process_that_begins_to_listen_says_so(team: int, ear: TimedEar):
    assert not RegistryDuty.objects.exists()
    now = clock.now()
    ear.keep_up(now=now)
    assert RegistryDuty.objects.get(name=duties.EXPIRY).since == now
    ear.keep_up(now=clock.now())
    assert RegistryDuty.objects.get(name=duties.EXPIRY).since == now
