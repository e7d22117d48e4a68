"""Following the registry: whoever wants to know what changes waits here, and holds neither a thread nor a connection.

One task per event loop asks the database for news while somebody waits, every `watch_interval_ms`, one cheap read each
time; it ends when nobody does. What it found lately is kept in memory, so that a thousand who wait for the same news
cost one read. Who asks from further back is answered from the database. Nobody misses anything: each watcher goes by
the index that it has, and an index is only passed when everything up to it was looked through.

While the database does not answer, nobody hears anything; afterwards everybody hears everything.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from typing import TypeVar
from weakref import WeakKeyDictionary

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections

from orchestration import clock

from . import queries
from .queries import EventPage, EventView

log = structlog.get_logger(__name__)
T = TypeVar("T")

REMEMBERED = 5_000
AGAIN_SECONDS = 1.0

_reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="registry-watch")


class Places:
    """Places for watchers in this process, handed out as long as there are some."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.taken = 0

    def take(self) -> Callable[[], None] | None:
        """Take a place and return how to give it back (once counts), or None where all are taken."""
        with self._lock:
            if self.taken >= settings.PODIUM.registry_watchers:
                return None
            self.taken += 1
        given_back: list[bool] = []

        def give_back() -> None:
            with self._lock:
                if not given_back:
                    given_back.append(True)
                    self.taken -= 1

        return give_back


PLACES = Places()


class Watch:
    """What one event loop knows of the registry's latest events."""

    def __init__(self) -> None:
        self._lately: deque[tuple[int, EventView]] = deque(maxlen=REMEMBERED)
        self._from = self._index = 0
        self._waiting = 0
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def next_page(self, *, team_id: int, index: int, name: str | None = None, seconds: float) -> EventPage:
        """Return the team's events after `index` as soon as there are some; after `seconds` without any, none.

        The page's `index` is where to go on from. Raises IndexGone.
        """
        until = clock.monotonic() + seconds
        self._begin(index)
        try:
            while True:
                news = self._news
                page = await self._page(team_id, index, name)
                left = until - clock.monotonic()
                if page.items or left <= 0:
                    return page
                index = page.index
                try:
                    async with asyncio.timeout(left):
                        await news.wait()
                except TimeoutError:
                    return page
        finally:
            self._waiting -= 1

    def _begin(self, index: int) -> None:
        self._waiting += 1
        if self._task is None or self._task.done():
            self._lately.clear()
            self._from = self._index = index
            self._task = asyncio.get_running_loop().create_task(self._ask())

    async def _page(self, team_id: int, index: int, name: str | None) -> EventPage:
        if index < self._from or index > self._index:
            return await in_thread(lambda: queries.events_after(team_id=team_id, index=index, name=name))
        later = takewhile(lambda each: each[1].index > index, reversed(self._lately))
        found = [event for team, event in later if team == team_id and (name is None or event.service == name)]
        return EventPage(tuple(reversed(found)), self._index)

    async def _ask(self) -> None:
        """Ask for news while somebody waits."""
        while self._waiting:
            pause = settings.PODIUM.watch_interval_ms / 1000
            try:
                found, index = await in_thread(lambda: queries.events_of_all(index=self._index))
            except DatabaseError as error:
                log.warning("the registry's events cannot be read", error=type(error).__name__)
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if index != self._index:
                self._take_in(found, index)
            if not found:
                await asyncio.sleep(pause)

    def _take_in(self, found: tuple[tuple[int, EventView], ...], index: int) -> None:
        for each in found:
            if len(self._lately) == REMEMBERED:
                self._from = self._lately[0][1].index
            self._lately.append(each)
        if index < self._index:
            # A backup was put back: those who are ahead are told so by the database.
            self._lately.clear()
            self._from = index
        self._index = index
        self._news.set()
        self._news = asyncio.Event()


async def in_thread(function: Callable[[], T]) -> T:
    """Read in the one thread that there is for this, and give the connection back."""

    def call() -> T:
        try:
            return function()
        finally:
            connections.close_all()

    return await asyncio.get_running_loop().run_in_executor(_reader, call)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


def watch() -> Watch:
    """Return the running loop's watch."""
    loop = asyncio.get_running_loop()
    if loop not in _watches:
        _watches[loop] = Watch()
    return _watches[loop]
