"""Finding a service: from what was read a moment ago, and read again where something changed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from django.db import OperationalError

from orchestration.domain.calling.policy import parse_policy
from orchestration.registry import discovery
from orchestration.registry.discovery import Discovery, Endpoint, Key, NothingToCall, Registered
from orchestration.registry.sharing import Look
from tests.waiting import wait_for_async

ONE = Endpoint("1", "http", "http://a", "active", "healthy")
TWO = replace(ONE, id="2", health="unknown")
SICK = replace(ONE, id="3", health="unhealthy")
DRAINING = replace(ONE, id="4", status="draining")
FOR_EVER = 1e9
KEY = Key(1, "s")


class Rows:
    """A store of instances whose reads can be held up and made to fail."""

    def __init__(self, *endpoints: Endpoint) -> None:
        self.endpoints: tuple[Endpoint, ...] | None = endpoints
        self.reads = 0
        self.broken = False
        self.open = asyncio.Event()
        self.open.set()

    async def load(self, key: Key) -> Registered | None:
        self.reads += 1
        found = None if self.endpoints is None else Registered(self.endpoints)
        await self.open.wait()
        if self.broken:
            raise OperationalError("the database is away")
        return found


async def found(finder: Discovery) -> list[str]:
    return [each.id for each in (await finder.find(KEY)).candidates]


async def test_it_finds_the_usable_and_keeps_them():
    rows = Rows(ONE, SICK, TWO, DRAINING)
    finder = Discovery(load=rows.load, keep_seconds=FOR_EVER)
    assert finder.at_hand(KEY) is None
    assert [await found(finder) for _ in range(3)] == [["1", "2"]] * 3
    assert finder.at_hand(KEY) is await finder.find(KEY)
    assert rows.reads == 1


async def test_it_finds_a_service_of_which_nothing_may_be_called():
    assert await found(Discovery(load=Rows(SICK, DRAINING).load, keep_seconds=FOR_EVER)) == []
    assert await found(Discovery(load=Rows().load, keep_seconds=FOR_EVER)) == []


async def test_it_says_that_a_service_is_unknown():
    rows = Rows()
    rows.endpoints = None
    with pytest.raises(NothingToCall) as nothing:
        await found(Discovery(load=rows.load, keep_seconds=FOR_EVER))
    assert nothing.value.code == "service_not_found"


async def test_it_finds_what_the_policy_selects_and_what_is_near():
    near, far, old = (
        replace(ONE, id="near", locality="here", version="2", tags=("blue",)),
        replace(ONE, id="far", locality="there", version="2", tags=("blue", "big")),
        replace(ONE, id="old", locality="here", version="1", tags=("blue",)),
    )

    async def ids(policy: dict, locality: str = "here") -> list[str]:
        async def load(_: Key) -> Registered:
            return Registered((near, far, old), parse_policy(policy))

        return await found(Discovery(load=load, keep_seconds=FOR_EVER, locality=locality))

    assert await ids({}) == ["near", "old"]
    assert await ids({}, "elsewhere") == ["near", "far", "old"]
    assert await ids({"locality": "ignore"}) == ["near", "far", "old"]
    assert await ids({"select": {"version": "2"}}) == ["near"]
    assert await ids({"select": {"tags": ["big"]}}) == ["far"]
    assert await ids({"select": {"version": "3"}}) == []


async def test_it_reads_again_when_something_registered():
    rows = Rows(ONE)
    finder = Discovery(load=rows.load, keep_seconds=FOR_EVER)
    await found(finder)
    rows.endpoints = (TWO,)
    assert await found(finder) == ["1"]
    discovery.invalidate()
    assert await found(finder) == ["2"]


async def test_it_does_not_keep_that_nothing_is_there():
    rows = Rows()
    finder = Discovery(load=rows.load, keep_seconds=FOR_EVER)
    assert await found(finder) == []
    rows.endpoints = (ONE,)
    assert await found(finder) == ["1"]


async def test_it_reads_once_for_all_that_wait():
    rows = Rows(ONE, TWO)
    rows.open.clear()
    finder = Discovery(load=rows.load, keep_seconds=FOR_EVER)
    waiting = [asyncio.create_task(found(finder)) for _ in range(10)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    rows.open.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    assert await asyncio.gather(*waiting[1:]) == [["1", "2"]] * 9
    assert rows.reads == 1


async def test_it_does_not_join_a_reading_that_may_have_missed_a_registration():
    rows = Rows()
    rows.endpoints = None
    rows.open.clear()
    finder = Discovery(load=rows.load, keep_seconds=FOR_EVER)
    early = asyncio.create_task(found(finder))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert rows.reads == 1
    rows.endpoints = (ONE,)
    late = asyncio.create_task(found(finder))
    await asyncio.sleep(0)
    rows.open.set()
    with pytest.raises(NothingToCall):
        await early
    assert await late == ["1"]


async def test_it_goes_by_the_last_known_while_the_database_is_away():
    rows = Rows(ONE)
    finder = Discovery(load=rows.load, keep_seconds=0)
    await found(finder)
    rows.broken = True
    assert [await found(finder) for _ in range(3)] == [["1"]] * 3
    rows.broken, rows.endpoints = False, (TWO,)
    assert await found(finder) == ["2"]


async def test_it_asks_for_a_retry_when_the_database_was_never_there():
    rows = Rows(ONE)
    rows.broken = True
    with pytest.raises(NothingToCall) as nothing:
        await found(Discovery(load=rows.load, keep_seconds=0))
    assert nothing.value.code == "no_healthy_instance"


class News:
    """What changed, told by number; asking can be made to fail."""

    def __init__(self) -> None:
        self.index = 1
        self.changed: frozenset[tuple[int, str]] | None = frozenset()
        self.asked: list[int | None] = []
        self.broken = False

    async def look(self, since: int | None) -> Look:
        self.asked.append(since)
        if self.broken:
            raise OperationalError("the database is away")
        return Look(self.index, self.changed, {})


async def test_it_asks_what_changed_instead_of_reading_again():
    rows, news = Rows(ONE), News()
    finder = Discovery(load=rows.load, keep_seconds=0, look=news.look)
    for _ in range(5):
        assert await found(finder) == ["1"]
    assert rows.reads == 1
    assert news.asked[:2] == [None, 1]


@pytest.mark.parametrize(("changed", "seen"), [({KEY}, "2"), (None, "2"), ({Key(2, "s"), Key(1, "t")}, "1")])
async def test_it_reads_again_what_was_said_to_have_changed(changed, seen: str):
    rows, news = Rows(ONE), News()
    finder = Discovery(load=rows.load, keep_seconds=0, look=news.look)
    await found(finder)
    rows.endpoints, news.changed, news.index = (TWO,), changed and frozenset(changed), 2
    await found(finder)
    assert await found(finder) == [seen]


async def test_it_serves_on_while_it_cannot_ask():
    rows, news = Rows(ONE), News()
    finder = Discovery(load=rows.load, keep_seconds=0, look=news.look)
    await found(finder)
    news.broken = True
    assert [await found(finder) for _ in range(3)] == [["1"]] * 3


async def test_it_waits_for_the_look_after_a_pause():
    rows, asked = Rows(ONE), asyncio.Event()

    async def look(_: int | None) -> Look:
        await asked.wait()
        return Look(1, frozenset(), {})

    finder = Discovery(load=rows.load, keep_seconds=0.01, look=look)
    await found(finder)

    async def stale() -> bool:
        return finder.at_hand(KEY) is None

    await wait_for_async(stale, what="a look to be due")
    first = asyncio.create_task(found(finder))
    await asyncio.sleep(0)
    asked.set()
    assert await first == ["1"]
    await finder.close()
