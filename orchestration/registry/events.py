"""What changed in the registry, numbered: `service.registered`, `.deregistered`, `.health_changed`, `.updated`.

An event is appended in the transaction of its change, as the last thing in it: appending takes the one row that holds
the number, and whoever has it keeps all others waiting until the commit. So numbers become visible in their order, one
that was given back by a rollback is given again, and a reader who asks on from the last one it saw misses nothing.

Events are kept for followers that were away, the latest `registry_events_kept` of them. `dropped` says up to where they
are gone; a follower that asks from before that is told to read everything anew (IndexGone), as is one that is ahead of
the registry, which can only be after a backup was put back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from . import discovery
from .models import Instance, RegistryIndex, ServiceEvent
from .queries import latest_index

REGISTERED = "service.registered"
DEREGISTERED = "service.deregistered"
HEALTH_CHANGED = "service.health_changed"
UPDATED = "service.updated"
TYPES = (REGISTERED, DEREGISTERED, HEALTH_CHANGED, UPDATED)

# Told of changes of this process as they are written, before anybody sees them.
LISTENERS: list[Callable[[Sequence[Change]], None]] = []
THE_ROW = 1
PORTION = 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is to become an event: of a service, or of one of its instances."""

    type: str
    team_id: int
    service: str
    instance_id: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


def change_of(row: Instance, kind: str, **more: Any) -> Change:
    """Return the change `kind` of an instance, fetched with its service: how it is now, and what else is to be told."""
    return Change(
        type=kind,
        team_id=row.service.team_id,
        service=row.service.name,
        instance_id=str(row.pk),
        data={
            "url": str(row),
            "version": row.version,
            "tags": row.tags,
            "locality": row.locality,
            "status": row.status,
            "health": row.health,
            "health_detail": row.health_detail,
            **more,
        },
    )


def append(changes: Sequence[Change], *, now: datetime) -> int:
    """Write the changes (one at least) down and return the number of the last one.

    The transaction should end right after this. Raises RuntimeError outside one: a number that is visible before its
    change would be a lie.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("events are appended in the transaction of their change")
    latest = _numbers(len(changes))
    first = latest - len(changes) + 1
    ServiceEvent.objects.bulk_create(
        [
            ServiceEvent(
                index=first + at,
                team_id=each.team_id,
                type=each.type,
                service=each.service,
                instance_id=each.instance_id,
                at=now,
                data=each.data,
            )
            for at, each in enumerate(changes)
        ]
    )
    for listener in LISTENERS:
        listener(changes)
    transaction.on_commit(discovery.invalidate)
    return latest


def drop_old(*, keep: int) -> int:
    """Delete all but the last `keep` events, a portion a transaction, and return how many went."""
    bound = latest_index() - keep
    gone = 0
    while True:
        with transaction.atomic():
            rows = ServiceEvent.objects.filter(index__lte=bound).order_by("index")
            old = list(rows.values_list("pk", flat=True)[:PORTION])
            if not old:
                return gone
            # First said, then done: whoever is told of events finds them.
            RegistryIndex.objects.filter(pk=THE_ROW, dropped__lt=old[-1]).update(dropped=old[-1])
            gone += ServiceEvent.objects.filter(pk__in=old).delete()[0]


def _numbers(count: int) -> int:
    """Take `count` numbers and return the last; the row stays locked until the transaction ends."""
    row = RegistryIndex.objects.filter(pk=THE_ROW)
    if not row.update(latest=F("latest") + count):
        RegistryIndex.objects.bulk_create([RegistryIndex(id=THE_ROW)], ignore_conflicts=True)
        row.update(latest=F("latest") + count)
    return row.values_list("latest", flat=True).get()
