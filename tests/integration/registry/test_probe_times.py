"""A shorter interval between probes reaches those who already wait for their next one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestration import clock
from orchestration.configuration import operations as configuration
from orchestration.configuration import watching
from orchestration.registry import operations, probe_times, probes
from orchestration.registry.models import Instance
from orchestration.teams.operations import default_team

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _as_if_just_begun() -> None:
    probe_times._gone_by.clear()


def register(name: str, count: int, *, due_in: float, **policy: Any) -> None:
    team = default_team().id
    for number in range(count):
        operations.register(team_id=team, name=name, address=f"http://127.0.0.1:{9000 + number}", health_path="/up")
    if policy:
        operations.update_policy(team_id=team, name=name, changes=policy)
    Instance.objects.filter(service__name=name).update(probe_at=clock.now() + timedelta(seconds=due_in))


def set_interval(interval: str) -> None:
    values = {"registry.heartbeat_interval": interval, "registry.health_check_timeout": "1s"}
    configuration.change_settings(values=values, by="ana")
    watching.watch().look()


def due(name: str, now: datetime) -> list[float]:
    times = Instance.objects.filter(service__name=name).values_list("probe_at", flat=True)
    return [(each - now).total_seconds() for each in times if each is not None]


def test_a_shorter_live_setting_moves_those_that_wait_into_it():
    now = clock.now()
    register("silent", 40, due_in=29)
    register("own", 3, due_in=600, probe={"interval": "10m", "timeout": "1s"})
    assert probe_times.keep_up(now=now) == 0

    set_interval("2s")
    probes.any_due(now=now)

    assert all(0 <= each <= 2.2 for each in due("silent", now))
    assert len({round(each, 3) for each in due("silent", now)}) > 20, "they are not all asked at one moment"
    assert all(each > 590 for each in due("own", now))
    assert probe_times.keep_up(now=now) == 0


def test_a_longer_one_leaves_them_where_they_are():
    now = clock.now()
    register("silent", 3, due_in=29)
    probe_times.keep_up(now=now)
    before = due("silent", now)
    set_interval("4m")
    assert probe_times.keep_up(now=now) == 0
    assert due("silent", now) == before


def test_a_process_that_begins_moves_what_nobody_moved():
    now = clock.now()
    register("silent", 3, due_in=500)
    assert probe_times.keep_up(now=now) == 3
    assert all(0 <= each <= 33 for each in due("silent", now))


def test_a_services_own_shorter_interval_holds_at_once():
    now = clock.now()
    register("mine", 5, due_in=29)
    register("other", 2, due_in=29)
    operations.update_policy(
        team_id=default_team().id, name="mine", changes={"probe": {"interval": "2s", "timeout": "1s"}}
    )
    assert all(each <= 4 for each in due("mine", now))
    assert all(each > 25 for each in due("other", now))


def test_one_that_is_not_probed_stays_so():
    now = clock.now()
    register("silent", 2, due_in=500)
    Instance.objects.update(probe_at=None)
    assert probe_times.keep_up(now=now) == 0
    assert due("silent", now) == []
