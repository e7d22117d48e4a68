"""The page of one execution: where it is, why there, what can be done about it, and everything that happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.graph.layout import Layout
from dashboard.graph.picture import Picture, paint_runs
from dashboard.graph.shape import written_path
from dashboard.presenters.executions import ExecutionRow, execution_row
from dashboard.presenters.journal import EventRow, event_row
from dashboard.presenters.runs import Attempt, run_of
from dashboard.presenters.steps import CONTAINERS, RowPlaces, StepsTable, sources_of, steps_table
from dashboard.presenters.timeline import Axis, axis_of
from dashboard.words.states import ENDED, Look, look
from dashboard.words.times import countdown_words, duration_words, elapsed_words, micros, moment_of
from dashboard.words.values import JsonText, error_sentence, pretty, short
from orchestration.engine.queries import ExecutionDetail, ExecutionSummary, JournalEntry, StepView, WaitView

EVENTS = 40
"""How many of the last journal entries a page shows."""
REASONS = 3
AGAIN = frozenset({"failed", "cancelled", "compensation_failed"})
"""The states of an execution that can be run again."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of the header. `at` is an instant to be shown, `since` one to count on from."""

    label: str
    value: str = ""
    at: datetime | None = None
    since: int | None = None
    href: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """What the execution is and how it stands."""

    look: Look
    status: str
    progress: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Banner:
    """One reason why the execution is not further. `until` is an instant to count down to."""

    hue: str
    icon: str
    title: str
    text: str
    until: int | None = None
    until_words: str = ""
    href: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Acts:
    """What can be done now, and what would come of it."""

    pause: bool
    resume: bool
    cancel: str
    undo: str
    retry: str
    signals: tuple[str, ...]
    signal: bool


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt of a step."""

    number: int
    started_at: datetime
    took: str
    since: int | None
    error: str


@dataclass(frozen=True, slots=True)
class StepDetail:
    """One step run in full."""

    path: str
    name: str
    look: Look
    calls: str
    again: bool
    output: JsonText
    error: JsonText | None
    tries: tuple[Try, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of the execution."""

    id: str
    ended: bool
    output: JsonText
    error: JsonText | None


@dataclass(frozen=True, slots=True)
class ExecutionPage:
    """Everything that the page of an execution shows."""

    id: str
    short_id: str
    workflow: str
    name: str
    revision: int
    status: str
    seq: int
    ended: bool
    head: Head
    banners: tuple[Banner, ...]
    acts: Acts
    picture: Picture
    table: StepsTable
    detail: StepDetail | None
    events: tuple[EventRow, ...]
    input: JsonText
    result: Result
    children: tuple[ExecutionRow, ...]


def execution_page(
    detail: ExecutionDetail,
    events: Sequence[JournalEntry],
    layout: Layout,
    *,
    now: int,
    begin: int = 0,
    chosen: str = "",
) -> ExecutionPage:
    """Return the page. `now` is an instant in microseconds, `begin` the first row of the steps table."""
    summary = detail.summary
    ended = summary.status in ENDED
    started_at = micros(summary.started_at)
    axis = None
    if started_at is not None:
        axis = axis_of(started_at=started_at, ended_at=micros(summary.ended_at) if ended else None, now=now)
    rows = RowPlaces(detail.steps, begin)
    sources = sources_of(detail.definition.steps)
    table = steps_table(detail.steps, axis=axis, sources=sources, now=now, begin=rows.begin, chosen=chosen)
    name = summary.workflow_name or summary.workflow
    return ExecutionPage(
        id=summary.id,
        short_id=summary.id[-12:],
        workflow=summary.workflow,
        name=name,
        revision=summary.revision,
        status=summary.status,
        seq=summary.seq,
        ended=ended,
        head=_head(summary, now),
        banners=_banners(detail, rows, now),
        acts=_acts(detail),
        picture=paint_runs(layout, detail.steps, name=name, now=None if ended else now, address=rows.address),
        table=table,
        detail=_step_detail(detail.steps, chosen, status=summary.status, axis=axis, now=now),
        events=tuple(event_row(entry) for entry in sorted(events, key=lambda entry: -entry.seq)[:EVENTS]),
        input=pretty(detail.input),
        result=Result(summary.id, ended, pretty(detail.output), pretty(summary.error) if summary.error else None),
        children=tuple(execution_row(child, now=now) for child in detail.children),
    )


def _head(summary: ExecutionSummary, now: int) -> Head:
    started, ended = micros(summary.started_at), micros(summary.ended_at)
    facts = []
    if started is not None and ended is not None and summary.status in ENDED:
        facts.append(Fact("took", duration_words(ended - started)))
    elif started is not None:
        facts.append(Fact("elapsed", elapsed_words(now - started), since=started))
    facts.append(Fact("steps", f"{summary.steps_done} of {summary.steps_total}"))
    if summary.attempt > 1:
        facts.append(Fact("attempt", str(summary.attempt)))
    facts.append(Fact("started" if started is not None else "created", at=summary.started_at or summary.created_at))
    if summary.by:
        facts.append(Fact("started by", short(summary.by, 40)))
    if summary.parent_id:
        facts.append(Fact("part of", summary.parent_id[-12:], href=summary.parent_id))
    progress = f"{100 * max(0.0, min(1.0, summary.progress)):.1f}%"
    shown = look("quarantined" if summary.quarantined else summary.status)
    return Head(shown, summary.status, progress, tuple(facts))


_REASONS = {
    "quarantined": ("bad", "compensation_failed", "Quarantined: paused until somebody resumes it"),
    "admission": ("neutral", "waiting", "Waiting for its turn"),
    "resume": ("attention", "paused", "Paused"),
    "retry": ("attention", "retrying", "Waiting to try {step} again"),
    "postponed": ("attention", "waiting", "{step} waits for its service, asked again"),
    "delay": ("neutral", "waiting", "{step} waits"),
    "signal": ("neutral", "waiting", "{step} waits for a signal"),
    "event": ("neutral", "waiting", "{step} waits for an event"),
    "callback": ("neutral", "waiting", "{step} was accepted; its result is still to come"),
    "child": ("neutral", "waiting", "{step} waits for another workflow"),
    "slot": ("neutral", "waiting", "{step} waits for its turn"),
    "list_slot": ("neutral", "waiting", "{step} waits for its turn"),
    "compensation": ("attention", "compensating", "Undoing {step}"),
}


def _banners(detail: ExecutionDetail, rows: RowPlaces, now: int) -> tuple[Banner, ...]:
    summary = detail.summary
    if summary.error and summary.status in ENDED and not summary.quarantined:
        return (_failure(summary, rows),)
    # A paused execution says so once, not for every step that would be next.
    reasons = [
        each for each in detail.waiting_for if each.kind in _REASONS and (each.kind != "resume" or not each.step)
    ]
    shown = [_reason(each, rows, now) for each in reasons[:REASONS]]
    if len(reasons) > REASONS:
        kinds = Counter(each.kind.replace("_", " ") for each in reasons[REASONS:])
        said = ", ".join(f"{number} for {kind}" for kind, number in kinds.items())
        shown.append(Banner("neutral", "waiting", f"{len(reasons) - REASONS} more wait", said))
    return tuple(shown)


def _failure(summary: ExecutionSummary, rows: RowPlaces) -> Banner:
    details = (summary.error or {}).get("details")
    step = details.get("step") if isinstance(details, dict) else None
    known = isinstance(step, str) and step in rows
    return Banner(
        "bad",
        "failed",
        f"{step} failed" if known else "Failed",
        error_sentence(summary.error),
        href=rows.address(str(step)) if known else "",
        link="See the step" if known else "",
    )


def _reason(each: WaitView, rows: RowPlaces, now: int) -> Banner:
    hue, icon, title = _REASONS[each.kind]
    until = micros(each.until) if each.kind in {"retry", "postponed", "delay", "compensation"} else None
    return Banner(
        hue,
        icon,
        title.format(step=each.step),
        short(each.detail),
        until=until,
        until_words=countdown_words(until - now) if until is not None else "",
        href=rows.address(each.step) if each.step in rows else "",
        link="See the step" if each.step in rows else "",
    )


def _acts(detail: ExecutionDetail) -> Acts:
    steps = detail.steps
    status = detail.summary.status
    moving = {"running", "retrying", "waiting"}
    running = [step for step in steps if step.status in moving and step.type not in CONTAINERS]
    pending = [step for step in steps if step.status == "pending"]
    undoable = _undoable(detail.definition.steps, "")
    undone = [step for step in steps if step.status == "completed" and written_path(step.path) in undoable]
    failed = [step.name for step in steps if step.status in {"failed", "cancelled"} and not step.depth]
    again = status in AGAIN
    return Acts(
        pause=status == "running",
        resume=status == "paused" or detail.summary.quarantined,
        cancel=f"{_several(running, 'step')} in progress will be stopped, {len(pending)} will not run."
        if status in {"pending", "running", "paused"}
        else "",
        undo=f"First undo what was completed ({_several(undone, 'compensation')})" if undone else "",
        retry=f"Runs again from {short(', '.join(failed), 90) or 'where it stopped'}. What was completed stays."
        if again
        else "",
        signals=_signals(detail),
        signal=status in {"pending", "running", "paused", "compensating"} and bool(_waits(detail.definition.steps)),
    )


def _several(items: Sequence[Any], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def _undoable(steps: Sequence[Any], prefix: str) -> set[str]:
    found = {f"{prefix}{step.id}" for step in steps if step.compensate is not None}
    for step in steps:
        if step.type in CONTAINERS:
            found |= _undoable(step.steps, f"{prefix}{step.id}.")
    return found


def _signals(detail: ExecutionDetail) -> tuple[str, ...]:
    """Return the signals that can be sent, those that are waited for just now first."""
    waits = _waits(detail.definition.steps)
    waiting = [written_path(step.path) for step in detail.steps if step.type == "wait" and step.status == "waiting"]
    return tuple(dict.fromkeys([*(waits[path] for path in waiting if path in waits), *waits.values()]))


def _waits(steps: Sequence[Any], prefix: str = "") -> dict[str, str]:
    found = {f"{prefix}{step.id}": step.signal for step in steps if step.type == "wait" and step.signal is not None}
    for step in steps:
        if step.type in CONTAINERS:
            found |= _waits(step.steps, f"{prefix}{step.id}.")
    return found


def _step_detail(
    steps: Sequence[StepView], chosen: str, *, status: str, axis: Axis | None, now: int
) -> StepDetail | None:
    found = next((each for each in steps if each.path == chosen), None) if chosen else None
    if found is None:
        return None
    step = run_of(found)
    return StepDetail(
        path=step.path,
        name=step.name,
        look=look(step.status),
        calls=step.type,
        again=status in AGAIN and not step.depth,
        output=pretty(step.output),
        error=pretty(step.error) if step.error else None,
        tries=tuple(_try(each, axis, now) for each in step.tries),
    )


def _try(each: Attempt, axis: Axis | None, now: int) -> Try:
    lasts = each.ended_at is None and axis is not None and axis.live
    took = "" if each.ended_at is None else duration_words(each.ended_at - each.started_at)
    return Try(
        each.number,
        moment_of(each.started_at),
        elapsed_words(now - each.started_at) if lasts else took,
        each.started_at if lasts else None,
        error_sentence(each.error),
    )
