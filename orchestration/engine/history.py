"""What was recorded of executions, read for models of it: starts, journals, definitions, and what is under way now.

Reads are bounded and portioned: a window of any length costs at most a million instants and `limit` journals, and no
more than a portion of them is in memory beside what is handed out. What is handed out holds no secret of the team.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson
from django.db.models import QuerySet

from orchestration.domain.errors import LimitExceeded, NotFound
from orchestration.domain.events import Event
from orchestration.engine.models import Execution, JournalEntry, Revision, Workflow
from orchestration.engine.veil import Veil, veil_of

MOST_STARTS = 1_000_000
"""Starts of one window whose instants are read; a longer window has to be cut."""

SAMPLE = 5_000
"""Executions whose journals are read, unless asked otherwise."""

BLOCKS = 10
"""A sample is so many rows of executions that follow one another, spread evenly: calls in a row show their load."""

MOST_OPEN = 2_000
"""Open executions that are read at once."""

PORTION = 200
DEMONSTRATION = "demo"
"""The correlation id of the demo's executions, which say nothing of any load."""

_COLUMNS = (
    "id",
    "workflow__slug",
    "revision__number",
    "status",
    "created_at",
    "started_at",
    "ended_at",
    "input",
    "depth",
    "parent_id",
    "parent_attempt",
)


@dataclass(frozen=True, slots=True)
class RecordedExecution:
    """One execution with its journal. Instants are microseconds; `started` and `ended` None: not yet.

    `parent` is the execution that started it ("": none), which waits for it under `parent_attempt` ("": it does not).
    """

    id: str
    workflow: str
    revision: int
    status: str
    created: int
    started: int | None
    ended: int | None
    input: Mapping[str, Any]
    input_size: int
    depth: int
    parent: str
    parent_attempt: str
    entries: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Starts:
    """When the executions of a window were started that nobody else started: ids and instants, the oldest first."""

    ids: tuple[str, ...]
    instants: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Open:
    """Executions that have not ended, the oldest first, and how many there are beside those."""

    executions: tuple[RecordedExecution, ...]
    left_out: int


def starts(*, team_id: int, workflow: str, since: int, until: int) -> Starts:
    """Return the starts from `since` until before `until` (microseconds); the demo's and quarantined ones left out.

    Raises NotFound for a workflow that the team does not have, LimitExceeded for more than a million.
    """
    if not Workflow.objects.filter(team_id=team_id, slug=workflow, latest__gt=0).exists():
        raise NotFound(f"there is no workflow {workflow[:63]!r}")
    rows = _started(team_id, workflow, since, until)
    found = list(rows.order_by("created_at", "id").values_list("id", "created_at")[: MOST_STARTS + 1])
    if len(found) > MOST_STARTS:
        raise LimitExceeded(f"{workflow} was started more than {MOST_STARTS} times in the window; choose a shorter one")
    return Starts(tuple(key for key, _ in found), tuple(at for _, at in found))


def ends(*, team_id: int, workflow: str, since: int, until: int) -> list[tuple[int, int, str]]:
    """Return start, end and status of the window's executions (see `starts`) that ended before `until`."""
    rows = _started(team_id, workflow, since, until).filter(ended_at__lt=until)
    found = rows.values_list("created_at", "ended_at", "status")[:MOST_STARTS]
    return [(created, ended, status) for created, ended, status in found if ended is not None]


def _started(team_id: int, workflow: str, since: int, until: int) -> QuerySet[Execution]:
    return Execution.objects.filter(
        team_id=team_id,
        workflow__slug=workflow,
        parent_id__isnull=True,
        quarantined=False,
        created_at__gte=since,
        created_at__lt=until,
    ).exclude(correlation_id=DEMONSTRATION)


def sample(ids: Sequence[str], limit: int = SAMPLE) -> tuple[str, ...]:
    """Return at most `limit` of `ids`: all of them, or blocks of neighbours spread evenly over them."""
    if len(ids) <= limit:
        return tuple(ids)
    size = max(1, limit // BLOCKS)
    firsts = [(len(ids) - size) * block // max(1, BLOCKS - 1) for block in range(BLOCKS)]
    places = sorted({place for first in firsts for place in range(first, first + size)})
    return tuple(ids[place] for place in places[:limit])


def recorded_executions(*, team_id: int, ids: Sequence[str]) -> Iterator[RecordedExecution]:
    """Yield the executions with these ids, and all that they started, with their journals."""
    veil = veil_of(team_id)
    for first in range(0, len(ids), PORTION):
        portion: Sequence[str] = ids[first : first + PORTION]
        while portion:
            yield from _with_journals(Execution.objects.filter(team_id=team_id, id__in=portion), veil)
            children = Execution.objects.filter(team_id=team_id, parent_id__in=portion)
            portion = list(children.order_by("id").values_list("id", flat=True))


def open_executions(*, team_id: int, workflows: Iterable[str], limit: int = MOST_OPEN) -> Open:
    """Return the executions of these workflows that have not ended: at most `limit`, and how many are left out."""
    rows = Execution.objects.filter(
        team_id=team_id, workflow__slug__in=list(workflows), ended_at__isnull=True, quarantined=False
    )
    ids = list(rows.order_by("created_at", "id").values_list("id", flat=True)[: limit + MOST_OPEN])
    found: list[RecordedExecution] = []
    veil = veil_of(team_id)
    for first in range(0, min(limit, len(ids)), PORTION):
        found += _with_journals(Execution.objects.filter(id__in=ids[first : min(first + PORTION, limit)]), veil)
    found.sort(key=lambda each: (each.created, each.id))
    return Open(tuple(found), max(0, len(ids) - limit))


def definitions(*, team_id: int, revisions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the definitions of revisions by (workflow, number); those that are not there are left out."""
    wanted = set(revisions)
    rows = Revision.objects.filter(
        workflow__team_id=team_id,
        workflow__slug__in={slug for slug, _ in wanted},
        number__in={number for _, number in wanted},
    )
    return {
        (slug, number): orjson.loads(text)
        for slug, number, text in rows.values_list("workflow__slug", "number", "document")
        if (slug, number) in wanted
    }


def latest_definitions(*, team_id: int, workflows: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the latest definitions of workflows by their slugs, those that are not there left out."""
    latest = Workflow.objects.filter(team_id=team_id, slug__in=list(workflows), latest__gt=0)
    found = definitions(team_id=team_id, revisions=latest.values_list("slug", "latest"))
    return {slug: document for (slug, _), document in found.items()}


def _with_journals(rows: QuerySet[Execution], veil: Veil) -> Iterator[RecordedExecution]:
    found = list(rows.values_list(*_COLUMNS))
    journals = _journals([row[0] for row in found], veil)
    for key, slug, revision, status, created, started, ended, text, depth, parent, attempt in found:
        yield RecordedExecution(
            id=key,
            workflow=slug,
            revision=revision,
            status=status,
            created=created,
            started=started,
            ended=ended,
            input=orjson.loads(veil.over(text)),
            input_size=len(text),
            depth=depth,
            parent=parent or "",
            parent_attempt=attempt,
            entries=journals.get(key, ()),
        )


def _journals(ids: Sequence[str], veil: Veil) -> dict[str, tuple[Event, ...]]:
    rows = JournalEntry.objects.filter(execution_id__in=ids).order_by("execution_id", "seq")
    entries = rows.values_list("execution_id", "seq", "type", "at", "step", "data").iterator(2000)
    return {
        key: tuple(Event(seq, kind, at, step, orjson.loads(veil.over(data))) for _, seq, kind, at, step, data in group)
        for key, group in groupby(entries, lambda row: row[0])
    }
