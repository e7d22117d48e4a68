"""Telling executions something: rows in their inboxes, and whoever holds or takes them hears it.

Filling an inbox and making its execution due is one transaction, so nothing that was told waits for ever; the ring
comes after the commit and may be lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from orchestration import clock
from orchestration.domain.facts import Fact
from orchestration.engine import inbox, queue, store_postgres_sql, store_sqlite_sql
from orchestration.engine.models import Execution, InboxItem


def tell(execution_id: str, fact: Fact, *, answered: bool = False, key: str | None = None) -> int:
    """Tell an execution something and return the row that says so; `answered`: it gets an outcome.

    Raises IntegrityError where the same `key` was told before.
    """
    kind, payload = inbox.dump_fact(fact)
    now = clock.now_us()
    with transaction.atomic():
        item = InboxItem.objects.create(
            execution_id=execution_id, kind=kind, key=key, payload=payload, answered=answered, created_at=now
        )
        _poke([execution_id])
        transaction.on_commit(queue.wake)
    return item.pk


def tell_all(ids: Sequence[str], fact: Fact) -> None:
    """Tell several executions the same."""
    if not ids:
        return
    kind, payload = inbox.dump_fact(fact)
    now = clock.now_us()
    with transaction.atomic():
        InboxItem.objects.bulk_create(
            [InboxItem(execution_id=each, kind=kind, payload=payload, created_at=now) for each in ids]
        )
        _poke(ids)
        transaction.on_commit(queue.wake)


def _poke(ids: Sequence[str]) -> None:
    """Make executions due because their inbox was filled (what is set aside stays so)."""
    Execution.objects.filter(id__in=ids, quarantined=False).order_by().update(wake_at=database_instant())


def database_instant() -> RawSQL:
    """Return the database's instant: what is due is due by its clock, however wrong this machine's may be."""
    return RawSQL(store_sqlite_sql.NOW if connection.vendor == "sqlite" else store_postgres_sql.NOW, ())
