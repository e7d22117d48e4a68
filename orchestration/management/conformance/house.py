"""What all scenarios of one real-time run share: threads for the database, the feed, and an eye on the machine.

In real time an expectation holds if nothing comes more than 20 ms late. On a busy machine that is not so; `Metronome`
measures how late things came, so that a scenario that fails can say whether the machine was fit for it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from django.db import connections

from orchestration.engine.feed import changes_after

T = TypeVar("T")

FEED_SECONDS = 0.02
CLOSE_SECONDS = 10.0


class House:
    """Threads that keep their database connections, and a bell per team that rings when an execution of it changed."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="conformance")
        self._bells: dict[int, asyncio.Event] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Follow the feed for as long as the block runs; close threads and connections at its end."""
        feed = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            feed.cancel()
            await asyncio.gather(feed, return_exceptions=True)
            await self._close()

    async def ask(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Do something that touches the database, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **kwargs))

    def bell(self, team_id: int) -> asyncio.Event:
        """Return what is set whenever something of the team was committed."""
        return self._bells.setdefault(team_id, asyncio.Event())

    async def _follow(self) -> None:
        position = (await self.ask(changes_after, position=None)).position
        while True:
            changes = await self.ask(changes_after, position=position)
            position = changes.position
            for team_id in {change.team_id for change in changes.items}:
                self.bell(team_id).set()
            await asyncio.sleep(FEED_SECONDS)

    async def _close(self) -> None:
        together = threading.Barrier(self._threads)

        def close() -> None:
            # Each thread takes one of these and waits for the others, so that none takes two.
            together.wait(CLOSE_SECONDS)
            connections.close_all()

        await asyncio.gather(*(self.ask(close) for _ in range(self._threads)))
        self._pool.shutdown()


class Metronome:
    """Beats every few milliseconds and remembers how late each beat came."""

    BEAT = 0.005
    KEPT = 20_000

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque(maxlen=self.KEPT)

    async def beat(self) -> None:
        """Go on beating until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(self.BEAT)
            now = loop.time()
            self._late.append((now, now - began - self.BEAT))

    def latest_since(self, began: float) -> float:
        """Return how late the latest beat since `began` came, in seconds; `began` is the loop's time."""
        return max((late for at, late in reversed(self._late) if at >= began), default=0.0)
