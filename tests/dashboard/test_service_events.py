"""The socket of those who follow services: who may open it, what it tells, and what it does when it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser

from dashboard.service_events import ServiceEventsConsumer
from orchestration.registry import events, operations, watching
from orchestration.teams import operations as teams
from tests.dashboard.conftest import person
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
HOST = b"podium.example:8000"
PATIENCE = 10


@pytest.fixture(autouse=True)
def _at_once(settings):
    settings.PODIUM = replace(settings.PODIUM, watch_interval_ms=20)


@asynccontextmanager
async def opened(
    query: str = "", *, user: Any = None, key: str | None = None, origin: bytes | None = None
) -> AsyncIterator[WebsocketCommunicator]:
    headers = [(b"host", HOST)]
    headers += [(b"origin", origin)] if origin else []
    headers += [(b"authorization", f"Bearer {key}".encode())] if key else []
    socket = WebsocketCommunicator(ServiceEventsConsumer.as_asgi(), f"/ws/services?{query}", headers=headers)
    socket.scope["user"] = user or AnonymousUser()
    socket.accepted, _ = await socket.connect(PATIENCE)  # type: ignore[attr-defined]
    try:
        yield socket
    finally:
        await socket.disconnect(timeout=PATIENCE)


async def hear(socket: WebsocketCommunicator) -> dict[str, Any]:
    """Return the next message, without beats."""
    while True:
        answer = await socket.receive_output(PATIENCE)
        if answer["type"] == "websocket.close":
            return {"type": "close", "code": answer["code"]}
        message: dict[str, Any] = orjson.loads(answer["text"])
        if message["type"] != "beat":
            return message


@sync_to_async
def register(team_id: int, **changes: Any) -> None:
    operations.register(**{"team_id": team_id, "name": "inventory", "address": "http://127.0.0.1:9000", **changes})


@pytest.fixture
def key(team_id: int) -> str:
    return teams.create_key(team_id=team_id, name="program")[1]


@pytest.fixture
def user(team_id: int) -> Any:
    return person(team_id, "operator")


async def test_a_program_hears_what_changes(team_id: int, key: str):
    await register(team_id)
    async with opened("after=0", key=key) as socket:
        first = await hear(socket)
        assert [each["type"] for each in first["items"]] == ["service.registered"]
        assert first["items"][0]["at"].endswith("Z")
        await register(team_id, name="stock")
        assert [each["service"] for each in (await hear(socket))["items"]] == ["stock"]


async def test_a_person_hears_from_a_page_of_this_site_only(team_id: int, user: Any):
    async with opened(user=user, origin=b"http://" + HOST) as socket:
        assert orjson.loads((await socket.receive_output(PATIENCE))["text"])["type"] == "beat"
        await register(team_id)
        assert (await hear(socket))["items"][0]["service"] == "inventory"
    for origin in (None, b"http://elsewhere.example"):
        async with opened(user=user, origin=origin) as socket:
            assert not socket.accepted


async def test_a_wrong_key_and_a_stranger_are_let_go(key: str):
    async with opened(key="podium_" + "x" * 40) as socket:
        assert await hear(socket) == {"type": "close", "code": 4401}
    async with opened(origin=b"http://" + HOST) as socket:
        assert await hear(socket) == {"type": "close", "code": 4401}


async def test_another_teams_changes_are_not_heard(team_id: int, key: str):
    other = await sync_to_async(teams.create_team)(slug="others")
    async with opened("after=0", key=key) as socket:
        await register(other.id)
        await register(team_id, name="mine")
        assert [each["service"] for each in (await hear(socket))["items"]] == ["mine"]


async def test_it_says_so_when_an_index_is_not_kept_any_more(team_id: int, key: str):
    for version in "123":
        await register(team_id, version=version)
    await sync_to_async(events.drop_old)(keep=1)
    async with opened("after=0", key=key) as socket:
        assert await hear(socket) == {"type": "gone", "index": 0, "latest": 3}
        assert (await hear(socket))["code"] == 4410


@pytest.mark.parametrize("query", ["after=-1", "after=x", "name=" + "x" * 81, "since=1"])
async def test_it_lets_go_of_who_asks_for_something_else(key: str, query: str):
    async with opened(query, key=key) as socket:
        assert await hear(socket) == {"type": "close", "code": 4400}


async def test_it_lets_go_of_who_has_something_to_say(key: str):
    async with opened(key=key) as socket:
        await socket.send_to(text_data="hello")
        assert (await hear(socket))["code"] == 4400


async def test_there_are_only_so_many_places(key: str, settings):
    settings.PODIUM = replace(settings.PODIUM, registry_watchers=1)
    async with opened(key=key):
        # Places are taken after a socket was accepted: the one that was accepted first need not be the first there.
        async with asyncio.timeout(PATIENCE):
            while watching.PLACES.taken == 0:
                await asyncio.sleep(0.01)
        async with opened(key=key) as second:
            assert (await hear(second))["code"] == 4429
    wait_for(lambda: watching.PLACES.taken == 0, what="all places to be given back")


async def test_whoever_may_no_longer_look_is_let_go(team_id: int, key: str, settings):
    settings.PODIUM = replace(settings.PODIUM, watch_seconds=0.01)
    async with opened(key=key) as socket:
        await socket.receive_output(PATIENCE)
        await sync_to_async(lambda: teams.revoke_key(team_id=team_id, key_id=teams_key(team_id)))()
        await register(team_id)
        while (heard := await hear(socket))["type"] == "events":
            await register(team_id, name="again")
        assert heard["code"] == 4401


def teams_key(team_id: int) -> int:
    from orchestration.teams.queries import list_keys

    return list_keys(team_id=team_id)[0].id
