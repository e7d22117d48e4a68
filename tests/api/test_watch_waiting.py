"""Followers that wait, over the whole ASGI application: they hold a place, and neither a thread nor a connection."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator

from config.asgi import application
from orchestration.registry import operations, watching
from orchestration.registry.models import Instance
from orchestration.teams import operations as teams
from tests.waiting import wait_for_async

pytestmark = pytest.mark.django_db(transaction=True)

HERE = {"name": "inventory", "address": "http://127.0.0.1:8999"}


@pytest.fixture(autouse=True)
def _at_once(settings):
    settings.PODIUM = replace(settings.PODIUM, watch_interval_ms=20)


@sync_to_async
def new_key() -> str:
    return teams.create_key(team_id=teams.default_team().id, name="program")[1]


@sync_to_async
def register(**changes: Any) -> str:
    return operations.register(**{"team_id": teams.default_team().id, **HERE, **changes}).id


class Follower:
    """A request that is under way: its status, headers, and what has come of its body."""

    def __init__(self, key: str, query: str, accept: str = "application/json") -> None:
        headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {key}".encode()), (b"accept", accept.encode())]
        self.call = ApplicationCommunicator(
            application,
            {
                "type": "http", "http_version": "1.1", "method": "GET", "path": "/api/v1/services/watch",
                "raw_path": b"/api/v1/services/watch", "query_string": query.encode(), "headers": headers,
                "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http", "root_path": "",
            },
        )  # fmt: skip
        self.over = False

    async def begin(self) -> int:
        await self.call.send_input({"type": "http.request", "body": b"", "more_body": False})
        started = await self.call.receive_output(10)
        self.headers = dict(started["headers"])
        return int(started["status"])

    async def part(self) -> bytes:
        """Return the next part of the body that is not empty, or an empty one at its end."""
        while not self.over:
            message = await self.call.receive_output(10)
            self.over = not message.get("more_body", False)
            if message["body"]:
                return bytes(message["body"])
        return b""

    async def hang_up(self) -> None:
        await self.call.send_input({"type": "http.disconnect"})
        await self.call.wait(10)


async def places_taken(count: int) -> None:
    async def ask() -> bool:
        return watching.PLACES.taken == count

    await wait_for_async(ask, what=f"{count} places to be taken")


@pytest.fixture
async def key() -> str:
    return await new_key()


async def test_one_that_waits_is_answered_when_something_happens(key: str):
    follower = Follower(key, "wait=30s")
    assert await follower.begin() == 200
    await places_taken(1)
    instance = await register()

    body = json.loads(await follower.part())
    assert [(each["type"], each["instance_id"]) for each in body["items"]] == [("service.registered", instance)]
    assert await follower.part() == b""
    await places_taken(0)


async def test_one_that_waits_in_vain_is_told_where_to_go_on(key: str):
    await register()
    follower = Follower(key, "wait=0.1")
    assert await follower.begin() == 200
    assert json.loads(await follower.part()) == {"items": [], "index": 1}


async def test_one_that_waits_for_a_service_does_not_hear_of_others(key: str):
    follower = Follower(key, "wait=30s&name=stock")
    await follower.begin()
    await places_taken(1)
    await register()
    await register(name="stock")

    assert [each["service"] for each in json.loads(await follower.part())["items"]] == ["stock"]


async def test_a_stream_goes_on_until_its_caller_hangs_up(key: str):
    follower = Follower(key, "after=0", accept="text/event-stream")
    assert await follower.begin() == 200
    assert follower.headers[b"Content-Type"] == b"text/event-stream"
    for version in ("1", "2", "3"):
        instance = await register(version=version)
        seen = b""
        while instance.encode() not in seen or f'"version":"{version}"'.encode() not in seen:
            seen += await follower.part()
    await follower.hang_up()
    await places_taken(0)


async def test_a_stream_ends_so_that_its_caller_shows_the_key_again(key: str, settings):
    settings.PODIUM = replace(settings.PODIUM, watch_seconds=0.1)
    follower = Follower(key, "", accept="text/event-stream")
    await follower.begin()
    while await follower.part():
        pass
    await places_taken(0)


async def test_many_wait_on_no_thread_and_all_hear(key: str):
    before = threading.active_count()
    followers = [Follower(key, "wait=30s") for _ in range(40)]
    for each in followers:
        assert await each.begin() == 200
    await places_taken(40)
    assert threading.active_count() <= before + 5
    await register()

    answers = await asyncio.gather(*(each.part() for each in followers))
    assert len(set(answers)) == 1
    assert b"service.registered" in answers[0]
    await places_taken(0)


async def test_one_more_than_there_are_places_is_answered_at_once(key: str, settings):
    settings.PODIUM = replace(settings.PODIUM, registry_watchers=1)
    first = Follower(key, "wait=30s")
    await first.begin()
    await places_taken(1)
    second, third = Follower(key, "wait=30s"), Follower(key, "", accept="text/event-stream")

    assert await second.begin() == 200
    assert json.loads(await second.part())["items"] == []
    assert await third.begin() == 429
    assert b"registry_watchers" in await third.part()
    await first.hang_up()
    await places_taken(0)


async def test_others_of_the_same_loop_answer_meanwhile(key: str):
    waiting = Follower(key, "wait=30s")
    await waiting.begin()
    await places_taken(1)
    assert await Instance.objects.acount() == 0
    at_once = Follower(key, "after=0")
    assert await at_once.begin() == 200
    assert json.loads(await at_once.part()) == {"items": [], "index": 0}
    await waiting.hang_up()
    await places_taken(0)
