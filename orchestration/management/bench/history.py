"""A past for the benchmark: executions that ended long ago, so that it shows what a full database costs.

Written by the database itself, from one finished execution that really ran, so that a million take minutes: its row,
its journal and its step runs are copied under other ids and instants.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection, transaction

from orchestration.management.bench.site import BenchFailed

PORTION = 20_000
SECOND = 1_000_000
MARK = "bench-past-"

# A column that is copied as it is, or what stands in its place; `n` is the copy's number, `past` its age.
_EXECUTION = {"id": "{id}", "root_id": "{id}", "created_at": "created_at - {past}", "started_at": "started_at - {past}",
              "ended_at": "ended_at - {past}", "idempotency_key": "NULL"}  # fmt: skip
_ENTRY = {"execution_id": "{id}", "at": "at - {past}"}
_STEP = {"execution_id": "{id}", "started_at": "started_at - {past}", "ended_at": "ended_at - {past}"}
_TABLES = (("podium_execution", "id", _EXECUTION), ("podium_journalentry", "execution_id", _ENTRY),
           ("podium_steprunrow", "execution_id", _STEP))  # fmt: skip


def fill(*, execution: str, count: int) -> Iterator[int]:
    """Make `count` copies of a finished execution, a second apart; yield how many there are after each portion.

    Copies of an earlier call count: what is missing is added. Raises BenchFailed if there is nothing to copy.
    """
    have = _copies()
    if not _exists(execution):
        raise BenchFailed(f"there is no execution {execution} to copy")
    while have < count:
        after = min(have + PORTION, count)
        with transaction.atomic(), connection.cursor() as cursor:
            for table, key, changed in _TABLES:
                cursor.execute(_statement(table, key, changed), [have + 1, after, execution])
        have = after
        yield have
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _exists(execution: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM podium_execution WHERE id = %s AND ended_at IS NOT NULL", [execution])
        return cursor.fetchone() is not None


def _copies() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM podium_execution WHERE id LIKE %s", [f"{MARK}%"])
        return int(cursor.fetchone()[0])


def _statement(table: str, key: str, changed: dict[str, str]) -> str:
    with connection.cursor() as cursor:
        columns = [column.name for column in connection.introspection.get_table_description(cursor, table)]
    name = f"'{MARK}' || numbers.n"
    words = {"id": name, "past": f"CAST(numbers.n AS bigint) * {SECOND}"}
    values = [changed[each].format(**words) if each in changed else f'source."{each}"' for each in columns]
    listed = ", ".join(f'"{each}"' for each in columns)
    return f"""
        WITH RECURSIVE numbers(n) AS (SELECT %s UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)
        INSERT INTO {table} ({listed})
        SELECT {", ".join(values)} FROM numbers CROSS JOIN {table} AS source WHERE source.{key} = %s
    """
