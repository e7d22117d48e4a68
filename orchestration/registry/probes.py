"""Asking instances whether they are well: one `GET {base}{health_path}` each, when it is due.

A pass claims the instances that are due, a batch at a time (probe_rows.py), so that passes that overlap share the work;
what a pass claimed and did not get to is due again one interval later. It asks `probe_parallel` of them at once, and
`probe_per_host` of one host: what is due beyond that waits its turn, and holds nobody else up. Each probe has one
deadline for everything, over a connection of its own; verdicts are written in groups. 2xx is well; any other answer, a
redirect, silence and an address that may not be called are not. A `python` instance is well where the process that asks
has its service loaded.

When more than half of what was well fails at once, the fault is more likely ours: nothing turns unhealthy then, and the
registry says so (duties.py). A crash in the middle loses one probe of each claimed instance. The pass ends when nothing
is due or its time is up.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import aiohttp
import structlog
from aiohttp import ClientError, ClientTimeout, DummyCookieJar
from django.conf import settings
from django.db import connections
from yarl import URL

from orchestration import clock
from orchestration.domain.health import judge
from orchestration.domain.limits import MICROSECONDS

from . import expiry, probe_times
from .addresses import HTTPS, PYTHON, OutboundPolicy
from .local import is_local
from .models import Instance
from .probe_rows import CLAIMED_AT_ONCE, Target, Verdict, claim_due, write_down
from .resolving import ForbiddenAddress, checked_connector
from .tls import BY_DEFAULT, Secured, TlsContexts, TlsUnusable

log = structlog.get_logger(__name__)
T = TypeVar("T")

PASS_SECONDS = 20.0
WRITTEN_AT_ONCE = 500
# Targets that wait because their host has its share; with more than that nothing further is claimed.
HELD_MOST = 2 * CLAIMED_AT_ONCE
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "Podium-Health"}


@dataclass(frozen=True, slots=True)
class PassSummary:
    """What a pass did: instances asked, those that were well, and those whose health changed."""

    asked: int
    passed: int
    changed: int


def any_due(*, now: datetime) -> bool:
    """Say whether an instance is due, or silence is to be looked at, so that a pass is worth starting.

    What waits for longer than an interval that has become shorter meanwhile is moved into it first.
    """
    probe_times.keep_up(now=now)
    return Instance.objects.filter(probe_at__lte=now).exists() or expiry.is_due(now=now)


def run_due() -> dict[str, int]:
    """Look at who is silent, then make a pass in a loop of its own: the task of the housekeeping queue."""
    over = expiry.run_due(now=clock.now())
    done = asyncio.run(probe_due(clock.now()))
    return {"asked": done.asked, "passed": done.passed, "changed": done.changed, **over}


async def probe_due(now: datetime) -> PassSummary:
    """Ask every instance that is due at `now`, for about twenty seconds at most, and write down how they are."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="probes") as rows:
        try:
            return await _Pass(now, rows).run()
        finally:
            await asyncio.get_running_loop().run_in_executor(rows, connections.close_all)


class _Pass:
    """One pass over what is due. Its rows are read and written in one thread, its questions asked on the loop."""

    def __init__(self, now: datetime, rows: ThreadPoolExecutor) -> None:
        self._now = now
        self._rows = rows
        self._contexts = TlsContexts(settings.PODIUM.tls_folder)
        self._until = clock.monotonic() + PASS_SECONDS
        self._ready: deque[Target] = deque()
        self._held: dict[str, deque[Target]] = defaultdict(deque)
        self._at_host: dict[str, int] = defaultdict(int)
        self._verdicts: list[Verdict] = []
        self._claiming = asyncio.Lock()
        self._nothing_left = False
        self._asked = self._passed = self._changed = 0

    async def run(self) -> PassSummary:
        podium = settings.PODIUM
        async with aiohttp.ClientSession(
            connector=checked_connector(
                OutboundPolicy(podium.outbound_allow), per_address=0, total=podium.probe_parallel, keep=False
            ),
            cookie_jar=DummyCookieJar(),
            headers=HEADERS,
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
        ) as session:
            await asyncio.gather(*(self._ask_in_turn(session) for _ in range(podium.probe_parallel)))
        await self._write(1)
        return PassSummary(self._asked, self._passed, self._changed)

    async def _ask_in_turn(self, session: aiohttp.ClientSession) -> None:
        """Ask one after the other until there is nothing left, or nothing but hosts that others are asking."""
        while (target := await self._next_target()) is not None:
            following: Target | None = target
            while following is not None:
                await self._ask(session, following)
                following = self._next_of_host(following.host)

    async def _ask(self, session: aiohttp.ClientSession, target: Target) -> None:
        fault = await self._fault_of(session, target)
        health = judge(target.health, passed=not fault, thresholds=target.terms.thresholds)
        self._asked += 1
        self._passed += not fault
        self._verdicts.append(Verdict(target, health, fault, clock.now()))
        await self._write(WRITTEN_AT_ONCE)

    async def _fault_of(self, session: aiohttp.ClientSession, target: Target) -> str:
        tls = target.tls
        if tls is None or target.protocol == PYTHON:
            return await _fault_of(session, target, BY_DEFAULT)
        if target.protocol != HTTPS:
            return "tls_plain"
        try:
            context = await self._in_thread(lambda: self._contexts.context_for(target.team, tls))
        except TlsUnusable:
            return "tls_files"
        return await _fault_of(session, target, Secured(context, tls.server_name))

    async def _next_target(self) -> Target | None:
        """Return what is to be asked next, its host counted; None if that is for others to ask, or nothing is left."""
        while True:
            while self._ready:
                target = self._ready.popleft()
                if self._at_host[target.host] < settings.PODIUM.probe_per_host:
                    self._at_host[target.host] += 1
                    return target
                # Whoever asks this host goes on with these.
                self._held[target.host].append(target)
            async with self._claiming:
                if not self._ready and not await self._claim():
                    return None

    async def _claim(self) -> bool:
        if self._nothing_left or sum(map(len, self._held.values())) > HELD_MOST:
            return False
        self._ready.extend(await self._in_thread(lambda: claim_due(self._now)))
        self._nothing_left = not self._ready or clock.monotonic() > self._until
        return bool(self._ready)

    def _next_of_host(self, host: str) -> Target | None:
        """Return what waits for its turn at the host that was just asked; without any the host has room again."""
        waiting = self._held.get(host)
        if waiting and clock.monotonic() < self._until:
            return waiting.popleft()
        self._at_host[host] -= 1
        return None

    async def _write(self, least: int) -> None:
        if len(self._verdicts) >= least:
            verdicts, self._verdicts = self._verdicts, []
            self._changed += await self._in_thread(lambda: write_down(verdicts))

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._rows, function)


async def _fault_of(session: aiohttp.ClientSession, target: Target, secured: Secured) -> str:
    """Return what is wrong with the instance, as a word; an empty text if nothing is."""
    if target.protocol == PYTHON:
        return "" if is_local(team_id=target.team_id, name=target.service) else "not_loaded"
    try:
        async with asyncio.timeout(target.terms.timeout / MICROSECONDS):
            async with session.get(
                URL(target.url, encoded=True),
                allow_redirects=False,
                ssl=secured.context,
                server_hostname=secured.server_name,
            ) as response:
                return "" if 200 <= response.status < 300 else f"http_{response.status}"
    except TimeoutError:
        return "timeout"
    except (ClientError, OSError, ValueError) as error:
        return "denied" if isinstance(getattr(error, "os_error", error), ForbiddenAddress) else "connection"
