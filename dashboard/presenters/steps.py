"""The table of steps: one row per step run, with its state, its attempts, its bars and how long it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.presenters.runs import Run, run_of
from dashboard.presenters.timeline import Axis, Bar, bars_of, ready_at
from dashboard.words.anchors import step_anchor
from dashboard.words.states import Look, look
from dashboard.words.times import countdown_words, duration_words, elapsed_words
from dashboard.words.values import error_sentence
from orchestration.engine.queries import StepView

PAGE = 100
"""How many rows of the table a page shows at once."""
DEEPEST = 8
CONTAINERS = frozenset({"parallel", "loop"})


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step run. `since` counts on from an instant, `until` down to one, while the page is live."""

    anchor: str
    path: str
    name: str
    aside: str
    depth: int
    status: str
    look: Look
    attempts: str
    bars: tuple[Bar, ...]
    took: str
    since: int | None
    until: int | None
    error: str
    container: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class TablePlace:
    """Which rows of the table a page shows, and where the pages beside it begin."""

    begin: int
    shown: int
    total: int
    before: int | None
    after: int | None

    @property
    def first(self) -> int:
        """Return the number of the first row, from 1."""
        return self.begin + 1

    @property
    def last(self) -> int:
        """Return the number of the last row."""
        return self.begin + self.shown


@dataclass(frozen=True, slots=True)
class StepsTable:
    """A page of the table, and its time axis."""

    rows: tuple[StepRow, ...]
    axis: Axis | None
    place: TablePlace

    @property
    def begin(self) -> int:
        """Return the place of the first row, from 0."""
        return self.place.begin


class RowPlaces:
    """Where the rows of all step runs are: on the page of the table that begins at `begin`, or on another."""

    def __init__(self, steps: Sequence[StepView], begin: int) -> None:
        self.begin = max(0, min(begin, max(0, len(steps) - 1)) // PAGE * PAGE)
        self._places = {step.path: place for place, step in enumerate(steps)}

    def __contains__(self, path: str) -> bool:
        return path in self._places

    def address(self, path: str) -> str:
        """Return the address of a run's row; of a run that is not there yet, where it will be."""
        place = self._places.get(path, self.begin)
        page = place // PAGE * PAGE
        fragment = f"#{step_anchor(path)}"
        return fragment if page == self.begin else f"?from={page}{fragment}"


def steps_table(
    steps: Sequence[StepView],
    *,
    axis: Axis | None,
    sources: Mapping[str, tuple[str, ...]],
    now: int,
    begin: int,
    chosen: str,
) -> StepsTable:
    """Return the page of the table that begins at row `begin`; `chosen` is the path whose details are shown."""
    by_path = {step.path: step for step in steps}
    nested = Counter(step.parent for step in steps if step.parent)
    rows = []
    for step in steps[begin : begin + PAGE]:
        run = run_of(step)
        bars: tuple[Bar, ...] = ()
        if axis is not None:
            ready = ready_at(run, sources, by_path)
            bars = bars_of(run, axis=axis, ready=ready, now=now, container=run.type in CONTAINERS)
        rows.append(_row(run, bars, axis=axis, now=now, nested=nested[run.path], chosen=chosen))
    before = begin - PAGE if begin else None
    after = begin + PAGE if begin + PAGE < len(steps) else None
    return StepsTable(tuple(rows), axis, TablePlace(begin, len(rows), len(steps), before, after))


def _row(step: Run, bars: tuple[Bar, ...], *, axis: Axis | None, now: int, nested: int, chosen: str) -> StepRow:
    took, since, until = _took(step, axis, now)
    return StepRow(
        anchor=step_anchor(step.path),
        path=step.path,
        name=step.name,
        aside=_aside(step, nested),
        depth=min(step.depth, DEEPEST),
        status=step.status,
        look=look(step.status),
        attempts=_attempts(step),
        bars=bars,
        took=took,
        since=since,
        until=until,
        error=error_sentence(step.error) if step.status in {"failed", "retrying", "compensation_failed"} else "",
        container=step.type in CONTAINERS,
        chosen=step.path == chosen,
    )


def _aside(step: Run, nested: int) -> str:
    said = [f"[{step.index}]"] if step.index is not None else []
    if step.name != step.id:
        said.append(step.id)
    if nested:
        said.append(f"{nested} nested")
    return " · ".join(said)


def _attempts(step: Run) -> str:
    if not step.attempts:
        return "–"
    if step.max_attempts > 1 and (step.attempts > 1 or step.status == "retrying"):
        return f"{step.attempts} of {step.max_attempts}"
    return str(step.attempts)


def _took(step: Run, axis: Axis | None, now: int) -> tuple[str, int | None, int | None]:
    if step.next_attempt_at is not None:
        return countdown_words(step.next_attempt_at - now), None, step.next_attempt_at
    if step.started_at is None:
        return "", None, None
    if step.ended_at is not None:
        return duration_words(step.ended_at - step.started_at), None, None
    if axis is None or not axis.live:
        return "", None, None
    return elapsed_words(now - step.started_at), step.started_at, None


def sources_of(steps: Sequence[Any]) -> dict[str, tuple[str, ...]]:
    """Return for each step as written down the ids of the steps in its list that arrows lead from."""
    found: dict[str, tuple[str, ...]] = {}
    _collect_sources(steps, "", found)
    return found


def _collect_sources(steps: Sequence[Any], prefix: str, found: dict[str, tuple[str, ...]]) -> None:
    before: dict[str, list[str]] = {step.id: list(step.dependencies) for step in steps}
    for step in steps:
        for target in (*step.on_success, *step.on_failure):
            before[target].append(step.id)
    for step in steps:
        found[f"{prefix}{step.id}"] = tuple(dict.fromkeys(before[step.id]))
        if step.type in CONTAINERS:
            _collect_sources(step.steps, f"{prefix}{step.id}.", found)
