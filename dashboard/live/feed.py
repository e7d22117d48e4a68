"""The feed: one task in each web process that asks what changed and has the topics read that it concerns.

True at all times: while a socket follows, the feed runs; without any it ends, and nothing is asked of the database.
Changes are hints (which execution, how far its journal is); what is shown is always read anew, so a hint that comes
twice or late does no harm, and none is lost: the feed asks on from its last position, whatever happened in between.
Pages about services go by the registry's events in the same way, by their index; it is asked only while there are such.
When the database does not answer, the sockets are told that what they show is old, and everything is read again once
it does. A topic whose reading fails stays dirty and is read again a little later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import structlog
from channels.db import DatabaseSyncToAsync
from django.conf import settings

from dashboard.live.following import Wish
from dashboard.live.topics import Follower, Services, ServicesTopic, Topic
from orchestration import clock
from orchestration.engine import queries
from orchestration.engine.queries import Changes
from orchestration.registry import queries as registry

T = TypeVar("T")
BATCH = 1_000
THREADS = 3
AGAIN_SECONDS = 1.0

log = structlog.get_logger(__name__)
_threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="podium-feed")


Runner = Callable[[Callable[[], Any]], Awaitable[Any]]


async def in_thread(function: Callable[[], T]) -> T:
    """Run what talks to the database in one of the feed's threads."""
    return await DatabaseSyncToAsync(function, thread_sensitive=False, executor=_threads)()


def _ask(position: int | None) -> Changes:
    return queries.changes_after(position=position, limit=BATCH)


def _ask_registry(index: int | None) -> tuple[int, Services | None]:
    """Return the registry's index and the services that changed since `index`, None where any may have."""
    if index is None:
        return registry.latest_index(), None
    found, latest = registry.events_of_all(index=index)
    # An index that went back belongs to a backup that was put back.
    return latest, None if latest < index else frozenset((team_id, event.service) for team_id, event in found)


class Feed:
    """The sockets of this process and what they follow."""

    def __init__(
        self,
        *,
        interval: float,
        changes: Callable[[int | None], Changes] | None = None,
        services: Callable[[int | None], tuple[int, Services | None]] = _ask_registry,
        patience: float = AGAIN_SECONDS,
        run: Runner = in_thread,
    ) -> None:
        self._interval = interval
        self._patience = patience
        self._call = run
        self._changes = changes or (_ask)
        self._services = services
        self._topics: dict[Any, Topic] = {}
        self._following: dict[Follower, Topic] = {}
        self._task: asyncio.Task[None] | None = None
        self._readings: set[asyncio.Task[None]] = set()
        self.fresh = True

    @property
    def running(self) -> bool:
        """Say whether the feed is at work."""
        return self._task is not None and not self._task.done()

    def follow(self, follower: Follower, wish: Wish) -> None:
        """Let a socket follow what it wishes, and nothing else from now on."""
        self.leave(follower)
        topic = self._topics.get(wish.key)
        if topic is None:
            topic = self._topics[wish.key] = wish.make()
        topic.join(follower, wish.have)
        self._following[follower] = topic
        if not self.running:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def leave(self, follower: Follower) -> None:
        """Let a socket follow nothing."""
        topic = self._following.pop(follower, None)
        if topic is None:
            return
        topic.leave(follower)
        if not topic.followers:
            self._topics.pop(topic.key, None)

    async def _run(self) -> None:
        position: int | None = None
        index: int | None = None
        while self._topics:
            try:
                found = await self._call(partial(self._changes, position))
                index = await self._hear_of_services(index)
                self._found()
                position = found.position
                self._spread(found)
            except Exception as error:
                self._lost(error)
                await asyncio.sleep(self._patience)
            else:
                await asyncio.sleep(self._interval)

    async def _hear_of_services(self, index: int | None) -> int | None:
        """Tell the pages about the registry what changed after `index`; return where to go on from."""
        if not any(isinstance(topic, ServicesTopic) for topic in self._topics.values()):
            # Whoever follows next reads its page when it joins.
            return None
        index, changed = await self._call(partial(self._services, index))
        for topic in self._topics.values():
            if isinstance(topic, ServicesTopic):
                topic.hear_services(changed)
        return index

    def _spread(self, found: Changes) -> None:
        now = clock.monotonic()
        for topic in list(self._topics.values()):
            topic.hear(found.items)
            if topic.due(now):
                self._start(topic)

    def _lost(self, error: Exception) -> None:
        if self.fresh:
            log.warning("the live feed cannot ask what changed", error=repr(error))
        self.fresh = False

    def _found(self) -> None:
        if not self.fresh:
            log.info("the live feed is back")
            for topic in self._topics.values():
                topic.dirty = True
        self.fresh = True

    def _start(self, topic: Topic) -> None:
        topic.busy = True
        task = asyncio.get_running_loop().create_task(self._read(topic))
        self._readings.add(task)
        task.add_done_callback(self._readings.discard)

    async def _read(self, topic: Topic) -> None:
        began = clock.monotonic()
        try:
            result = await self._call(topic.begin())
            topic.tell(result)
            topic.paced(began, clock.monotonic())
        except Exception:
            log.exception("a live page could not be read", topic=str(topic.key))
            topic.dirty = True
            topic.paced(began, clock.monotonic() + self._patience)
        finally:
            topic.busy = False


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = WeakKeyDictionary()


def feed() -> Feed:
    """Return the feed of this process (strictly: of the running loop)."""
    loop = asyncio.get_running_loop()
    found = _feeds.get(loop)
    if found is None:
        found = _feeds[loop] = Feed(interval=settings.PODIUM.feed_interval_ms / 1000)
    return found
