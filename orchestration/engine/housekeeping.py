"""Sweeping up: rows that nobody reads any more, deleted in small portions, as a task of the housekeeping queue."""

from __future__ import annotations

from django.db import close_old_connections
from django.db.models import Model, Q, QuerySet
from django_q.models import OrmQ

from orchestration import clock
from orchestration.engine.models import AWAKE, InboxItem, JournalBatch, Shift
from orchestration.engine.vacuuming import clear_dead_rows
from orchestration.registry import retention

KEEP_MICROSECONDS = 3600 * 1_000_000
PORTION = 1_000
PORTIONS = 50


def tidy() -> dict[str, int]:
    """Delete old rows of the feed, answers that nobody fetched and shifts that ended; return how many of each.

    Then clear away what the database keeps of rows that are no more; `vacuumed` tables.
    """
    close_old_connections()
    before = clock.now_us() - KEEP_MICROSECONDS
    deleted = {
        "batches": _delete(JournalBatch, JournalBatch.objects.filter(at__lt=before)),
        "answers": _delete(InboxItem, InboxItem.objects.filter(outcome__isnull=False, created_at__lt=before)),
        # Wake-ups that nobody takes any more: canaries of clusters that are gone.
        "wake_ups": _delete(OrmQ, OrmQ.objects.filter(lock__lt=clock.to_datetime(before))),
        "service_events": retention.drop_events(),
        "health_changes": retention.drop_health_changes(),
        "shifts": _delete(Shift, Shift.objects.filter(~Q(state=AWAKE), started_at__lt=before)),
    }
    return {**deleted, "vacuumed": len(clear_dead_rows())}


def _delete(model: type[Model], rows: QuerySet[Model]) -> int:
    """Delete rows from the oldest on, a portion a transaction, so that nobody waits for long."""
    deleted = 0
    for _ in range(PORTIONS):
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[:PORTION])
        if ids:
            deleted += model._default_manager.filter(pk__in=ids).delete()[0]
        if len(ids) < PORTION:
            break
    return deleted
