"""Means and percentiles over independent replications, each with the interval that it lies in.

Replications are independent by their streams, so the mean over R of them is within t_{(1+c)/2, R-1} s / sqrt(R) of the
truth with confidence c (Law, Simulation Modeling and Analysis, 5th ed., 9.4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from simulation.streams import Floats

CONFIDENCE = 0.95
LEAST_TAIL = 100
"""Observations of one replication that must lie beyond a percentile for it to be told."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and where the truth is with `confidence`; `count` is how many values it rests on."""

    mean: float
    low: float
    high: float
    count: int
    confidence: float = CONFIDENCE

    @property
    def half_width(self) -> float:
        """Return half of the interval's width."""
        return (self.high - self.low) / 2

    @property
    def relative(self) -> float:
        """Return the half-width as a share of the mean; infinite where the mean is 0 and the half-width is not."""
        if not self.half_width:
            return 0.0
        return self.half_width / abs(self.mean) if self.mean else math.inf

    def holds(self, value: float) -> bool:
        """Say whether `value` lies in the interval."""
        return self.low <= value <= self.high

    def as_json(self) -> dict[str, float | int]:
        """Return the interval as reports carry it."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "replications": self.count}


def t_quantile(share: float, degrees: int) -> float:
    """Return the quantile of Student's t distribution with `degrees` of freedom."""
    return float(stdtrit(degrees, share))


def mean_interval(values: Sequence[float] | Floats, confidence: float = CONFIDENCE) -> Interval:
    """Return the mean of independent values with its t interval. Raises ValueError for fewer than two."""
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:
        raise ValueError(f"an interval needs at least two replications, there are {array.size}")
    mean = float(array.mean())
    half = t_quantile((1 + confidence) / 2, array.size - 1) * float(array.std(ddof=1)) / math.sqrt(array.size)
    return Interval(mean, mean - half, mean + half, array.size, confidence)


def percentile(values: ArrayLike, share: float) -> float:
    """Return the `share` percentile of one replication's observations (share in (0, 1), by order statistics)."""
    return float(np.quantile(np.asarray(values, dtype=np.float64), share, method="inverted_cdf"))


def enough_for(share: float, count: int) -> bool:
    """Say whether `count` observations a replication are enough to tell the `share` percentile."""
    return round(count * (1 - share), 9) >= LEAST_TAIL


def percentile_interval(replications: Sequence[Floats], share: float, confidence: float = CONFIDENCE) -> Interval:
    """Return the t interval of each replication's percentile. `replications` are arrays of observations.

    Raises ValueError where a replication is too short for it: n(1 - share) must be 100 at least.
    """
    for place, each in enumerate(replications):
        if not enough_for(share, len(each)):
            needed = math.ceil(LEAST_TAIL / (1 - share) - 1e-9)
            raise ValueError(
                f"the {share:.3%} percentile needs {needed} observations a replication, number {place} has {len(each)}"
            )
    return mean_interval([percentile(each, share) for each in replications], confidence)


def pooled_percentile(replications: Sequence[Floats], share: float, confidence: float = CONFIDENCE) -> Interval:
    """Return the percentile of all observations together with its order-statistic interval: a check on the other.

    It takes observations for independent, so it is too narrow where they follow one another closely.
    """
    pooled = np.sort(np.concatenate([np.asarray(each, dtype=np.float64) for each in replications]))
    count = pooled.size
    spread = float(ndtri((1 + confidence) / 2)) * math.sqrt(count * share * (1 - share))
    low = max(0, math.floor(count * share - spread) - 1)
    high = min(count - 1, math.ceil(count * share + spread))
    middle = min(count - 1, max(0, math.ceil(count * share) - 1))
    return Interval(float(pooled[middle]), float(pooled[low]), float(pooled[high]), len(replications), confidence)
