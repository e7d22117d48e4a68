"""Executions in a list: rows, the strip of states above them, and what an empty list says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dashboard.presenters.emptiness import Emptiness
from dashboard.presenters.filters import ExecutionFilter
from dashboard.words.anchors import execution_anchor
from dashboard.words.states import ENDED, EXECUTION_STATES, Look, look
from dashboard.words.times import duration_words, elapsed_words, micros
from dashboard.words.values import error_sentence
from orchestration.engine.queries import ExecutionSummary

COUNT_CAP = 1_000


@dataclass(frozen=True, slots=True)
class ExecutionRow:
    """One execution in a list. `since` lets the page count on while it lasts."""

    anchor: str
    id: str
    short_id: str
    workflow: str
    name: str
    revision: int
    status: str
    look: Look
    steps: str
    done: str
    created_at: datetime
    took: str
    since: int | None
    error: str
    by: str
    seq: int


@dataclass(frozen=True, slots=True)
class StripItem:
    """One state in the strip: how many executions are in it, and the address that shows only these."""

    status: str
    look: Look | None
    word: str
    count: str
    query: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """The states above the list, each a filter."""

    items: tuple[StripItem, ...]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many executions arrived since the page was made, and the address that shows them."""

    count: int
    href: str

    @property
    def words(self) -> str:
        """Say how many there are."""
        return f"{self.count} new" if self.count < COUNT_CAP else f"{COUNT_CAP:,}+ new"


@dataclass(frozen=True, slots=True)
class ExecutionList:
    """The page of executions. `oldest` is the instant from which on an execution would stand on this page."""

    filter: ExecutionFilter
    strip: Strip
    rows: tuple[ExecutionRow, ...]
    workflows: tuple[tuple[str, str], ...]
    newer: str | None
    older: str | None
    oldest: int
    arrivals: Arrivals
    empty: Emptiness | None


def execution_row(summary: ExecutionSummary, *, now: int) -> ExecutionRow:
    """Return an execution as a row. `now` is an instant in microseconds."""
    started, ended = micros(summary.started_at), micros(summary.ended_at)
    took, since = "", None
    if started is not None and ended is not None:
        took = duration_words(ended - started)
    elif started is not None and summary.status not in ENDED:
        took, since = elapsed_words(now - started), started
    return ExecutionRow(
        anchor=execution_anchor(summary.id),
        id=summary.id,
        short_id=summary.id[-12:],
        workflow=summary.workflow,
        name=summary.workflow_name or summary.workflow,
        revision=summary.revision,
        status=summary.status,
        look=look("quarantined" if summary.quarantined else summary.status),
        steps=f"{summary.steps_done} of {summary.steps_total}",
        done=f"{100 * max(0.0, min(1.0, summary.progress)):.0f}%",
        created_at=summary.created_at,
        took=took,
        since=since,
        error=error_sentence(summary.error),
        by=summary.by,
        seq=summary.seq,
    )


def strip(counts: Mapping[str, int], chosen: ExecutionFilter) -> Strip:
    """Return the strip of states. Counts are capped by the query that made them."""
    total = sum(counts.values())
    items = [StripItem("", None, "All", _count(total), chosen.with_status(()).query, not chosen.status)]
    for status in EXECUTION_STATES:
        if not counts.get(status) and status not in chosen.status and status in {"compensating", "compensation_failed"}:
            continue
        picked = chosen.status == (status,)
        query = chosen.with_status(() if picked else (status,)).query
        shown = look(status)
        items.append(
            StripItem(status, shown, shown.word, _count(counts.get(status, 0)), query, status in chosen.status)
        )
    return Strip(tuple(items))


def _count(number: int) -> str:
    return f"{number:,}" if number < COUNT_CAP else f"{COUNT_CAP:,}+"


def emptiness(chosen: ExecutionFilter, *, any_workflow: bool, home: str, workflows: str) -> Emptiness:
    """Say why the list is empty: nothing fits the filter, nothing ran yet, or there is nothing to run."""
    if chosen.active:
        return Emptiness(
            "Nothing matches this filter",
            "Executions are there, but none in this state, of this workflow, in this time.",
            "Show all executions",
            home,
        )
    if any_workflow:
        return Emptiness(
            "No executions yet",
            "Each run of a workflow is an execution. It will stand here from the moment it is started.",
            "Start a workflow",
            workflows,
        )
    return Emptiness(
        "Nothing to run yet",
        "Executions are runs of workflows, and no workflow is saved. Save one with POST /api/v1/workflows.",
        "See workflows",
        workflows,
    )
