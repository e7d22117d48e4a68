"""The rows of a start, in plain SQL: starts come by the thousand, and compiling queries would be most of their cost.

On PostgreSQL a start is one statement in autocommit: a transaction of several would go to the server and back for each
of them, and that is what a start on an idle system consists of. For the same reason it is remembered which revision of
a workflow is the latest: the insert holds only as long as it is, and tells if another one was saved since.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

from django.db import connection, transaction

from orchestration.engine.models import Execution


class FoundRevision(NamedTuple):
    """The revision that an execution is started of; `remembered`: it may not be the latest any more."""

    id: int
    workflow_id: int
    number: int
    remembered: bool = False


_FIND = """
SELECT revision.id, workflow.id, revision.number
FROM podium_workflow AS workflow
JOIN podium_revision AS revision ON revision.workflow_id = workflow.id AND revision.number = {number}
WHERE workflow.team_id = %s AND workflow.slug = %s
"""
_LATEST, _GIVEN = _FIND.format(number="workflow.latest"), _FIND.format(number="%s")

_COLUMNS = tuple(field.column for field in Execution._meta.concrete_fields)
_NAMES = tuple(field.attname for field in Execution._meta.concrete_fields)
_INSERT = """
INSERT INTO podium_execution ({columns}) SELECT {values}
FROM podium_workflow AS workflow JOIN podium_revision AS revision ON revision.workflow_id = workflow.id
WHERE revision.id = %s AND revision.number = coalesce(%s, workflow.latest)
""".format(columns=", ".join(f'"{column}"' for column in _COLUMNS), values=", ".join(["%s"] * len(_COLUMNS)))
_FEED = "INSERT INTO podium_journalbatch (at, touched) VALUES (%s, %s)"
_INSERT_AND_FEED = f"""
WITH execution AS ({_INSERT} RETURNING 1) INSERT INTO podium_journalbatch (at, touched) SELECT %s, %s FROM execution
"""
_AWAKE_OF = "SELECT count(*) FROM podium_shift WHERE state = 'awake' AND boot = %s"
_AWAKE = "SELECT 1 FROM podium_shift WHERE state = 'awake' AND expires_at > %s LIMIT 1"


LATEST_KEPT = 4096
_latest: dict[tuple[str, int, str], FoundRevision] = {}


def find_revision(team_id: int, workflow: str, number: int | None) -> FoundRevision | None:
    """Return a revision of the team's workflow (None: the latest, afresh), or None where there is none."""
    with connection.cursor() as cursor:
        if number is None:
            cursor.execute(_LATEST, [team_id, workflow])
        else:
            cursor.execute(_GIVEN, [number, team_id, workflow])
        row = cursor.fetchone()
    found = None if row is None else FoundRevision(*row)
    if number is None and found is not None:
        if len(_latest) >= LATEST_KEPT:
            _latest.clear()
        _latest[_key(team_id, workflow)] = found._replace(remembered=True)
    return found


def remembered_revision(team_id: int, workflow: str) -> FoundRevision | None:
    """Return what was the latest revision when this process last saw it; `insert_execution` makes sure of it."""
    return _latest.get(_key(team_id, workflow))


def _key(team_id: int, workflow: str) -> tuple[str, int, str]:
    return str(connection.settings_dict["NAME"]), team_id, workflow


def insert_execution(execution: Execution, workflow: str, *, number: int | None) -> bool:
    """Insert the execution and tell the feed of it, both or neither.

    Return False, with nothing inserted, unless its revision has this `number`, or (None) is its workflow's latest.
    Raises IntegrityError for a key that is taken.
    """
    values: list[Any] = [getattr(execution, name) for name in _NAMES]
    values += [execution.revision_id, number]
    feed: list[Any] = [execution.created_at, f"{execution.id} 0 {execution.team_id} {workflow}"]
    in_one = connection.vendor == "postgresql"
    # What fails inside a transaction must not take that along.
    alone = in_one and not connection.in_atomic_block
    with nullcontext() if alone else transaction.atomic(), connection.cursor() as cursor:
        if in_one:
            cursor.execute(_INSERT_AND_FEED, values + feed)
            return bool(cursor.rowcount)
        cursor.execute(_INSERT, values)
        inserted = bool(cursor.rowcount)
        if inserted:
            cursor.execute(_FEED, feed)
        return inserted


def any_awake(now: int) -> bool:
    """Tell whether some shift is awake."""
    with connection.cursor() as cursor:
        cursor.execute(_AWAKE, [now])
        return cursor.fetchone() is not None


def count_awake(boot: str) -> int:
    """Return how many shifts of one run of a cluster are awake."""
    with connection.cursor() as cursor:
        cursor.execute(_AWAKE_OF, [boot])
        return int(cursor.fetchone()[0])
