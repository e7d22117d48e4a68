"""The page of one service, live: what its socket is told, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from dashboard.live.topics import Reading, ServicesTopic
from dashboard.presenters.services import service_page
from orchestration import clock
from orchestration.registry import operations, queries
from orchestration.registry.models import CallingState, Instance, Service
from orchestration.registry.queries import HealthMark
from orchestration.teams.operations import create_team
from tests.dashboard import fakes
from tests.dashboard.conftest import person
from tests.dashboard.test_socket import _open

pytestmark = pytest.mark.django_db(transaction=True)


def registered(team_id: int, **changes: Any) -> str:
    given = {"team_id": team_id, "name": "inventory", "address": "http://127.0.0.1:9000", **changes}
    return operations.register(**given).id


@pytest.fixture
def user(team_id: int) -> Any:
    return person(team_id, "operator")


@pytest.fixture
def instance(team_id: int) -> str:
    return registered(team_id)


async def test_it_changes_an_instances_row_in_place(team_id: int, user: Any, instance: str):
    async with _open(user) as socket:
        assert (await socket.follow("service", {"name": "inventory"}))["type"] == "following"
        await socket.until(f"instance-{instance}", "Active")
        await sync_to_async(operations.drain)(team_id=team_id, instance_id=instance)
        await socket.until(f"instance-{instance}", "Draining")
        await socket.until("service-head", "0 of 1 can be called")
        assert socket.shown[f"instance-{instance}"].startswith(f'<tr id="instance-{instance}"')


async def test_it_shows_who_comes_and_who_goes(team_id: int, user: Any, instance: str):
    async with _open(user) as socket:
        await socket.follow("service", {"name": "inventory"})
        await socket.until("service-head", "1 of 1 can be called")
        second = await sync_to_async(registered)(team_id, address="http://127.0.0.1:9001", version=fakes.HOSTILE[:60])
        await socket.until(f"instance-{second}", "9001")
        assert "<script" not in socket.shown[f"instance-{second}"]
        await sync_to_async(operations.deregister)(team_id=team_id, instance_id=instance)
        orders: dict[str, Any] = {}
        while orders.get("instances-body") != [f"instance-{second}"]:
            orders = (await socket.hear()).get("orders", {})


async def test_it_shows_a_change_of_the_policy(team_id: int, user: Any, instance: str):
    async with _open(user) as socket:
        await socket.follow("service", {"name": "inventory"})
        await socket.until("service-head", "version 1")
        await sync_to_async(operations.update_policy)(team_id=team_id, name="inventory", changes={"timeout": "7m"})
        await socket.until("policy", "7m")
        await socket.until("service-head", "version 2")


async def test_it_shows_what_has_no_event_too(team_id: int, user: Any, instance: str):
    async with _open(user) as socket:
        await socket.follow("service", {"name": "inventory"})
        await socket.until("service-head", "closed")
        service = await Service.objects.aget(name="inventory")
        await CallingState.objects.acreate(service=service, number=1, state="open", until=1)
        await socket.until("service-head", "open, one call is due to try")


@pytest.mark.parametrize("view", ["service", "services"])
async def test_it_misses_nothing_between_the_page_and_the_socket(team_id: int, user: Any, instance: str, view: str):
    async with _open(user) as early, _open(user) as late:
        await early.follow(view, {"name": "inventory"}, seq=0)
        await early.until(_row(view, instance), "Active")
        await sync_to_async(operations.drain)(team_id=team_id, instance_id=instance)
        await early.until(_row(view, instance), "Draining")
        # A page that was rendered before, and whose socket opens only now.
        await late.follow(view, {"name": "inventory"}, seq=0)
        await late.until(_row(view, instance), "Draining")


def _row(view: str, instance: str) -> str:
    return f"instance-{instance}" if view == "service" else "service-inventory"


async def test_it_follows_no_service_that_is_not_the_teams(instance: str):
    stranger = await sync_to_async(lambda: person(create_team(slug="strangers").id, "stranger"))()
    async with _open(stranger) as socket:
        answer = await socket.follow("service", {"name": "inventory"})
        assert (answer["type"], answer["code"]) == ("refused", "not_found")
        for arguments in ({}, {"name": "nothing"}, {"name": ["x"]}):
            assert (await socket.follow("service", arguments))["type"] == "refused"


@pytest.mark.parametrize(
    ("changed", "dirty"),
    [
        ({(1, "mine")}, True),
        ({(1, "other")}, False),
        ({(2, "mine")}, False),
        (set(), False),
        (None, True),
    ],
)
def test_it_is_read_anew_when_its_own_service_changed(changed: set[tuple[int, str]] | None, dirty: bool):
    topic = ServicesTopic("key", team_id=1, name="mine", interval=1, read=lambda: Reading(()))
    topic.begin()
    topic.hear_services(None if changed is None else frozenset(changed))
    assert topic.dirty is dirty


def test_it_sends_a_row_only_when_something_is_to_be_seen_in_it(team_id: int, instance: str):
    now = clock.now()
    Instance.objects.update(registered_at=now - timedelta(hours=9))
    service = queries.get_service(team_id=team_id, name="inventory")
    marks = {instance: (HealthMark(now - timedelta(hours=5), "healthy", ""),)}
    pages = [service_page(service, marks, (), now=now + timedelta(seconds=seconds)) for seconds in (0, 2, 4)]
    assert pages[0].instances == pages[1].instances == pages[2].instances
    sick = replace(service.instances[0], health="unhealthy")
    changed = service_page(replace(service, instances=(sick,)), marks, (), now=now)
    assert changed.instances != pages[0].instances
