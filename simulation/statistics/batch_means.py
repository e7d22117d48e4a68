"""An interval from a single long run: means of batches that are long enough to be as good as independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulation.streams import Floats

from .intervals import CONFIDENCE, Interval, mean_interval

BATCHES = 30
MOST_CORRELATED = 0.25
LEAST_BATCHES = 15
"""With fewer the correlation itself is mostly noise."""


@dataclass(frozen=True, slots=True)
class BatchMeans:
    """The interval, the length of the batches that it came from, and their lag-1 correlation.

    `independent` False: the run is too short, no batches within it are far enough from one another; the interval says
    less than it claims.
    """

    interval: Interval
    length: int
    lag1: float
    independent: bool


def lag1(values: Floats) -> float:
    """Return the correlation of each value with the next one; 0 where all are equal."""
    away = values - values.mean()
    total = float(away @ away)
    return float(away[:-1] @ away[1:]) / total if total else 0.0


def batch_means(series: Floats, confidence: float = CONFIDENCE) -> BatchMeans:
    """Return the interval of a long run's mean from 30 batches, doubled until neighbours are hardly correlated.

    Hardly means a lag-1 correlation of batch means within ±0.25. Raises ValueError for a run without 30 observations.
    """
    if len(series) < BATCHES:
        raise ValueError(f"batch means need a run of at least {BATCHES} observations, there are {len(series)}")
    length = len(series) // BATCHES
    while True:
        count = len(series) // length
        means = np.asarray(series[len(series) - count * length :]).reshape(count, length).mean(axis=1)
        found = lag1(means)
        independent = abs(found) <= MOST_CORRELATED
        if independent or count // 2 < LEAST_BATCHES:
            return BatchMeans(mean_interval(means, confidence), length, found, independent)
        length *= 2
