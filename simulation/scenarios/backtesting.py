"""How well forecasts of what was held back came true: errors against their margins, and points against their bands.

Each prediction knows only what came before its window. A figure is *equal* within ±δ if the 90 % interval of its mean
relative error over the windows lies wholly inside (two one-sided tests at 5 %: Schuirmann, 1987), *not equal* if it
lies wholly outside, and otherwise nothing is shown either way: "no significant difference" would reward few data. A
window is also cut into slices; each slice's executions and median time are points that 95 in 100 replications should
enclose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulation.statistics.comparison import Equivalence
from simulation.statistics.intervals import Interval, mean_interval
from simulation.streams import Floats

from .scoring import CONFIDENCE, MARGINS, Score

SLICES = 12
"""Slices of a window whose figures are compared with their bands."""

LEAST_IN_SLICE = 5
"""Executions that must have ended in a slice for their median to be a point."""

LOW, HIGH = 0.025, 0.975
BAND_AIM = 0.90, 0.98
"""Shares of points inside that a band of 95 % may have."""

EQUAL, NOT_EQUAL, NOT_SHOWN = "equal", "not equal", "not shown"


@dataclass(frozen=True, slots=True)
class Point:
    """A slice's figure, `at` so many seconds into its window: as recorded, and where 95 in 100 replications lie."""

    measure: str
    at: float
    recorded: float
    low: float
    middle: float
    high: float

    @property
    def inside(self) -> bool:
        """Say whether what was recorded lies in the band."""
        return self.low <= self.recorded <= self.high

    @property
    def off(self) -> float:
        """Return how far what was recorded lies from the middle of the band, relative to that."""
        return abs(self.recorded - self.middle) / self.middle if self.middle else float(self.recorded != 0)

    def as_json(self) -> dict[str, Any]:
        """Return the point as programs read it."""
        band = {"low": self.low, "middle": self.middle, "high": self.high, "inside": self.inside}
        return {"measure": self.measure, "at": self.at, "recorded": self.recorded, **band}


@dataclass(frozen=True, slots=True)
class Prediction:
    """One window, predicted from what was before it: instants as text, executions that ended in it, scores, points."""

    since: str
    until: str
    fitted_to: int
    recorded: int
    scores: tuple[Score, ...]
    points: tuple[Point, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the prediction as programs read it."""
        return {
            "from": self.since,
            "to": self.until,
            "fitted_to": self.fitted_to,
            "recorded": self.recorded,
            "scores": [each.as_json() for each in self.scores],
            "points": [each.as_json() for each in self.points],
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """A measure over all windows: the interval of its mean relative error beside its margin (None: one window only)."""

    measure: str
    margin: float
    errors: tuple[float, ...]
    interval: Interval | None

    @property
    def verdict(self) -> str:
        """Return `equal`, `not equal` or `not shown`."""
        if self.interval is None:
            return NOT_SHOWN
        if Equivalence(self.interval, self.margin).equivalent:
            return EQUAL
        outside = self.interval.low > self.margin or self.interval.high < -self.margin
        return NOT_EQUAL if outside else NOT_SHOWN

    def as_json(self) -> dict[str, Any]:
        """Return the judgement as programs read it."""
        return {
            "margin": self.margin,
            "errors": list(self.errors),
            "mean_error": float(np.mean(self.errors)),
            "worst_error": max(self.errors, key=abs),
            "interval": None if self.interval is None else self.interval.as_json(),
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class Backtest:
    """All predictions of a backtest, and what they come to together."""

    workflow: str
    predictions: tuple[Prediction, ...]
    left_out: tuple[str, ...]

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """Return the measures over all windows that have them."""
        found = []
        for measure, margin in MARGINS.items():
            errors = [each.error for row in self.predictions for each in row.scores if each.measure == measure]
            if errors:
                interval = mean_interval(errors, CONFIDENCE) if len(errors) > 1 else None
                found.append(Judgement(measure, margin, tuple(errors), interval))
        return tuple(found)

    @property
    def points(self) -> list[Point]:
        """Return the points of all windows."""
        return [point for each in self.predictions for point in each.points]

    @property
    def kept(self) -> bool:
        """Say whether no measure is surely further off than its margin."""
        return all(each.verdict != NOT_EQUAL for each in self.judgements)

    def as_json(self) -> dict[str, Any]:
        """Return the backtest as programs read it; times are seconds."""
        points = self.points
        worst = max(points, key=lambda each: each.off, default=None)
        return {
            "workflow": self.workflow,
            "confidence": CONFIDENCE,
            "measures": {each.measure: each.as_json() for each in self.judgements},
            "band": {
                "points": len(points),
                "inside": sum(each.inside for each in points) / len(points) if points else None,
                "aim": list(BAND_AIM),
                "worst": None if worst is None else worst.as_json(),
            },
            "predictions": [each.as_json() for each in self.predictions],
            "left_out": list(self.left_out),
        }


def points_of(
    recorded: tuple[Floats, Floats], simulated: Sequence[tuple[Floats, Floats]], length: float
) -> list[Point]:
    """Return the points of a window of `length` seconds.

    Each recording is when executions ended (seconds from the window's beginning) and how long they took (seconds).
    """
    found: list[Point] = []
    for place in range(SLICES):
        first, last = length * place / SLICES, length * (place + 1) / SLICES
        real = _within(recorded, first, last)
        foretold = [_within(each, first, last) for each in simulated]
        found.append(_point("ended", first, float(real.size), [float(each.size) for each in foretold]))
        if real.size >= LEAST_IN_SLICE and all(each.size for each in foretold):
            medians = [float(np.median(each)) for each in foretold]
            found.append(_point("p50", first, float(np.median(real)), medians))
    return found


def lines_of(found: Backtest) -> list[str]:
    """Return the backtest as people read it."""
    lines = [f"backtest of {found.workflow}: each window is predicted from all that was before it"]
    lines.append(f"  {'window':42} {'ended':>6}" + "".join(f"{measure:>14}" for measure in MARGINS))
    for each in found.predictions:
        errors = {score.measure: f"{score.error:+.1%}" for score in each.scores}
        told = "".join(f"{errors.get(measure, '-'):>14}" for measure in MARGINS)
        lines.append(f"  {each.since} to {each.until[11:]:20.20} {each.recorded:6}{told}")
    lines += [_told(judged) for judged in found.judgements]
    points = found.points
    if points:
        inside = sum(each.inside for each in points) / len(points)
        worst = max(points, key=lambda each: each.off)
        low, high = BAND_AIM
        lines.append(f"{inside:.1%} of {len(points)} points lie in their 95 % bands (aim {low:.0%} to {high:.0%})")
        lines.append(
            f"worst point: {worst.measure} was {worst.recorded:.4g}, foretold {worst.middle:.4g} "
            f"[{worst.low:.4g}, {worst.high:.4g}]"
        )
    return lines + [f"left out: {each}" for each in found.left_out]


def _told(judged: Judgement) -> str:
    error, margin = float(np.mean(judged.errors)), f"±{judged.margin:.0%}"
    if judged.interval is None:
        return f"{judged.measure}: {error:+.1%} in the one window; one window shows nothing of {margin}"
    interval = f"[{judged.interval.low:+.1%}, {judged.interval.high:+.1%}]"
    said = {
        EQUAL: f"equal within {margin}",
        NOT_EQUAL: f"NOT equal within {margin}",
        NOT_SHOWN: f"neither equal nor unequal within {margin} is shown: more or longer windows would tell",
    }[judged.verdict]
    return f"{judged.measure}: mean error {error:+.1%} {interval} (90 %), {said}"


def _within(ended: tuple[Floats, Floats], first: float, last: float) -> Floats:
    at, times = ended
    chosen: Floats = times[(at >= first) & (at < last)]
    return chosen


def _point(measure: str, at: float, recorded: float, foretold: Sequence[float]) -> Point:
    low, middle, high = np.quantile(np.asarray(foretold), (LOW, 0.5, HIGH), method="linear")
    return Point(measure, at, recorded, float(low), float(middle), float(high))
