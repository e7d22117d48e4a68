"""What the processes that call a service hold together, in rows: its circuit, holds, and the shares of its limits.

Everything here blocks and belongs into a thread. Nothing here is asked for a call that is made: a process goes by what
it looked at less than a second ago, and asks for places and tokens in batches.

A share is a lease. Places whose holder does not renew them, because it was killed, are free again when the lease is
over; tokens are good for a moment and then lost. Both are given under the lock of the service's row, so that two
processes never get the same. What remains: a process that stood still for longer than its lease may have calls under
way for which it has no places any more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

from django.db import connection, transaction

from orchestration import clock
from orchestration.domain.calling.circuit import Verdict
from orchestration.domain.calling.policy import Rate
from orchestration.domain.calling.shares import Share, places_for, tokens_for

from .models import CallingState, PlaceLease, RegistryIndex, Service, ServiceEvent

_COLUMNS = tuple(each.name for each in fields(Verdict))
TOO_MANY_EVENTS = 10_000
IDLE_MILLISECONDS = 3_000
"""So long may whoever holds a service's row do nothing; then PostgreSQL ends its transaction and others go on.

Only a process that stands still (SIGSTOP, a machine that was paused) is idle in there for more than a moment. SQLite
cannot do this: there a process that stops within a transaction holds everybody up until it goes on.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a process asks for: `places` in all, of which `under_way` are in use, and `tokens` more."""

    places: int
    under_way: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Granted:
    """What it got: `places` in all, `tokens` more; `wait` is when there will be another token (microseconds)."""

    places: int = 0
    tokens: int = 0
    wait: int = 0


@dataclass(frozen=True, slots=True)
class Stand:
    """How a service stands with all processes: its circuit, and until when it is to be left alone (microseconds)."""

    verdict: Verdict
    held_until: int


@dataclass(frozen=True, slots=True)
class Look:
    """What is new: how far the registry's events had come, whose services changed (None: any may have), and stands."""

    index: int
    changed: frozenset[tuple[int, str]] | None
    stands: dict[int, Stand]


def look(since: int | None, services: Collection[int]) -> Look:
    """Return what changed after the event `since` (None: never looked), and how the `services` (row ids) stand."""
    latest, dropped = RegistryIndex.objects.values_list("latest", "dropped").first() or (0, 0)
    changed: frozenset[tuple[int, str]] | None = frozenset()
    if since is None or not dropped <= since <= latest or latest - since > TOO_MANY_EVENTS:
        changed = None if since != latest else frozenset()
    elif latest > since:
        events = ServiceEvent.objects.filter(index__gt=since).values_list("team_id", "service")
        changed = frozenset(events.distinct())
    rows = CallingState.objects.filter(service_id__in=services) if services else ()
    return Look(latest, changed, {row.service_id: Stand(_verdict(row), row.held_until) for row in rows})


def stand_of(service: int) -> Stand | None:
    """Return how the service stands, None where nothing was ever said."""
    row = CallingState.objects.filter(service_id=service).first()
    return None if row is None else Stand(_verdict(row), row.held_until)


def publish(service: int, verdict: Verdict) -> Verdict:
    """Make a verdict known to all processes and return the one that stands: another may have come first.

    Of a service that is gone nothing is told.
    """
    fresh = {name: getattr(verdict, name) for name in _COLUMNS}
    with transaction.atomic():
        row = _locked(service)
        if row is None or row.number < verdict.number:
            CallingState.objects.filter(service_id=service).update(**fresh)
            return verdict
        return _verdict(row)


def hold(service: int, until: int) -> None:
    """Let all processes leave the service alone until `until` (microseconds)."""
    with transaction.atomic():
        _locked(service)
        CallingState.objects.filter(service_id=service, held_until__lt=until).update(held_until=until)


def take(service: int, holder: str, asked: Asked, *, limit: int | None, rate: Rate | None, lease: int) -> Granted:
    """Return what `holder` gets of the service's limits now; its places are a lease of `lease` microseconds.

    `limit` None: there is no concurrency limit; `rate` None: there is no rate limit.
    """
    with transaction.atomic():
        row = _locked(service)
        if row is None:
            return Granted()
        now = database_now()
        places = _take_places(service, holder, asked, limit=limit, now=now, until=now + lease) if limit else 0
        if rate is None:
            return Granted(places)
        tokens, due_at, wait = tokens_for(asked.tokens, rate, due_at=row.due_at, now=now)
        if due_at != row.due_at:
            CallingState.objects.filter(service_id=service).update(due_at=due_at)
        return Granted(places, tokens, wait)


def give_back(holder: str, services: Collection[int]) -> None:
    """Give all places of `holder` back."""
    PlaceLease.objects.filter(service_id__in=services, holder=holder).delete()


def database_now() -> int:
    """Return the database's clock in microseconds: one clock for all hosts. SQLite is on this one."""
    if connection.vendor != "postgresql":
        return clock.now_us()
    with connection.cursor() as cursor:
        cursor.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        return int(cursor.fetchone()[0])


def _take_places(service: int, holder: str, asked: Asked, *, limit: int, now: int, until: int) -> int:
    leases = PlaceLease.objects.filter(service_id=service)
    leases.filter(until__lte=now).delete()
    shares = {of: Share(places, wanted) for of, places, wanted in leases.values_list("holder", "places", "wanted")}
    mine = shares.pop(holder, Share(0, 0))
    places = places_for(asked.places, held=mine.places, limit=limit, others=shares.values())
    # Calls under way keep the places that they have, though no others may follow them.
    PlaceLease.objects.update_or_create(
        service_id=service,
        holder=holder,
        defaults={"places": max(places, asked.under_way), "wanted": asked.places, "until": until},
    )
    return places


def _locked(service: int) -> CallingState | None:
    """Return the service's row, held until the transaction ends; None where the service is gone."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_MILLISECONDS}")
    rows = CallingState.objects.filter(service_id=service).select_for_update()
    row = rows.first()
    if row is None and Service.objects.filter(pk=service).exists():
        CallingState.objects.bulk_create([CallingState(service_id=service)], ignore_conflicts=True)
        row = rows.first()
    return row


def _verdict(row: CallingState) -> Verdict:
    return Verdict(row.number, row.state, row.until, row.openings, row.trial_until, row.recovered_at)
