"""The live feed's cursor: what changed since a position, one row per group commit."""

from __future__ import annotations

from django.db import connection

from orchestration import clock
from orchestration.engine.models import JournalBatch
from orchestration.engine.views import Change, Changes

# On PostgreSQL numbers are given out before their commits: a gap may still be filled. After this it will not be.
GAP_MICROSECONDS = 3_000_000


def changes_after(*, position: int | None, limit: int = 500) -> Changes:
    """Return what changed after `position`, each execution once with its latest `seq`; None: only where "now" is.

    `limit` bounds the commits that are read, not the executions. What is returned is complete up to its position.
    """
    if position is None:
        return Changes(JournalBatch.objects.order_by("-id").values_list("id", flat=True).first() or 0, ())
    rows = JournalBatch.objects.filter(id__gt=position).order_by("id").values_list("id", "at", "touched")[:limit]
    gaps_matter = connection.vendor != "sqlite"
    latest: dict[str, Change] = {}
    settled = clock.now_us() - GAP_MICROSECONDS
    for number, at, touched in rows:
        if gaps_matter and number != position + 1 and at > settled:
            break
        position = number
        for line in touched.splitlines():
            execution_id, seq, team_id, workflow = line.split(" ")
            change = Change(execution_id, int(team_id), workflow, int(seq))
            before = latest.get(execution_id)
            if before is None or before.seq <= change.seq:
                latest[execution_id] = change
    return Changes(position, tuple(latest.values()))
