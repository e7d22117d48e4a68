"""Recovery's pair: what must be true of the rows, asked from the other side.

Recovery itself has one door: a shift without a heartbeat (or a process, or its lock) is declared dead and its
executions are freed in one transaction (`store.bury`, called by every supervisor's pulse); whoever claims them folds
their journals and says what becomes of what was in flight (`Run.take_up`). Here is what may never be seen, even in the
middle of that.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from orchestration.domain.errors import OrchestrationError
from orchestration.domain.events import Event
from orchestration.domain.lifecycle import ENDED_EXECUTION
from orchestration.engine.folding import new_run
from orchestration.engine.models import AWAKE, Execution, InboxItem, JournalEntry, Shift

PORTION = 500


def check(*, executions: int | None = None) -> list[str]:
    """Return a sentence for everything that may not be, in the latest `executions` (None: all of them).

    It is meant for a database at rest: what is being changed at the moment of asking may be named too.
    """
    return [*_held_by_the_dead(), *_told_and_asleep(), *_crowded(), *_journals(executions)]


def _held_by_the_dead() -> Iterator[str]:
    held = Execution.objects.filter(shift_id__isnull=False).values_list("id", "shift_id")
    awake = set(Shift.objects.filter(state=AWAKE).values_list("id", flat=True))
    for execution_id, shift_id in held.iterator():
        if shift_id not in awake:
            yield f"execution {execution_id} is held by shift {shift_id}, which is not awake"


def _told_and_asleep() -> Iterator[str]:
    unheard = InboxItem.objects.filter(outcome__isnull=True).values_list("execution_id", flat=True).distinct()
    asleep = Execution.objects.filter(id__in=unheard, shift_id=None, wake_at=None, quarantined=False)
    for execution_id in asleep.values_list("id", flat=True):
        yield f"execution {execution_id} was told something and nothing will wake it"


def _crowded() -> Iterator[str]:
    ended_and_waiting = Execution.objects.filter(ended_at__isnull=False, shift_id=None, wake_at__isnull=False)
    for execution_id in ended_and_waiting.exclude(
        id__in=InboxItem.objects.filter(outcome__isnull=True).values("execution_id")
    ).values_list("id", flat=True):
        yield f"execution {execution_id} has ended, was told nothing, and is due"


def _journals(executions: int | None) -> Iterator[str]:
    rows = Execution.objects.order_by("-created_at", "-id").values_list("id", "status", "quarantined")
    chosen = rows.iterator(PORTION) if executions is None else iter(rows[:executions])
    for execution_id, status, quarantined in chosen:
        if not quarantined:
            yield from _journal(execution_id, status)


def _journal(execution_id: str, status: str) -> Iterator[str]:
    entries = JournalEntry.objects.filter(execution_id=execution_id).order_by("seq")
    run = new_run(execution_id)
    before: list[int] = [0]
    try:
        for seq, kind, at, step, data in entries.values_list("seq", "type", "at", "step", "data").iterator(2000):
            if seq != before[0] + 1:
                yield f"execution {execution_id}: entry {seq} follows entry {before[0]}"
                return
            before[0] = seq
            run.apply(Event(seq, kind, at, step, orjson.loads(data)))
    except OrchestrationError as error:
        yield f"execution {execution_id}: {error.message}"
        return
    if run.status != status:
        yield f"execution {execution_id} is {status} by its row and {run.status} by its journal"
    if status in ENDED_EXECUTION and run.in_flight:
        yield f"execution {execution_id} has ended with {run.in_flight} attempts in flight"


__all__ = ["check"]
