"""What a run has come to, as rows of the store: its entries, its step runs at their ends, its own row, its messages.

Everything is made into text at once: what a row says must not change any more when its run goes on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson

from orchestration.domain import events as e
from orchestration.domain.durations import format_duration
from orchestration.domain.events import Event
from orchestration.domain.facts import Fact
from orchestration.domain.run import Run
from orchestration.engine import inbox
from orchestration.engine.store import Claimed, EntryRow, RowChange, StepRow

ENDS = frozenset(
    {
        e.STEP_COMPLETED,
        e.STEP_FAILED,
        e.STEP_SKIPPED,
        e.STEP_CANCELLED,
        e.STEP_RESET,
        e.STEP_COMPENSATED,
        e.STEP_COMPENSATION_FAILED,
    }
)


def entry_row(execution_id: str, event: Event) -> EntryRow:
    """Return a journal entry's row."""
    return EntryRow(execution_id, event.seq, event.at, event.type, event.step, _text(event.data))


def ended_step(execution_id: str, run: Run, event: Event) -> StepRow | None:
    """Return the row of the step run that the entry ended, None for every other entry."""
    step = run.by_path.get(event.step) if event.type in ENDS else None
    if step is None:
        return None
    error = step.error["code"] if step.error else ""
    top = step.scope.container is None
    return StepRow(
        execution_id, step.path, top, step.type, step.status, step.attempts, step.started_at, step.ended_at, error
    )


def row_change(
    run: Run,
    row: Claimed,
    *,
    release: bool,
    wake_at: int | None = None,
    handed_over: bool = False,
    quarantined: bool = False,
) -> RowChange:
    """Return the execution's row as the run has it now."""
    return RowChange(
        row.id,
        row.epoch,
        run.status,
        None if run.output is None else _text(run.output),
        None if run.error is None else _text(run.error),
        run.seq,
        run.attempt,
        run.steps_done,
        run.started_at,
        run.ended_at,
        release,
        wake_at,
        handed_over,
        quarantined,
    )


def keyed(fact: Fact, key: str | None) -> tuple[str, str | None, str]:
    """Return kind, key and payload of a message."""
    kind, payload = inbox.dump_fact(fact)
    return kind, key, payload


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return format_duration(value // timedelta(microseconds=1))
    return dict(value)


def _text(value: Any) -> str:
    return orjson.dumps(value, default=_plain).decode()
