"""What is registered: services with their policies and instances, read once and kept until something changes.

Every `keep_seconds` one question tells which services changed meanwhile (`look`); only those are read again, and while
it is asked the last known serve on. After a pause it is waited for. What registers in this process is seen at once.
That a service is not there is never kept: whoever registers one and then calls it is not told that it is unknown. Rows
are read in a thread, one read at a time for one service however many wait for it; while the database does not answer,
the last known instances serve on.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

import structlog
from django.db import Error as DatabaseError

from orchestration import clock
from orchestration.domain.balancing import narrowed
from orchestration.domain.calling.policy import DEFAULT_POLICY, ServicePolicy

from .models import Instance, Service
from .policies import policy_of
from .queries import address_of
from .sharing import Look

log = structlog.get_logger(__name__)

KEPT_SERVICES = 10_000
PAUSE = 3
"""After so many `keep_seconds` without a look, calls wait for the next one."""

OLDEST_SECONDS = 60.0
"""After so long a service is read again whatever was said."""

_changes = itertools.count(1)
_index = [0]
_STALE = -1


class Key(NamedTuple):
    """Whose service, and which."""

    team_id: int
    service: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one instance is called, and what it is chosen by."""

    id: str
    protocol: str
    url: str
    status: str
    health: str
    tags: tuple[str, ...] = ()
    version: str = ""
    locality: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """A service as it stands in rows: its instances in a steady order, its policy, its row and its team's slug."""

    endpoints: tuple[Endpoint, ...]
    policy: ServicePolicy = DEFAULT_POLICY
    id: int = 0
    team: str = ""


class NothingToCall(Exception):
    """No instance can be called: `code` is `service_not_found` or `no_healthy_instance`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True)
class Known:
    """A service as this process knows it; `candidates` are those of its instances that may be called now."""

    registered: Registered
    candidates: tuple[Endpoint, ...]
    read_at: float
    index: int


Load = Callable[[Key], Awaitable["Registered | None"]]
LookAround = Callable[["int | None"], Awaitable[Look]]


def invalidate() -> None:
    """Put all that is kept in this process out of date: something registered, drained or went."""
    _index[0] = next(_changes)


def load_service(key: Key) -> Registered | None:
    """Return the service with all of its instances, None if nothing of that name was ever registered."""
    service = Service.objects.select_related("team").filter(team_id=key.team_id, name=key.service).first()
    if service is None:
        return None
    rows = Instance.objects.filter(service_id=service.pk).order_by("registered_at", "id")
    endpoints = tuple(
        Endpoint(
            str(row.pk),
            row.protocol,
            address_of(row).url,
            row.status,
            row.health,
            tuple(row.tags),
            row.version,
            row.locality,
        )
        for row in rows
    )
    return Registered(endpoints, policy_of(service.policy), service.pk, service.team.slug)


class Discovery:
    """The services that one event loop calls. `load` reads one, `look` says which changed; neither blocks the loop."""

    def __init__(self, *, load: Load, keep_seconds: float, look: LookAround | None = None, locality: str = "") -> None:
        self._load = load
        self._look = look
        self._locality = locality
        self._keep_seconds = keep_seconds
        self._known: dict[Key, Known] = {}
        self._reading: dict[Key, asyncio.Task[Known | None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = 0.0
        self._seen: int | None = None

    def at_hand(self, key: Key) -> Known | None:
        """Return the service if it is known and nothing has to be asked, else None."""
        known = self._known.get(key)
        if known is None or known.index != _index[0] or not known.candidates:
            return None
        return known if clock.monotonic() - self._since(known) < self._keep_seconds else None

    async def find(self, key: Key) -> Known:
        """Return the service. Raises NothingToCall where it is unknown or cannot be read."""
        known = self._known.get(key)
        if known is not None and known.index == _index[0]:
            await self._look_around()
        if known is None or known.index != _index[0] or self._must_read(known):
            known = await self._read(key)
        if known is None:
            raise NothingToCall("service_not_found", f"there is no service {key.service!r}")
        return known

    async def close(self) -> None:
        """End the look that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _since(self, known: Known) -> float:
        return known.read_at if self._look is None else max(self._looked_at, known.read_at)

    def _must_read(self, known: Known) -> bool:
        age = clock.monotonic() - known.read_at
        if self._look is None:
            return age >= self._keep_seconds or not known.candidates
        # Whoever has nothing to call hears of what registers elsewhere by the next look.
        return age >= OLDEST_SECONDS

    async def _look_around(self) -> None:
        if self._look is None or clock.monotonic() - self._looked_at < self._keep_seconds:
            return
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._take_a_look(self._look))
        if clock.monotonic() - self._looked_at >= PAUSE * self._keep_seconds:
            await asyncio.shield(self._looking)

    async def _take_a_look(self, look: LookAround) -> None:
        try:
            seen = await look(self._seen)
        except DatabaseError as error:
            log.warning("the registry cannot be read", error=type(error).__name__)
        else:
            for key in self._known if seen.changed is None else seen.changed:
                known = self._known.get(Key(*key))
                if known is not None:
                    known.index = _STALE
            self._seen = seen.index
        finally:
            self._looked_at = clock.monotonic()
            self._looking = None

    async def _read(self, key: Key) -> Known | None:
        underway = self._reading.get(key)
        if underway is not None:
            known = await asyncio.shield(underway)
            if known is not None and known.candidates:
                return known
            # It may have begun before something registered that this call is meant for; the next one has not.
            underway = self._reading.get(key)
        if underway is None:
            underway = asyncio.get_running_loop().create_task(self._refresh(key))
            self._reading[key] = underway
            underway.add_done_callback(lambda done: self._ended(key, done))
        # Whoever stops waiting leaves the reading to the others.
        return await asyncio.shield(underway)

    def _ended(self, key: Key, reading: asyncio.Task[Known | None]) -> None:
        if self._reading.get(key) is reading:
            del self._reading[key]
        if not reading.cancelled():
            # Asked for here too, in case that nobody waits any more.
            reading.exception()

    async def _refresh(self, key: Key) -> Known | None:
        before, index = self._known.get(key), _index[0]
        try:
            found = await self._load(key)
        except DatabaseError as error:
            log.warning("the registry cannot be read", service=key.service, error=type(error).__name__)
            if before is None:
                raise NothingToCall("no_healthy_instance", "the registry cannot be read") from error
            # Asked again soon, not with every call.
            before.index = index
            before.read_at = clock.monotonic()
            if self._look is not None:
                before.read_at -= OLDEST_SECONDS - self._keep_seconds
            return before
        if found is None:
            self._known.pop(key, None)
            return None
        if len(self._known) >= KEPT_SERVICES:
            self._known.clear()
        known = Known(found, self._candidates(found), clock.monotonic(), index)
        self._known[key] = known
        return known

    def _candidates(self, found: Registered) -> tuple[Endpoint, ...]:
        policy = found.policy
        locality = self._locality if policy.locality == "prefer" else ""
        return narrowed(found.endpoints, tags=policy.select.tags, version=policy.select.version, locality=locality)
