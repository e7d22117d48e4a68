"""The timeline of a step: bars in percent of the execution's time.

Outline is waiting for a turn, filled is running, every attempt is a bar of its own, and a dotted line is the wait for
the next one. While the execution goes on its time is rounded up (`times.round_scale`), so that bars grow in place and
the whole table is redrawn only when it no longer fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.graph.shape import written_path
from dashboard.presenters.runs import Run
from dashboard.words.times import SECOND, duration_words, elapsed_words, micros, round_scale
from orchestration.engine.queries import StepView

RESTS = frozenset({"delay", "wait"})
SLIVER = 0.35
"""The narrowest bar, in percent: what is shorter would not be seen."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The time that a timeline shows: from `start`, `length` long (microseconds). `live`: it still goes on."""

    start: int
    length: int
    live: bool

    @property
    def middle_words(self) -> str:
        """Say the time in the middle."""
        return _mark(self.length // 2)

    @property
    def end_words(self) -> str:
        """Say the time at the end."""
        return _mark(self.length)

    def place(self, at: int) -> float:
        """Return where an instant lies, in percent."""
        return max(0.0, min(100.0, (at - self.start) * 100 / self.length))


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in percent. `since` lets the page draw it longer while it lasts."""

    x: str
    width: str
    css: str
    since: int | None = None


def axis_of(*, started_at: int, ended_at: int | None, now: int) -> Axis:
    """Return the time from the execution's start to its end, or to a round while after now."""
    if ended_at is not None:
        return Axis(started_at, max(ended_at - started_at, 1_000), live=False)
    return Axis(started_at, round_scale(max((now - started_at) * 105 // 100, SECOND)), live=True)


def bars_of(step: Run, *, axis: Axis, ready: int | None, now: int, container: bool) -> tuple[Bar, ...]:
    """Return the bars of one step run. `ready`: when nothing but its turn was missing any more."""
    if step.started_at is None:
        return ()
    bars: list[Bar] = []
    first = step.tries[0].started_at if step.tries else step.started_at
    if ready is not None and not container:
        _add(bars, axis, ready, first, "queued", least=SLIVER)
    if container:
        _add(bars, axis, step.started_at, _end(step.ended_at, now), f"span {step.status}", live=_lasts(step, axis))
    elif step.tries and step.type not in RESTS:
        _add_tries(bars, axis, step, now)
    else:
        css = "rest" if step.type in RESTS else "run"
        _add(bars, axis, step.started_at, _end(step.ended_at, now), f"{css} {step.status}", live=_lasts(step, axis))
    return tuple(bars)


def _add_tries(bars: list[Bar], axis: Axis, step: Run, now: int) -> None:
    previous: int | None = None
    resting = step.status == "retrying" or step.next_attempt_at is not None
    for place, each in enumerate(step.tries):
        if previous is not None:
            _add(bars, axis, previous, each.started_at, "gap", least=0.0)
        last = place == len(step.tries) - 1
        open_end = each.ended_at is None
        css = f"run {step.status}" if last and not resting else "run tried"
        _add(bars, axis, each.started_at, _end(each.ended_at, now), css, live=open_end and _lasts(step, axis))
        previous = each.ended_at
    if previous is not None and resting and axis.live:
        _add(bars, axis, previous, _end(None, now), "gap", live=True, least=0.0)


def _add(
    bars: list[Bar], axis: Axis, start: int, end: int, css: str, *, live: bool = False, least: float = -1.0
) -> None:
    """Add a bar. With `least` it is left out when it would be narrower, without it is drawn as a sliver."""
    x, width = axis.place(start), axis.place(end) - axis.place(start)
    if least >= 0 and width <= least:
        return
    width = max(width, SLIVER)
    x = min(x, 100 - width)
    bars.append(Bar(f"{x:.2f}%", f"{width:.2f}%", css, start if live else None))


def _end(ended_at: int | None, now: int) -> int:
    return now if ended_at is None else ended_at


def _lasts(step: Run, axis: Axis) -> bool:
    return axis.live and step.ended_at is None


def _mark(us: int) -> str:
    whole = us % SECOND == 0 and us >= SECOND
    return elapsed_words(us) if whole else duration_words(us)


def ready_at(step: Run, sources: Mapping[str, tuple[str, ...]], by_path: Mapping[str, StepView]) -> int | None:
    """Return when the last of a run's sources ended; `sources` maps a step as written down to the ids before it."""
    scope = step.path[: len(step.path) - len(step.id)]
    found = [by_path.get(f"{scope}{name}") for name in sources.get(written_path(step.path), ())]
    ends = [micros(each.ended_at) for each in found if each is not None]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(found) else None
