"""The rows of the probes: taking those that are due, and writing down how they are.

Taking moves `probe_at` in one short transaction, so that whoever takes at the same time gets others. A verdict is
written only where the health still is the one that it was judged from. What comes to the same is written in one
statement, however many instances it is; only a change of health costs a row of an instance's own, in its history, and
an event.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Q

from orchestration import clock
from orchestration.configuration.queries import whole
from orchestration.domain.calling.policy import Tls
from orchestration.domain.health import (
    HEALTHY,
    UNHEALTHY,
    Health,
    Thresholds,
    confirming_check,
    held,
    next_check,
    too_many_at_once,
)
from orchestration.domain.live_settings import HEALTH_CHECK_TIMEOUT, HEARTBEAT_INTERVAL

from . import duties, events, locking
from .models import HealthChange, Instance
from .policies import policy_of
from .queries import address_of

log = structlog.get_logger(__name__)

CLAIMED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Terms:
    """How a service's instances are probed: microseconds between two probes and for one, and what makes a change."""

    interval: int
    timeout: int
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Target:
    """An instance that is due: where it is asked, on which terms, and what is known of it."""

    id: str
    team_id: int
    service: str
    protocol: str
    host: str
    url: str
    health: Health
    terms: Terms
    team: str
    tls: Tls | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a probe came to: the health after it, and what was wrong, in a word (empty: nothing)."""

    target: Target
    health: Health
    detail: str
    at: datetime


def terms_of(policy: Mapping[str, Any]) -> Terms:
    """Return the terms of a service's policy as its row keeps it; the live settings hold where it is silent."""
    podium, probe, said = settings.PODIUM, policy_of(policy).probe, policy.get("probe") or {}
    interval = probe.interval if "interval" in said else whole(HEARTBEAT_INTERVAL)
    timeout = probe.timeout if "timeout" in said else whole(HEALTH_CHECK_TIMEOUT)
    rise = probe.rise if "rise" in said else podium.probe_rise
    fall = probe.fall if "fall" in said else podium.probe_fall
    return Terms(interval, min(timeout, interval), Thresholds(rise=rise, fall=fall))


def claim_due(now: datetime) -> list[Target]:
    """Take a batch of the instances that are due at `now` and set when they are due again; nobody else takes them."""
    with transaction.atomic():
        due = Instance.objects.filter(probe_at__lte=now).select_related("service__team").order_by("probe_at")
        # SQLite has no row locks: its transactions are IMMEDIATE, so that one claim waits for the other.
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, of=("self",))
        rows = list(due[:CLAIMED_AT_ONCE])
        targets = [_target(row) for row in rows]
        set_due(
            [
                (
                    row,
                    next_check(
                        now=clock.to_us(now),
                        interval=each.terms.interval,
                        chance=chance_of(row, now),
                        first=row.probed_at is None,
                    ),
                )
                for row, each in zip(rows, targets, strict=True)
            ]
        )
    return targets


def _target(row: Instance) -> Target:
    return Target(
        id=str(row.pk),
        team_id=row.service.team_id,
        service=row.service.name,
        protocol=row.protocol,
        host=row.host,
        url=f"{address_of(row).url}{row.health_path}",
        health=Health(row.health, row.health_row),
        terms=terms_of(row.service.policy),
        team=row.service.team.slug,
        tls=policy_of(row.service.policy).tls,
    )


def set_due(times: Sequence[tuple[Instance, int]]) -> None:
    """Write each row's next probe in one go: thousands a minute go through here."""
    if not times:
        return
    key, column = Instance._meta.pk, Instance._meta.get_field("probe_at")
    values = [
        (
            column.get_db_prep_value(clock.to_datetime(at), connection),
            key.get_db_prep_value(row.pk, connection),
        )
        for row, at in times
    ]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            ats, ids = ([value[place] for value in values] for place in (0, 1))
            cursor.execute(
                "UPDATE podium_instance AS row SET probe_at = due.at"
                " FROM unnest(%s::uuid[], %s::timestamptz[]) AS due(id, at) WHERE row.id = due.id",
                [ids, ats],
            )
        else:
            cursor.executemany("UPDATE podium_instance SET probe_at = %s WHERE id = %s", values)


def write_down(verdicts: Sequence[Verdict]) -> int:
    """Write the verdicts and return how many instances changed their health."""
    changes: list[events.Change] = []
    with transaction.atomic():
        locking.take(each.target.id for each in verdicts)
        for (before, after, detail), group in _groups(_held_back(verdicts)).items():
            changes += _write_group(before, after, detail, group)
        if changes:
            events.append(changes, now=max(each.at for each in verdicts))
    return len(changes)


def _groups(verdicts: Iterable[Verdict]) -> dict[tuple[Health, Health, str], list[Verdict]]:
    groups: dict[tuple[Health, Health, str], list[Verdict]] = defaultdict(list)
    for each in verdicts:
        groups[each.target.health, each.health, each.detail].append(each)
    return groups


def _held_back(verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    """Return the verdicts; while too much fails at once, without those that would make an instance unhealthy."""
    turning = [each for each in verdicts if _falls(each)]
    if not turning and not duties.distrusts(duties.PROBES):
        return verdicts
    now = max(each.at for each in verdicts)
    # What this batch has heard stands in no row yet.
    failing, asked = count_failing(
        now, besides=[each for each in verdicts if each.detail and each.target.health.row >= 0]
    )
    if not too_many_at_once(failing, asked, least=settings.PODIUM.probe_doubt_least):
        duties.trust(duties.PROBES)
        return verdicts
    detail = f"{failing} of the {asked} instances that were well fail their probes at once; none is marked unhealthy"
    duties.distrust(duties.PROBES, detail, now=now)
    return [
        replace(each, health=held(each.target.health, each.health, each.target.terms.thresholds))
        if _falls(each)
        else each
        for each in verdicts
    ]


def count_failing(now: datetime, *, besides: Sequence[Verdict] = ()) -> tuple[int, int]:
    """Return how many instances failed their last probe, and how many were asked, of those that were well lately.

    An instance that has been unhealthy for longer than two intervals is nothing new, one that was never well proves
    nothing, and neither counts.
    """
    lately = now - timedelta(seconds=2 * settings.PODIUM.probe_seconds)
    rows = Instance.objects.filter(probe_at__isnull=False, probed_at__isnull=False)
    rows = rows.filter(Q(health=HEALTHY) | Q(health=UNHEALTHY, health_changed_at__gt=lately))
    found = rows.aggregate(asked=Count("pk"), failing=Count("pk", filter=Q(health_row__lt=0)))
    return int(found["failing"]) + len(besides), int(found["asked"])


def _falls(verdict: Verdict) -> bool:
    return verdict.target.health.state == HEALTHY and verdict.health.state == UNHEALTHY


def _write_group(before: Health, after: Health, detail: str, group: list[Verdict]) -> list[events.Change]:
    """Write what is the same for all of `group`; return their changes, if it is one."""
    latest = max(each.at for each in group)
    rows = Instance.objects.filter(
        pk__in=[each.target.id for each in group], health=before.state, health_row=before.row, probe_at__isnull=False
    )
    fresh: dict[str, Any] = {
        "health": after.state,
        "health_row": after.row,
        "health_detail": detail,
        "probed_at": latest,
    }
    soon = confirming_check(after, now=clock.to_us(latest), interval=group[0].target.terms.interval)
    if soon is not None:
        fresh["probe_at"] = clock.to_datetime(soon)
    if after.state == before.state:
        rows.update(**fresh)
        return []
    changed = list(rows.select_related("service"))
    Instance.objects.filter(pk__in=[row.pk for row in changed]).update(**fresh, health_changed_at=latest)
    HealthChange.objects.bulk_create(
        [HealthChange(instance=row, at=latest, health=after.state, detail=detail) for row in changed]
    )
    return [_told(row, before, after, detail) for row in changed]


def _told(row: Instance, before: Health, after: Health, detail: str) -> events.Change:
    row.health, row.health_detail = after.state, detail
    log.info(
        "instance health changed",
        service=row.service.name,
        instance=str(row.pk),
        before=before.state,
        after=after.state,
        detail=detail,
    )
    return events.change_of(row, events.HEALTH_CHANGED, before=before.state)


def chance_of(row: Instance, now: datetime) -> float:
    """Return a number from 0 to 1 that differs from instance to instance and from check to check."""
    digest = hashlib.blake2b(f"{row.pk}{now.timestamp()}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 0xFFFFFFFF
