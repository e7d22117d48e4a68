"""How near a simulation comes to what was recorded: forecasts scored against what happened.

A figure is as good as the same if it is within ±δ of the recorded one, with its 90 % interval wholly inside (two
one-sided tests at 5 %: Schuirmann, 1987); "not significantly different" would say nothing. δ is 10 % for the median,
15 % for p95 and 5 % for throughput.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulation.statistics.comparison import Equivalence
from simulation.statistics.intervals import Interval, mean_interval, percentile
from simulation.world.world import Outcome

from .recorded_language import RecordedOf

MARGINS = {"p50": 0.10, "p95": 0.15, "per_second": 0.05}
CONFIDENCE = 0.90
LEAST = 20
"""Executions that must have ended for their percentiles to be compared."""


@dataclass(frozen=True, slots=True)
class Score:
    """A figure's forecast beside what was recorded. `error` is relative; `within` its margin says the test."""

    workload: str
    measure: str
    recorded: float
    forecast: Interval
    error: float
    margin: float
    within: bool

    def as_json(self) -> dict[str, Any]:
        """Return the score as programs read it."""
        return {
            "workload": self.workload,
            "measure": self.measure,
            "recorded": self.recorded,
            "forecast": self.forecast.as_json(),
            "error": self.error,
            "margin": self.margin,
            "within": self.within,
        }


def scores(recorded: Mapping[str, RecordedOf], outcomes: Sequence[Outcome], horizon: float) -> list[Score]:
    """Return the forecast's scores, of workloads of which enough was recorded. `horizon` is in seconds."""
    found: list[Score] = []
    for name, real in recorded.items():
        if real.count < LEAST:
            continue
        times = [outcome.workloads[name].times for outcome in outcomes]
        if any(each.size < LEAST for each in times):
            continue
        figures = {
            "p50": [percentile(each, 0.50) for each in times],
            "p95": [percentile(each, 0.95) for each in times],
            "per_second": [each.size / horizon for each in times],
        }
        found += [_score(name, measure, getattr(real, measure), values) for measure, values in figures.items()]
    return found


def _score(workload: str, measure: str, recorded: float, values: Sequence[float]) -> Score:
    relative = mean_interval(np.asarray(values) / recorded - 1 if recorded else np.asarray(values), CONFIDENCE)
    margin = MARGINS[measure]
    within = Equivalence(relative, margin).equivalent
    return Score(workload, measure, recorded, mean_interval(values), relative.mean, margin, within)


def lines_of(found: Sequence[Score]) -> list[str]:
    """Return the scores as people read them."""
    return [
        f"recorded {each.workload} {each.measure} {each.recorded:.4g}: forecast {each.forecast.mean:.4g} "
        f"({each.error:+.1%}), {'within' if each.within else 'NOT within'} ±{each.margin:.0%}"
        for each in found
    ]
