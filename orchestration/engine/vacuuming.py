"""Clearing dead rows away on PostgreSQL, before they cost anything.

Work passes through a few tables as through a queue: every change of a row leaves a dead one at the very place in the
indexes where each look begins, and until they are cleared away each look passes over all of them. PostgreSQL's own
autovacuum waits for a fifth of the table by default, which is two hundred thousand beside a million executions that
ended long ago, and on some servers it is off. So housekeeping clears them as soon as `vacuum_dead_rows` have come
together. Nothing waits for it, and on SQLite, which has no dead rows, there is nothing to do.
"""

from __future__ import annotations

import structlog
from django.conf import settings
from django.db import connection

log = structlog.get_logger(__name__)

TABLES = ("podium_execution", "podium_inboxitem", "podium_journalbatch", "podium_listening", "podium_shift")
# A large table is read as a whole: dead rows in proportion are cheaper to pass over than to clear away.
SHARE = 0.02

_CROWDED = """
SELECT relname FROM pg_stat_user_tables
WHERE schemaname = current_schema() AND relname = ANY(%s) AND n_dead_tup > greatest(%s, n_live_tup * %s)
ORDER BY relname
"""


def clear_dead_rows() -> list[str]:
    """Vacuum the tables that have too many dead rows; return their names. Must not be called in a transaction."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(_CROWDED, [list(TABLES), settings.PODIUM.vacuum_dead_rows, SHARE])
        crowded = [row[0] for row in cursor.fetchall()]
        for table in crowded:
            cursor.execute(f"VACUUM (SKIP_LOCKED, TRUNCATE off, ANALYZE) {table}")
    if crowded:
        log.info("dead rows cleared away", tables=crowded)
    return crowded
