"""When instances are probed next, after the interval between two probes has changed.

Each probe sets when the next is due, by the interval of that moment. An interval that has become shorter would come to
hold only when that time is over, hours later perhaps; so whoever waits for longer than the new interval is moved into
it, spread over it by a hash. One that has become longer needs nothing: it holds from the next probe on.

A service's own interval is seen to where its policy is written. The live setting is compared by the supervisor in every
sweep with what it was in the one before, by a process that has just begun with whatever is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import QuerySet

from orchestration import clock
from orchestration.configuration.queries import whole
from orchestration.domain.health import SPREAD, spread_over
from orchestration.domain.live_settings import HEARTBEAT_INTERVAL

from . import locking
from .models import Instance
from .probe_rows import chance_of, set_due, terms_of

log = structlog.get_logger(__name__)

MOVED_AT_ONCE = 1_000
_gone_by: list[int] = []


def keep_up(*, now: datetime) -> int:
    """Move probes into the live interval if it has become shorter since the last call; return how many."""
    interval = whole(HEARTBEAT_INTERVAL)
    before = _gone_by[0] if _gone_by else None
    _gone_by[:] = [interval]
    if before is not None and interval >= before:
        return 0
    moved = pull_forward(Instance.objects.all(), now=now)
    if moved:
        log.info("probes moved into a shorter interval", instances=moved, interval=interval)
    return moved


def pull_forward(instances: QuerySet[Instance], *, now: datetime) -> int:
    """Move those of `instances` that wait for longer than their service's interval into it; return how many."""
    keys = list(instances.filter(probe_at__gt=now).order_by("pk").values_list("pk", flat=True))
    return sum(_move(keys[at : at + MOVED_AT_ONCE], now) for at in range(0, len(keys), MOVED_AT_ONCE))


def _move(keys: Sequence[UUID], now: datetime) -> int:
    begin, times = clock.to_us(now), []
    with transaction.atomic():
        locking.take(keys)
        for row in Instance.objects.filter(pk__in=keys, probe_at__isnull=False).select_related("service"):
            interval = terms_of(row.service.policy).interval
            if row.probe_at is not None and clock.to_us(row.probe_at) > begin + interval * (1 + SPREAD):
                times.append((row, spread_over(now=begin, interval=interval, chance=chance_of(row, now))))
        set_due(times)
    return len(times)
