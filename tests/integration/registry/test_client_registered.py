"""Calls to what is registered in the database, from registration to answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections

from orchestration import clock
from orchestration.registry import discovery, operations, queries
from orchestration.registry.client import CallFailed, Outcome, Postponed, Reply, ServiceCall, ServiceClient
from orchestration.registry.local import register_local, unregister_local
from orchestration.registry.models import Instance, RegistryIndex, ServiceEvent
from orchestration.teams.operations import create_team, default_team

from .servers import Service, answer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def live() -> AsyncIterator[ServiceClient]:
    """Return a client that keeps what it has read for as long as the test runs."""
    client = ServiceClient(podium=replace(settings.PODIUM, discovery_seconds=600))
    yield client
    await client.close()


@pytest.fixture
def team(transactional_db) -> int:
    return default_team().id


@pytest.fixture
def other_team(transactional_db) -> int:
    return create_team(slug="other").id


@sync_to_async
def register(team: int, url: str, **changes) -> queries.InstanceView:
    return operations.register(**{"team_id": team, "name": "inventory", "address": url, **changes})


async def call(client: ServiceClient, team: int, service: str = "inventory") -> Outcome:
    return await client.call(ServiceCall(team_id=team, service=service, method="reserve", timeout=5_000_000))


async def code_of(client: ServiceClient, team: int, service: str = "inventory") -> str:
    outcome = await call(client, team, service)
    assert isinstance(outcome, CallFailed | Postponed), outcome
    return outcome.reason if isinstance(outcome, Postponed) else outcome.error.code


@sync_to_async
def change_elsewhere(team: int, instance_id: str, **changes: str) -> None:
    """Change an instance as another process does: an event tells of it, nothing is invalidated here."""
    Instance.objects.filter(pk=instance_id).update(**changes)
    index, _ = RegistryIndex.objects.get_or_create(pk=1)
    index.latest += 1
    index.save(update_fields=["latest"])
    ServiceEvent.objects.create(
        index=index.latest, team_id=team, type="service.updated", service="inventory", at=clock.now()
    )


async def test_it_calls_instances_in_turn(live, team: int):
    async with Service(answer({"of": 1})) as one, Service(answer({"of": 2})) as two:
        await register(team, one.url)
        await register(team, two.url)
        assert [await call(live, team) for _ in range(4)] == [Reply({"of": number}) for number in (1, 2, 1, 2)]


async def test_it_sees_a_registration_at_once(live, team: int):
    async with Service(answer({"of": 1})) as one, Service(answer({"of": 2})) as two:
        assert await code_of(live, team) == "service_not_found"
        view = await register(team, one.url)
        assert await call(live, team) == Reply({"of": 1})
        await register(team, two.url)
        assert {str(await call(live, team)) for _ in range(2)} == {str(Reply({"of": number})) for number in (1, 2)}
        await sync_to_async(operations.drain)(team_id=team, instance_id=view.id)
        assert [await call(live, team) for _ in range(3)] == [Reply({"of": 2})] * 3


async def test_it_does_not_call_what_is_unhealthy_or_gone(live, team: int):
    async with Service(answer({})) as service:
        view = await register(team, service.url)
        await change_elsewhere(team, view.id, health="unhealthy")
        discovery.invalidate()
        assert await code_of(live, team) == "no_healthy_instance"
        await change_elsewhere(team, view.id, health="healthy")
        discovery.invalidate()
        assert await call(live, team) == Reply({})
        await sync_to_async(operations.deregister)(team_id=team, instance_id=view.id)
        assert await code_of(live, team) == "no_healthy_instance"


async def test_it_keeps_two_teams_apart(live, team: int, other_team: int):
    async with Service(answer({"of": "one"})) as one, Service(answer({"of": "other"})) as other:
        await register(team, one.url)
        assert await code_of(live, other_team) == "service_not_found"
        await register(other_team, other.url)
        assert [await call(live, team) for _ in range(2)] == [Reply({"of": "one"})] * 2
        assert [await call(live, other_team) for _ in range(2)] == [Reply({"of": "other"})] * 2


async def test_it_goes_by_what_it_read_for_a_short_while_only(team: int):
    client = ServiceClient(podium=replace(settings.PODIUM, discovery_seconds=0.05))
    try:
        async with Service(answer({})) as service:
            view = await register(team, service.url)
            assert await call(client, team) == Reply({})
            await change_elsewhere(team, view.id, status="draining")
            until = clock.monotonic() + 5
            while isinstance(await call(client, team), Reply):
                assert clock.monotonic() < until
            assert await code_of(client, team) == "no_healthy_instance"
    finally:
        await client.close()


async def test_it_calls_a_registered_python_service_where_it_is_loaded(live, team: int, settings):
    settings.PODIUM = replace(settings.PODIUM, python_services=("demo",))
    await register(team, "python:demo", name="stock")
    assert await code_of(live, team, "stock") == "no_healthy_instance"
    register_local(team_id=None, name="stock", method="reserve", function=lambda input: {"here": True})
    try:
        assert await call(live, team, "stock") == Reply({"here": True})
    finally:
        unregister_local(team_id=None, name="stock")


def test_it_registers_an_address_once_however_many_do(team: int):
    start = threading.Barrier(8)

    def register_at_once(_: int) -> str:
        try:
            start.wait(10)
            return operations.register(team_id=team, name="inventory", address="http://127.0.0.1:9000").id
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(register_at_once, range(8)))
    assert len(ids) == 1
    assert Instance.objects.count() == 1


async def test_it_does_not_block_the_loop_while_it_reads(live, team: int):
    """The loop turns while a read waits in its thread."""
    reading = asyncio.create_task(call(live, team))
    turns = 0
    while not reading.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 1
    assert isinstance(reading.result(), CallFailed)
