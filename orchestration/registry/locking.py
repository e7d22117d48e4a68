"""Taking many instances' rows: always in one order, so that two who take many never wait for each other.

Every transaction of the registry takes instances first, in the order of their ids, and the row that numbers events
(events.py) last. A bare UPDATE of many rows takes them in whatever order it finds them, so it has to take them first.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

from .models import Instance


def take(instance_ids: Iterable[object]) -> None:
    """Take these rows until the transaction ends. SQLite has no row locks: transactions come one after the other."""
    if connection.features.has_select_for_update:
        rows = Instance.objects.filter(pk__in=list(instance_ids)).order_by("pk")
        list(rows.select_for_update().values_list("pk"))
