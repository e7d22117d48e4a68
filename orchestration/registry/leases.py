"""The places and tokens that one process holds of one service's limits, and the line of calls that wait for them.

A process asks for as much as it can use soon, renews its places while it has calls under way, and lets go of them when
it has none. Calls that find no place wait in line for a moment, first come first served: a place that becomes free goes
to the next in line without a question to the database, so that a limit is used to the full.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog
from django.db import Error as DatabaseError

from orchestration import clock
from orchestration.domain.calling.buckets import GrantedTokens
from orchestration.domain.calling.gate import Gate
from orchestration.domain.calling.policy import SECOND

from .sharing import Asked, Granted

log = structlog.get_logger(__name__)

RENEWALS = 3
"""How often places are renewed within the time for which they are held."""

SOONEST_SECONDS = 0.005
LATEST_SECONDS = 0.25
TOKENS_GOOD_FOR = SECOND // 4
BATCHES_A_SECOND = 10
"""A batch of tokens is at most what the rate allows in this part of a second."""

Take = Callable[[Asked], Awaitable[Granted]]


class Line:
    """Calls that wait for a place or a token, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, seconds: float, *, at_the_front: bool) -> bool:
        """Wait to be called forward, `seconds` at most; return whether one was."""
        turn = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if at_the_front else self._waiting.append)(turn)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except TimeoutError:
            return False
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
        return True

    def call_forward(self, count: int) -> None:
        """Let the next `count` come."""
        while count > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                count -= 1


class Lease:
    """What one process holds of one service's limits, for `seconds`. `take` asks for more, in a thread."""

    def __init__(self, gate: Gate, line: Line, take: Take, *, seconds: float) -> None:
        self._seconds = seconds
        self._gate = gate
        self._line = line
        self._take = take
        self._wanted = asyncio.Event()
        self._peak = 0
        self._batch = 1
        self._task: asyncio.Task[None] | None = None

    def want(self) -> None:
        """Ask for more soon: calls are waiting."""
        self._wanted.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._keep())

    async def end(self) -> None:
        """Ask for nothing any more. What is held is given back by whoever ends all leases."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        wait = 0
        while len(self._line) or self._gate.places.taken or self._gate.places.allowed:
            self._wanted.clear()
            asked_at = clock.now_us()
            try:
                granted = await self._take(self._ask())
            except DatabaseError as error:
                log.warning("limits cannot be shared", error=type(error).__name__)
                granted = None
            wait = self._give(granted, asked_at)
            await self._pause(wait)

    def _ask(self) -> Asked:
        places, waiting = self._gate.places, len(self._line)
        self._peak = max(self._peak // 2, places.taken)
        wanted = places.taken + waiting
        if waiting:
            # A little more than is needed now, so that not every further call has to ask.
            wanted += wanted // 2
        return Asked(max(wanted, self._peak), places.taken, self._tokens() if waiting else 0)

    def _tokens(self) -> int:
        rate = self._gate.policy.rate
        if rate is None:
            return 0
        most = max(1, round(rate.per_second / BATCHES_A_SECOND))
        self._batch = min(most, max(len(self._line), 2 * self._batch))
        return self._batch

    def _give(self, granted: Granted | None, asked_at: int) -> int:
        """Use what was granted; return when to ask again for those that still wait (microseconds)."""
        places, tokens = self._gate.places, self._gate.tokens
        if granted is not None and self._gate.policy.concurrency is not None:
            # Counted from the question: the database counts from when it heard it.
            places.allowed, places.until = granted.places, asked_at + round(self._seconds * SECOND)
        if granted is not None and isinstance(tokens, GrantedTokens) and granted.tokens:
            tokens.grant(granted.tokens, until=clock.now_us() + TOKENS_GOOD_FOR)
        self._line.call_forward(self._room(granted))
        return granted.wait if granted is not None else 0

    def _room(self, granted: Granted | None) -> int:
        if granted is None:
            return 0
        places = self._gate.places
        free = len(self._line) if places.allowed is None else places.allowed - places.taken
        return min(free, granted.tokens) if self._gate.policy.rate is not None else free

    async def _pause(self, wait: int) -> None:
        if len(self._line):
            seconds = min(max(wait / SECOND, SOONEST_SECONDS), LATEST_SECONDS)
            await asyncio.sleep(seconds if wait else LATEST_SECONDS / 5)
            return
        try:
            async with asyncio.timeout(self._seconds / RENEWALS):
                await self._wanted.wait()
        except TimeoutError:
            self._batch = max(1, self._batch // 2)
