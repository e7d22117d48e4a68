"""Processes that hold places of a shared limit and are killed, or stand still for longer than they may."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import OperationalError, connection, transaction

from orchestration.domain.calling.policy import SECOND
from orchestration.registry import operations, sharing
from orchestration.registry.client import Outcome, Postponed, Reply, ServiceCall, ServiceClient
from orchestration.registry.models import CallingState, PlaceLease
from orchestration.teams.operations import default_team
from tests.integration.engine.conftest import environment
from tests.waiting import wait_for, wait_for_async

from .servers import Service

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.needs_postgres]

ROOT = Path(__file__).parents[3]
LIMIT = 3
LEASE_SECONDS = 1.5
Call = Callable[[], "asyncio.Task[Outcome]"]


class Counting:
    """A service that holds its calls until it is let go, and counts those under way and begun by who makes them."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.under_way: Counter[str] = Counter()
        self.begun: Counter[str] = Counter()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        who = json.loads(await request.read())["by"]
        self.under_way[who] += 1
        self.begun[who] += 1
        try:
            await self.let.wait()
        finally:
            self.under_way[who] -= 1
        return web.json_response({})


class Holder:
    """The other process."""

    def __init__(self, team: int, folder: Path) -> None:
        self._said = folder / "said"
        environ = {**environment(folder), "PODIUM_CALLING_LEASE_SECONDS": str(LEASE_SECONDS)}
        command = [sys.executable, "-m", "tests.integration.registry.place_holder", str(team), str(2 * LIMIT)]
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=said, start_new_session=True)

    def send(self, what: signal.Signals) -> None:
        self._process.send_signal(what)

    def put_off(self) -> int:
        return self._said.read_text().count("concurrency_limit")

    def end(self) -> None:
        for what in (signal.SIGKILL, signal.SIGCONT):
            if self._process.poll() is None:
                os.kill(self._process.pid, what)
        self._process.wait(10)


@pytest.fixture
async def counting() -> AsyncIterator[Counting]:
    found = Counting()
    async with Service(found) as service:
        await sync_to_async(_register)(service.url)
        yield found
        found.let.set()


def _register(url: str) -> None:
    team = default_team().id
    operations.register(team_id=team, name="shared", address=url)
    operations.update_policy(team_id=team, name="shared", changes={"concurrency": {"limit": LIMIT}})


@pytest.fixture
def holder(counting: Counting, transactional_db: None, tmp_path: Path) -> Iterator[Holder]:
    found = Holder(default_team().id, tmp_path)
    yield found
    found.end()


@pytest.fixture
async def call(counting: Counting) -> AsyncIterator[Call]:
    """Return a function that begins a call of this process."""
    client = ServiceClient(podium=replace(settings.PODIUM, calling_lease_seconds=LEASE_SECONDS))
    team = await sync_to_async(default_team)()
    asked = ServiceCall(team_id=team.id, service="shared", method="work", input={"by": "me"}, timeout=60 * SECOND)
    yield lambda: asyncio.ensure_future(client.call(asked))
    await client.close()


def _lease_of_other() -> PlaceLease | None:
    return PlaceLease.objects.order_by("-places").first()


async def _answered_or_held(task: asyncio.Task[Outcome], counting: Counting, before: int) -> bool:
    """Wait until a call is put off or has come to the service; tell whether it has."""

    async def happened() -> bool:
        return task.done() or counting.begun["me"] > before

    await wait_for_async(happened, what="a call to go or to be put off")
    return not task.done()


def _assert_put_off(outcome: Outcome) -> None:
    assert isinstance(outcome, Postponed), outcome
    assert outcome.reason == "concurrency_limit"


async def _take_all_places(call: Call, counting: Counting) -> list[asyncio.Task[Outcome]]:
    """Call until as many calls of this process are under way as the limit has places."""
    held: list[asyncio.Task[Outcome]] = []

    async def all_held() -> bool:
        task = call()
        if await _answered_or_held(task, counting, len(held)):
            held.append(task)
        else:
            _assert_put_off(task.result())
        return len(held) == LIMIT

    await wait_for_async(all_held, what="all places", timeout=20)
    return held


async def _has_all_places(counting: Counting) -> bool:
    return counting.under_way["holder"] == LIMIT


async def test_it_has_the_places_of_a_killed_process_back_when_its_lease_is_over(holder, counting, call):
    await wait_for_async(lambda: _has_all_places(counting), what="the other process to hold all places", timeout=30)
    _assert_put_off(await call())

    holder.send(signal.SIGKILL)
    await sync_to_async(holder.end)()
    killed_at = await sync_to_async(sharing.database_now)()
    lease = await sync_to_async(_lease_of_other)()
    assert lease is not None
    assert lease.places == LIMIT
    assert lease.until <= killed_at + LEASE_SECONDS * SECOND, "it is held for longer than a lease"

    held = await _take_all_places(call, counting)
    assert await sync_to_async(sharing.database_now)() > lease.until, "its places were given away before"
    assert counting.under_way["me"] == LIMIT
    counting.let.set()
    assert all(isinstance(each, Reply) for each in await asyncio.gather(*held))


def _holds_no_row() -> bool:
    """Tell whether the stopped process stopped outside of its transactions."""
    try:
        with transaction.atomic():
            return len(CallingState.objects.select_for_update(nowait=True)) == 1
    except OperationalError:
        connection.close()
        return False


def _stop(holder: Holder) -> None:
    def stopped() -> bool:
        holder.send(signal.SIGSTOP)
        if _holds_no_row():
            return True
        holder.send(signal.SIGCONT)
        return False

    wait_for(stopped, what="it to be stopped where it holds no row")


async def test_it_begins_no_call_beyond_the_limit_after_it_stood_still_for_longer_than_its_lease(
    holder, counting, call
):
    await wait_for_async(lambda: _has_all_places(counting), what="the other process to hold all places", timeout=30)
    await sync_to_async(_stop)(holder)
    begun = counting.begun["holder"]

    held = await _take_all_places(call, counting)
    # What was under way when it stopped still is: all that may ever overlap, and no more than the limit.
    assert counting.under_way == {"me": LIMIT, "holder": LIMIT}

    put_off = holder.put_off()
    holder.send(signal.SIGCONT)

    async def asked_in_vain() -> bool:
        return holder.put_off() >= put_off + 5 * LIMIT

    await wait_for_async(asked_in_vain, what="it to ask for places in vain", timeout=20)
    assert counting.begun["holder"] == begun
    assert counting.under_way["me"] == LIMIT
    counting.let.set()
    assert all(isinstance(each, Reply) for each in await asyncio.gather(*held))

    async def goes_on() -> bool:
        return counting.begun["holder"] > begun

    await wait_for_async(goes_on, what="it to go on once places are free", timeout=20)
