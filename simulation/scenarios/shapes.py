"""The shapes behind a workload's figures: how its times are spread, and how it went over time, with bands.

Each value is a mean over replications with its 95 % t interval, as all figures are: of the percentile that each
replication has, or of what each saw in a slice of simulated time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulation.statistics.intervals import CONFIDENCE, t_quantile
from simulation.streams import Floats
from simulation.world.world import WorkloadFigures

SHARES = (0.01, *(round(0.05 * step, 2) for step in range(1, 20)), 0.97, 0.98, 0.99)
SLICES = 60
"""Slices of simulated time in a series."""

Band = tuple[float, float, float]
"""A mean with its low and high end."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`spread`: by share of executions, the time (s) within which so many were done. `completed`: executions a second
    that completed, and `times`: their mean time (s), both by the middle of a slice (s); None where nothing ended in it.
    """

    spread: tuple[tuple[float, Band], ...]
    completed: tuple[tuple[float, Band], ...]
    times: tuple[tuple[float, Band], ...]

    def as_json(self) -> dict[str, Any]:
        """Return the shape as programs read it: rows of (share or second, mean, low, high)."""
        return {
            name: [[place, *band] for place, band in getattr(self, name)] for name in ("spread", "completed", "times")
        }


def shape_of(figures: Sequence[WorkloadFigures], horizon: float, dropped: int) -> Shape:
    """Return the shape of a workload over its replications, `dropped` executions of each left out of the spread."""
    kept = [each.times[dropped:] for each in figures]
    spread: tuple[tuple[float, Band], ...] = ()
    if all(each.size for each in kept):
        quantiles = np.array([np.quantile(each, SHARES, method="inverted_cdf") for each in kept])
        spread = tuple(zip(SHARES, _bands(quantiles), strict=True))
    edges = np.linspace(0.0, horizon, SLICES + 1)
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    good = np.array([np.histogram(each.ended_at, edges, weights=each.good)[0] for each in figures])
    counts = np.array([np.histogram(each.ended_at, edges)[0] for each in figures])
    spent = np.array([np.histogram(each.ended_at, edges, weights=each.times)[0] for each in figures])
    seen = np.flatnonzero(counts.min(axis=0) > 0)
    means = spent[:, seen] / counts[:, seen]
    return Shape(
        spread,
        tuple(zip(middles, _bands(good / (horizon / SLICES)), strict=True)),
        tuple(zip([middles[place] for place in seen.tolist()], _bands(means), strict=True)),
    )


def _bands(rows: Floats) -> list[Band]:
    """Return the mean of each column over the replications (rows), with its t interval."""
    count = rows.shape[0]
    means = rows.mean(axis=0)
    half = t_quantile((1 + CONFIDENCE) / 2, count - 1) * rows.std(axis=0, ddof=1) / np.sqrt(count)
    return [(float(mean), float(mean - away), float(mean + away)) for mean, away in zip(means, half, strict=True)]
