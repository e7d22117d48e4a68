"""What becomes of executions that are under way: how many are open when, and when those of the beginning are done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulation.streams import Floats
from simulation.world.world import Outcome

LOW, MIDDLE, HIGH = 0.05, 0.50, 0.95
"""A band holds nine tenths of the replications."""


@dataclass(frozen=True, slots=True)
class Band:
    """A figure of single replications: the middle one, and between which nine tenths of them lie."""

    low: float
    middle: float
    high: float

    def as_json(self) -> dict[str, float]:
        """Return the band as programs read it."""
        return {"p05": self.low, "p50": self.middle, "p95": self.high}


@dataclass(frozen=True, slots=True)
class Forecast:
    """How executions that were open at the beginning go on, and how many are open over time.

    `at` are instants in seconds, `open` bands at each. `cleared` is when the last of the beginning had ended,
    `mostly` when nineteen in twenty had (seconds; None where that was not so in most replications); `not_cleared`
    counts replications at whose end some were still open.
    """

    count: int
    replications: int
    at: tuple[float, ...]
    open: tuple[Band, ...]
    cleared: Band | None
    mostly: Band | None
    not_cleared: int
    completed: float

    def as_json(self) -> dict[str, Any]:
        """Return the forecast as programs read it."""
        return {
            "open_now": self.count,
            "cleared": None if self.cleared is None else self.cleared.as_json(),
            "mostly_cleared": None if self.mostly is None else self.mostly.as_json(),
            "not_cleared_in": self.not_cleared,
            "completed": self.completed,
            "open_over_time": {
                "at": list(self.at),
                "p05": [each.low for each in self.open],
                "p50": [each.middle for each in self.open],
                "p95": [each.high for each in self.open],
            },
        }


def forecast(outcomes: Sequence[Outcome], horizon: float) -> Forecast | None:
    """Return the forecast of replications that began with executions under way, None for others.

    `horizon` is in seconds.
    """
    resumed = [outcome.resumed for outcome in outcomes if outcome.resumed is not None]
    if not resumed:
        return None
    counts = np.array([outcome.open_over_time for outcome in outcomes], dtype=np.float64)
    count = resumed[0].count
    ends = [np.sort(each.ended_at) for each in resumed]
    ended = sum(each.size for each in ends)
    return Forecast(
        count=count,
        replications=len(resumed),
        at=tuple(float(each) for each in np.linspace(0, horizon, counts.shape[1])),
        open=tuple(_band(column) for column in counts.T),
        cleared=_instant(ends, count),
        mostly=_instant(ends, -(-count * 19 // 20)),
        not_cleared=sum(each.size < count for each in ends),
        completed=sum(each.good for each in resumed) / ended if ended else 0.0,
    )


def lines_of(found: Forecast) -> list[str]:
    """Return the forecast as people read it."""
    lines = [f"{found.count} executions were under way"]
    if found.count:
        for word, band in (("19 in 20 of them ended", found.mostly), ("all of them ended", found.cleared)):
            lines.append(f"  {word:24} {_told(band)}")
        if found.not_cleared:
            lines.append(
                f"  in {found.not_cleared} of {found.replications} replications some were still open at the end"
            )
        lines.append(f"  of those that ended {found.completed:.1%} completed")
    lines.append("  open executions          at         5 %   median     95 %")
    step = max(1, (len(found.at) - 1) // 10)
    lines += [
        f"  {'':20} {at:8.4g} s {band.low:8.4g} {band.middle:8.4g} {band.high:8.4g}"
        for at, band in list(zip(found.at, found.open, strict=True))[::step]
    ]
    return lines


def _told(band: Band | None) -> str:
    return "not within the horizon" if band is None else f"after {band.middle:.4g} s  [{band.low:.4g}, {band.high:.4g}]"


def _instant(ends: Sequence[Floats], rank: int) -> Band | None:
    """Return when the `rank`-th end was, None where most replications never saw it."""
    if not rank:
        return Band(0.0, 0.0, 0.0)
    instants = np.array([each[rank - 1] if each.size >= rank else np.inf for each in ends])
    if np.isinf(np.quantile(instants, MIDDLE, method="inverted_cdf")):
        return None
    return _band(instants[np.isfinite(instants)])


def _band(values: Floats) -> Band:
    low, middle, high = np.quantile(values, (LOW, MIDDLE, HIGH), method="inverted_cdf")
    return Band(float(low), float(middle), float(high))
