"""What is read of workflows and executions: rows for lists, the fold of the journal for one execution.

What another team owns is not found. Nothing here is locked, and nothing is counted without a bound.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.db.models import Count, QuerySet

from orchestration import clock
from orchestration.domain.errors import InputInvalid, NotFound, Problem
from orchestration.domain.lifecycle import ENDED_EXECUTION, ENDED_STEP_RUN, EXECUTION
from orchestration.engine import folding, models
from orchestration.engine.feed import changes_after
from orchestration.engine.views import (
    AttemptView,
    Change,
    Changes,
    ExecutionDetail,
    ExecutionSummary,
    JournalEntry,
    Page,
    RevisionSummary,
    StepView,
    WaitView,
    WorkflowDetail,
    WorkflowSummary,
)

__all__ = [
    "AttemptView",
    "Change",
    "Changes",
    "ExecutionDetail",
    "ExecutionSummary",
    "JournalEntry",
    "Page",
    "RevisionSummary",
    "StepView",
    "WaitView",
    "WorkflowDetail",
    "WorkflowSummary",
    "await_until_ended",
    "changes_after",
    "count_by_status",
    "get_execution",
    "get_workflow",
    "list_events",
    "list_executions",
    "list_secrets",
    "list_workflows",
    "wait_until_ended",
]

CHILDREN_SHOWN = 200
COUNTED = 1000
FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.1

_COLUMNS = (
    "id",
    "workflow__slug",
    "workflow__name",
    "revision__number",
    "status",
    "steps_done",
    "steps_total",
    "created_at",
    "started_at",
    "ended_at",
    "error",
    "by",
    "seq",
    "attempt",
    "parent_id",
    "priority",
    "quarantined",
)


# Workflows ------------------------------------------------------------------------------------------------------------


def list_workflows(*, team_id: int, limit: int = 100, cursor: str | None = None) -> Page[WorkflowSummary]:
    """Return the team's workflows by slug. The cursor is the last slug of the page before."""
    rows = models.Workflow.objects.filter(team_id=team_id, latest__gt=0).order_by("slug")
    if cursor is not None:
        rows = rows.filter(slug__gt=cursor)
    found = list(rows[: limit + 1])
    items = tuple(_workflow(row) for row in found[:limit])
    return Page(items, items[-1].id if len(found) > limit else None)


def _workflow(row: models.Workflow) -> WorkflowSummary:
    return WorkflowSummary(row.slug, row.name, row.description, row.version, row.latest, row.updated_at, row.step_count)


def get_workflow(*, team_id: int, workflow: str, revision: int | None = None) -> WorkflowDetail:
    """Return a workflow at its latest or the given revision. Raises NotFound."""
    row = models.Workflow.objects.filter(team_id=team_id, slug=workflow).first()
    if row is None:
        raise NotFound(f"there is no workflow {workflow[:63]!r}")
    number = row.latest if revision is None else revision
    document = row.revisions.filter(number=number).values_list("document", flat=True).first()
    if document is None:
        raise NotFound(f"workflow {workflow!r} has no revision {revision}")
    revisions = row.revisions.order_by("-number").values_list("number", "created_at", "created_by")[:1000]
    return WorkflowDetail(
        id=row.slug,
        name=row.name,
        description=row.description,
        version=row.version,
        revision=number,
        updated_at=row.updated_at,
        step_count=row.step_count,
        document=orjson.loads(document),
        revisions=tuple(RevisionSummary(*each) for each in revisions),
    )


# Executions -----------------------------------------------------------------------------------------------------------


def list_executions(
    *,
    team_id: int,
    ids: Sequence[str] | None = None,
    status: Sequence[str] = (),
    workflow: str | None = None,
    parent: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ExecutionSummary]:
    """Return the team's executions, the newest first; with `ids` only these.

    `since` and `until` bound the creation. Raises InputInvalid for a cursor that no page gave.
    """
    rows = models.Execution.objects.filter(team_id=team_id)
    if ids is not None:
        rows = rows.filter(id__in=list(ids))
    if status:
        rows = rows.filter(status__in=list(status))
    if workflow is not None:
        rows = rows.filter(workflow__slug=workflow)
    if parent is not None:
        rows = rows.filter(parent_id=parent)
    if since is not None:
        rows = rows.filter(created_at__gte=clock.to_us(since))
    if until is not None:
        rows = rows.filter(created_at__lt=clock.to_us(until))
    found = list(_before(rows, cursor).order_by("-created_at", "-id").values_list(*_COLUMNS)[: limit + 1])
    items = _summaries(found[:limit])
    more = len(found) > limit
    return Page(items, f"{found[limit - 1][7]}.{found[limit - 1][0]}" if more else None)


def _before(rows: QuerySet[models.Execution], cursor: str | None) -> QuerySet[models.Execution]:
    if cursor is None:
        return rows
    created, _, identity = cursor.partition(".")
    if not created.isascii() or not created.isdigit() or len(created) > 18:
        raise InputInvalid("That is no cursor.", [Problem("cursor", "cursor.unknown", "No page gave this cursor.")])
    at = int(created)
    # Said twice, so that the index on the first column bounds the scan.
    return rows.filter(created_at__lte=at).exclude(created_at=at, id__gte=identity)


def _summaries(rows: Iterable[tuple[Any, ...]]) -> tuple[ExecutionSummary, ...]:
    """Return rows as summaries. The progress of what has not ended is counted from its step rows."""
    rows = list(rows)
    alive = [row[0] for row in rows if row[4] not in ENDED_EXECUTION]
    done = _steps_done(alive) if alive else {}
    return tuple(_summary(row, done.get(row[0], row[5])) for row in rows)


def _steps_done(ids: list[str]) -> dict[str, int]:
    ended = models.StepRunRow.objects.filter(execution_id__in=ids, top=True, status__in=sorted(ENDED_STEP_RUN))
    return dict(ended.values_list("execution_id").annotate(count=Count("path")).order_by())


def _summary(row: tuple[Any, ...], steps_done: int) -> ExecutionSummary:
    (
        identity,
        slug,
        name,
        revision,
        status,
        _,
        total,
        created,
        started,
        ended,
        error,
        by,
        seq,
        attempt,
        parent,
        rank,
        quarantined,
    ) = row
    return ExecutionSummary(
        id=identity,
        workflow=slug,
        workflow_name=name,
        revision=revision,
        status=status,
        progress=min(1.0, steps_done / total) if total else 0.0,
        steps_done=steps_done,
        steps_total=total,
        created_at=clock.to_datetime(created),
        started_at=_instant(started),
        ended_at=_instant(ended),
        error=None if error is None else orjson.loads(error),
        by=by,
        seq=seq,
        attempt=attempt,
        parent_id=parent,
        priority=rank,
        quarantined=quarantined,
    )


def _instant(value: int | None) -> datetime | None:
    return None if value is None else clock.to_datetime(value)


def _get_summary(team_id: int, execution_id: str) -> ExecutionSummary:
    rows = models.Execution.objects.filter(id=execution_id, team_id=team_id).values_list(*_COLUMNS)
    found = _summaries(rows)
    if not found:
        raise NotFound(f"there is no execution {execution_id[:36]!r}")
    return found[0]


def get_execution(*, team_id: int, execution_id: str, steps_limit: int | None = None) -> ExecutionDetail:
    """Return an execution as its journal has it, with its first `steps_limit` step runs. Raises NotFound."""
    summary = _get_summary(team_id, execution_id)
    children = models.Execution.objects.filter(parent_id=execution_id, team_id=team_id)
    rows = children.order_by("created_at").values_list(*_COLUMNS)[:CHILDREN_SHOWN]
    # Read after the journal: a parent that is seen to have ended has seen its children's ends.
    return folding.detail(summary, lambda: _summaries(rows), steps_limit)


def list_events(*, team_id: int, execution_id: str, after: int = 0, limit: int = 500) -> tuple[JournalEntry, ...]:
    """Return the journal's entries after `after`, in order. Raises NotFound."""
    if not models.Execution.objects.filter(id=execution_id, team_id=team_id).exists():
        raise NotFound(f"there is no execution {execution_id[:36]!r}")
    rows = models.JournalEntry.objects.filter(execution_id=execution_id, seq__gt=after).order_by("seq")
    return tuple(
        JournalEntry(seq, kind, clock.to_datetime(at), step, orjson.loads(data))
        for seq, kind, at, step, data in rows.values_list("seq", "type", "at", "step", "data")[:limit]
    )


def _status(team_id: int, execution_id: str) -> str:
    row = models.Execution.objects.filter(id=execution_id, team_id=team_id).values_list("status", flat=True).first()
    if row is None:
        raise NotFound(f"there is no execution {execution_id[:36]!r}")
    return row


def wait_until_ended(*, team_id: int, execution_id: str, timeout: float) -> ExecutionSummary:
    """Wait until the execution has ended, `timeout` seconds at most, and return it as it is then. Raises NotFound."""
    until = clock.monotonic() + timeout
    pause, waiting = FIRST_PAUSE, threading.Event()
    while _status(team_id, execution_id) not in EXECUTION.last and (left := until - clock.monotonic()) > 0:
        waiting.wait(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return _get_summary(team_id, execution_id)


async def await_until_ended(*, team_id: int, execution_id: str, timeout: float) -> ExecutionSummary:
    """Do what wait_until_ended does, without holding a thread in between."""
    until = clock.monotonic() + timeout
    pause = FIRST_PAUSE
    ask = sync_to_async(_status, thread_sensitive=True)
    while await ask(team_id, execution_id) not in EXECUTION.last and (left := until - clock.monotonic()) > 0:
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return await sync_to_async(_get_summary)(team_id, execution_id)


def count_by_status(*, team_id: int) -> dict[str, int]:
    """Return how many of the team's executions are in each state, each count 1000 at most."""
    rows = models.Execution.objects.filter(team_id=team_id).order_by()
    return {status: len(rows.filter(status=status).values_list("pk", flat=True)[:COUNTED]) for status in models.STATES}


def list_secrets(*, team_id: int) -> tuple[str, ...]:
    """Return the names of the team's secrets; nothing gives out their values."""
    return tuple(models.Secret.objects.filter(team_id=team_id).order_by("name").values_list("name", flat=True))


def newest_shift() -> int:
    """Return a number that grows with every shift that begins, on whatever host."""
    return models.Shift.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
