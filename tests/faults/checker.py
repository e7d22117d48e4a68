"""What must be true after every fault, whatever it was: J1 to J10, as far as they concern what exists.

Called when the fault is over and everything has had its time. Each finding is a sentence; those that the demanded
outcome counts are counted: executions lost, ended twice, effects repeated. It reads everything twice: from the rows
and from the fold of the journals, from the journals and from what the recorder wrote down.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from orchestration import clock
from orchestration.domain import events as e
from orchestration.domain.events import Event
from orchestration.domain.invariants import check_journal, check_state
from orchestration.domain.lifecycle import EXECUTION
from orchestration.engine.folding import new_run
from orchestration.engine.models import Execution, InboxItem, JournalEntry, Shift, StepRunRow
from orchestration.engine.recovery import check
from tests.faults.outside import Call
from tests.faults.site import Site

ENDS = frozenset({e.WORKFLOW_COMPLETED, e.WORKFLOW_FAILED, e.WORKFLOW_CANCELLED, e.WORKFLOW_COMPENSATION_FAILED})
DONE = frozenset({e.STEP_COMPLETED, e.STEP_COMPENSATED})


@dataclass
class Findings:
    """What is wrong, and how often what may never be was."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def all(self) -> list[str]:
        """Return every sentence."""
        return [*self.lost, *self.twice, *self.repeated, *self.broken]


def examine(site: Site) -> Findings:
    """Check everything about a site at rest."""
    found = Findings()
    _acknowledged(site, found)
    journals = _journals()
    calls = defaultdict(list)
    for each in site.outside.calls():
        calls[each.execution].append(each)
    for row in Execution.objects.iterator(1000):
        _execution(row, journals.get(row.id, []), found)
        _calls(row.id, journals.get(row.id, []), calls.pop(row.id, []), found)
    found.broken += [f"J4 calls for {each}, which does not exist" for each in calls if each]
    found.broken += [f"J2 entries of {each}, which does not exist" for each in journals.keys() - _ids()]
    found.broken += [f"J3 {sentence}" for sentence in check()]
    found.broken += _left_over()
    return found


def _ids() -> set[str]:
    return set(Execution.objects.values_list("id", flat=True))


def _journals() -> dict[str, list[Event]]:
    journals: dict[str, list[Event]] = defaultdict(list)
    rows = JournalEntry.objects.order_by("execution_id", "seq").values_list(
        "execution_id", "seq", "type", "at", "step", "data"
    )
    for execution, seq, kind, at, step, data in rows.iterator(5000):
        journals[execution].append(Event(seq, kind, at, step, orjson.loads(data)))
    return journals


def _acknowledged(site: Site, found: Findings) -> None:
    """J1: what was acknowledged is there, and came to its end."""
    rows = {each.id: each for each in Execution.objects.only("id", "status", "ended_at", "quarantined").iterator()}
    for execution, expected in site.acknowledged.items():
        row = rows.get(execution)
        if row is None:
            found.lost.append(f"J1 {execution} was acknowledged and is not there")
        elif expected == "quarantined":
            if not row.quarantined:
                found.broken.append(f"{execution} is {row.status} and not quarantined")
        elif row.status not in EXECUTION.last:
            found.lost.append(f"J1 {execution} is {row.status}{', quarantined' if row.quarantined else ''}")
        elif expected and row.status != expected:
            found.broken.append(f"{execution} is {row.status}, not {expected}")


def _execution(row: Execution, journal: list[Event], found: Findings) -> None:
    """J2, J3, J6, J8 of one execution."""
    if any(journal[n].seq != n + 1 for n in range(len(journal))):
        found.broken.append(f"J2 {row.id}: its journal has gaps")
        return
    retried = sum(event.type == e.WORKFLOW_RETRIED for event in journal)
    ends = sum(event.type in ENDS for event in journal)
    if ends > retried + 1:
        found.twice.append(f"J2 {row.id} ended {ends} times")
    found.broken += [f"J2 {row.id}: {sentence}" for sentence in check_journal(journal)]
    run = new_run(row.id)
    for event in journal:
        run.apply(event)
    found.broken += [f"J3 {row.id}: {sentence}" for sentence in check_state(run)]
    if row.status in EXECUTION.last and not row.quarantined:
        found.broken += [f"J3 {row.id}: {sentence}" for sentence in _row_is_the_fold(row, run, journal)]
    found.broken += [f"J6 {row.id}: {sentence}" for sentence in _undone(journal)]
    found.broken += [f"J8 {row.id}: {sentence}" for sentence in _timers(journal)]


def _row_is_the_fold(row: Execution, run: Any, journal: list[Event]) -> Iterator[str]:
    if row.status != run.status:
        yield f"{row.status} by its row and {run.status} by its journal"
    if row.seq != len(journal):
        yield f"{row.seq} entries by its row and {len(journal)} in its journal"
    if (row.output is None) != (run.output is None):
        yield "its output differs between row and journal"
    if row.ended_at != run.ended_at:
        yield "its end differs between row and journal"
    for path, status in StepRunRow.objects.filter(execution_id=row.id).values_list("path", "status"):
        step = run.by_path.get(path)
        if step is None or step.status != status:
            yield f"step {path} is {status} by its row and {step and step.status} by its journal"


def _undone(journal: list[Event]) -> Iterator[str]:
    started = {event.step for event in journal if event.type == e.STEP_STARTED}
    undone = Counter(event.step for event in journal if event.type == e.STEP_COMPENSATED)
    for step, times in undone.items():
        if step not in started:
            yield f"{step} was undone and never started"
        if times > 1:
            yield f"{step} was undone {times} times"


def _timers(journal: list[Event]) -> Iterator[str]:
    """Say which timers ended before they were due. (That each fires once is J2: a step ends once.)"""
    due: dict[str, int] = {}
    for event in journal:
        if event.type == e.STEP_WAITING and set(event.data) == {"until"}:
            due[event.step] = event.data["until"]
        elif event.type == e.STEP_COMPLETED and event.at < due.get(event.step, 0):
            yield f"timer {event.step} fired {due[event.step] - event.at} microseconds early"


def _calls(execution: str, journal: list[Event], calls: list[Call], found: Findings) -> None:
    """J4: one key per step, one applied effect per key, none called again once its result was written."""
    by_step: dict[str, list[Call]] = defaultdict(list)
    for each in calls:
        by_step[each.step].append(each)
    done = {event.step: event.at for event in journal if event.type == e.STEP_COMPLETED}
    retried = any(event.type in (e.WORKFLOW_RETRIED, e.STEP_RESET) for event in journal)
    for step, made in by_step.items():
        keys = {each.key for each in made}
        applied = sum(each.applied for each in made)
        if len(keys) > 1 and not retried:
            found.repeated.append(f"J4 {execution}: {step} was called under {len(keys)} keys")
        if applied > len(keys):
            found.repeated.append(f"J4 {execution}: {step} was applied {applied} times")
        if step in done:
            if not applied and not retried:
                found.broken.append(f"J4 {execution}: {step} completed and was never applied")
            late = [each for each in made if each.at > done[step] + SKEW and not each.stale]
            if late and not retried:
                found.repeated.append(f"J4 {execution}: {step} was called again after its result was written")
    for step in done:
        if step in CALLED and step not in by_step:
            found.broken.append(f"J4 {execution}: {step} completed and was never called")


# Between the answer's way to the shift and the entry's instant; clocks are those of one machine.
SKEW = 500_000
CALLED = frozenset({f"s{n}" for n in range(64)} | {"a", "b", "c", "x", "pay", "ship"})


def _left_over() -> Iterator[str]:
    """J10, and what lies unheard: nothing is held by the dead, no lease is over and its shift awake."""
    now = clock.now_us()
    for shift in Shift.objects.filter(state="awake", expires_at__lt=now - 2_000_000):
        yield f"J10 shift {shift.id} is awake, its lease over for {(now - shift.expires_at) / 1e6:.1f} s"
    ended = set(Execution.objects.filter(ended_at__isnull=False).values_list("id", flat=True))
    for execution, kind in InboxItem.objects.filter(outcome=None).values_list("execution_id", "kind"):
        if execution in ended:
            yield f"{kind} lies unheard in the inbox of {execution}, which has ended"
