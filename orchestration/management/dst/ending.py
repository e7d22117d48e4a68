"""What must be true when the faults are over and everything has had its time: the invariants J1 to J10 that remain.

The journal is folded anew here and held against the rows, the outside world and what was acknowledged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

from orchestration.domain import events as e
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.events import Event
from orchestration.domain.ids import idempotency_key
from orchestration.domain.invariants import check_journal, check_state
from orchestration.domain.run import Run

from .database import Database
from .outside import Outside
from .people import People
from .rows import Execution
from .witness import Told, Witness


def check_ending(database: Database, witness: Witness, outside: Outside, people: People) -> Iterator[str]:
    """Yield a sentence for everything that is not as it must be."""
    told: dict[str, list[Told]] = {}
    for each in witness.told_items.values():
        told.setdefault(each.item.execution_id, []).append(each)
    for execution_id in people.started:
        if execution_id not in database.executions:
            yield f"the start of {execution_id} was acknowledged, and it does not stand"
    for execution_id, item_id in people.acknowledged:
        if not witness.told_items[item_id].heard:
            yield f"what {execution_id} was told as {item_id} was acknowledged and never heard"
    for execution in database.executions.values():
        events = [
            Event(entry.seq, entry.type, entry.at, entry.step, orjson.loads(entry.data))
            for entry in database.journal[execution.id]
        ]
        for sentence in (
            *_told_and_asleep(execution, told.get(execution.id, [])),
            *check_journal(events),
            *_rows(execution, events, witness.new_run(execution)),
            *_actions(events, told.get(execution.id, [])),
            *_effects(execution, events, witness, outside),
        ):
            yield f"{execution.id}: {sentence}"
    for execution_id, topic in sorted(database.listening):
        if database.executions[execution_id].ended_at is not None:
            yield f"{execution_id} has ended, and listens to {topic!r}"
    yield from _calls(outside, witness)
    for shift in database.shifts.values():
        if shift.state == "awake" and shift.expires_at < database.now - 10_000_000:
            yield f"shift {shift.id} has a lease that ran out long ago, and is awake"


def _told_and_asleep(execution: Execution, told: list[Told]) -> Iterator[str]:
    for each in told:
        if not each.heard:
            yield f"{each.item.kind} {each.item.id} lies unheard (due at {execution.wake_at})"


def _rows(execution: Execution, events: list[Event], run: Run) -> Iterator[str]:
    """Hold the row against the journal, folded by a run that has seen nothing else."""
    try:
        for event in events:
            run.apply(event)
    except OrchestrationError as error:
        yield f"the journal does not fold: {error.message}"
        return
    yield from check_state(run)
    if not run.ended:
        waits = "; ".join(f"{each.kind} {each.step} {each.detail}" for each in run.waiting_for(execution.created_at))
        yield f"it has not ended: {run.status}, waits for {waits or 'nothing'}, row {execution}"
    if execution.shift_id is not None:
        yield f"it is still held by shift {execution.shift_id}"
    for name, row, folded in (
        ("status", execution.status, run.status),
        ("seq", execution.seq, run.seq),
        ("attempt", execution.attempt, run.attempt),
        ("steps_done", execution.steps_done, run.steps_done),
        ("started_at", execution.started_at, run.started_at),
        ("ended_at", execution.ended_at, run.ended_at),
        ("output", _loaded(execution.output), run.output),
        ("error", _loaded(execution.error), run.error),
    ):
        if row != folded and not execution.quarantined:
            yield f"{name} is {row!r} by its row and {folded!r} by its journal"


def _loaded(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _actions(events: list[Event], told: list[Told]) -> Iterator[str]:
    """Hold what was told and not refused against what the journal says was done: each of it once."""
    done: Counter[str] = Counter()
    for each in told:
        if each.outcome is not None and "refused" not in orjson.loads(each.outcome):
            done[each.item.kind] += 1
            if each.item.kind == "signal":
                done[f"signal by {orjson.loads(each.item.payload)['by']}"] += 1
    written: Counter[str] = Counter()
    for event in events:
        if event.type == e.WORKFLOW_PAUSED:
            written["pause"] += 1
        elif event.type == e.WORKFLOW_RESUMED:
            written["resume"] += 1
        elif event.type == e.WORKFLOW_RETRIED and event.data["by"] != "policy":
            written[event.data["by"]] += 1
        elif event.type == e.STEP_SIGNALLED and "event" not in event.data and not event.data.get("kept"):
            written["signal"] += 1
            written[f"signal by {event.data['by']}"] += 1
    for kind in sorted(done.keys() | written.keys()):
        if kind != "cancel" and done[kind] != written[kind]:
            yield f"{kind} was heard {done[kind]} times and is written {written[kind]} times"


def _effects(execution: Execution, events: list[Event], witness: Witness, outside: Outside) -> Iterator[str]:
    """Hold what the journal says that services answered against what they did."""
    run = witness.new_run(execution)
    for event in events:
        step = run.by_path.get(event.step)
        if event.type == e.STEP_COMPLETED and step is not None and step.type == "service":
            key = idempotency_key(execution.id, step.path, step.generation)
            memory, output = outside.memory.get(key), event.data["output"]
            if memory is None or not memory.applied:
                yield f"{event.step} completed at {event.seq}, and no service did anything for {key}"
            elif output.get("key") != key or not 0 < output["number"] <= memory.applied:
                yield f"{event.step} completed with {output}, which is no answer to {key}"
        try:
            run.apply(event)
        except OrchestrationError:
            return


def _calls(outside: Outside, witness: Witness) -> Iterator[str]:
    """Look for effects that were applied more often than they may be."""
    for key, memory in outside.memory.items():
        execution_id, _, path = key.partition("/")
        account = witness.accounts.get(execution_id)
        if account is None:
            continue
        most = 1
        if memory.method.startswith("once"):
            # Each reset is somebody's word that it is to be run anew.
            most += sum(event.type == e.STEP_RESET and event.step == path.partition("~")[0] for event in account.events)
        if memory.applied > most:
            yield f"the effect of {key} was applied {memory.applied} times, where {most} may be"
    for attempt, calls in outside.attempts.items():
        key = attempt.partition(" ")[0]
        if calls > 1 and outside.memory[key].method.startswith("once"):
            yield f"an attempt of {key} was called {calls} times, and is at-most-once"
