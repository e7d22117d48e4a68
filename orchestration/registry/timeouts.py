"""How long an attempt may take by the policies of a team's services: what a run decides with where a step is silent.

A run decides without waiting for anything, so it is given a mapping to look into. It is read once before a run is
made; whoever looks into one that is older than `keep_seconds` has it read again in the background, one read at a time.
So a change of a policy reaches a run that is under way with the first attempt that begins a little later, and while the
database does not answer, what was last known stands. The run journals what it took (domain/run/starting.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

import structlog
from django.db import Error as DatabaseError

from orchestration import clock

from .models import Service
from .policies import policy_of

log = structlog.get_logger(__name__)


def load_timeouts(team_id: int) -> dict[str, int]:
    """Return the timeouts (microseconds) of the team's services by name, of those whose policy has one."""
    rows = Service.objects.filter(team_id=team_id, policy__has_key="timeout").values_list("name", "policy")
    found = ((name, policy_of(document).timeout) for name, document in rows)
    return {name: timeout for name, timeout in found if timeout is not None}


class TeamTimeouts(Mapping[str, int]):
    """The timeouts of one team's services, microseconds by name. It belongs to one event loop."""

    def __init__(self, load: Callable[[], Awaitable[dict[str, int]]], *, keep_seconds: float) -> None:
        self._load = load
        self._keep_seconds = keep_seconds
        self._known: dict[str, int] = {}
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def fresh(self) -> TeamTimeouts:
        """Return this, read again if it is older than `keep_seconds`."""
        if self._is_old():
            # Whoever stops waiting leaves the reading to the others.
            await asyncio.shield(self._read())
        return self

    async def close(self) -> None:
        """End the read that is under way."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def __getitem__(self, service: str) -> int:
        if self._is_old():
            self._read()
        return self._known[service]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def _is_old(self) -> bool:
        return self._read_at is None or clock.monotonic() - self._read_at >= self._keep_seconds

    def _read(self) -> asyncio.Task[None]:
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._refresh())
        return self._reading

    async def _refresh(self) -> None:
        try:
            self._known = await self._load()
        except DatabaseError as error:
            log.warning("the timeouts of services cannot be read", error=type(error).__name__)
        finally:
            self._read_at = clock.monotonic()
            self._reading = None
