"""Comparing set-ups on common random numbers, and saying whether two things are the same for practical purposes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulation.streams import Floats

from .intervals import CONFIDENCE, Interval, mean_interval

PASS, FAIL, CANNOT_TELL = "pass", "fail", "cannot tell yet"


def paired_difference(
    ones: Sequence[float] | Floats, others: Sequence[float] | Floats, confidence: float = CONFIDENCE
) -> Interval:
    """Return the interval of the mean of `others` - `ones`, replication by replication.

    Raises ValueError where the two have different numbers of replications.
    """
    return mean_interval(_differences(ones, others), confidence)


def variance_reduction(ones: Sequence[float] | Floats, others: Sequence[float] | Floats) -> float:
    """Return how many times smaller the paired difference's variance is than with independent seeds.

    With independent seeds it would be the sum of the two variances. Infinite where the paired one is nil.
    """
    paired = float(np.var(_differences(ones, others), ddof=1))
    independent = float(np.var(ones, ddof=1) + np.var(others, ddof=1))
    return independent / paired if paired else float("inf")


def compare_with(
    base: Sequence[float] | Floats, others: Mapping[str, Sequence[float] | Floats], confidence: float = CONFIDENCE
) -> dict[str, Interval]:
    """Return each one's paired difference to `base`, all of which hold together with `confidence`.

    By Bonferroni's inequality: each of k intervals at 1 - (1 - confidence) / k.
    """
    each = 1 - (1 - confidence) / max(1, len(others))
    return {name: paired_difference(base, values, each) for name, values in others.items()}


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Whether a relative difference is within ±`margin`: its 90 % interval must lie wholly inside."""

    difference: Interval
    margin: float

    @property
    def equivalent(self) -> bool:
        """Say whether the two are the same within the margin (two one-sided tests at 5 %: Schuirmann, 1987)."""
        return -self.margin <= self.difference.low and self.difference.high <= self.margin


def equivalence(predicted: Sequence[float] | Floats, measured: Sequence[float] | Floats, margin: float) -> Equivalence:
    """Return whether predicted and measured values, pair by pair, are within ±`margin` of the measured mean."""
    scale = abs(float(np.mean(measured)))
    differences = -_differences(predicted, measured)
    return Equivalence(mean_interval(differences / scale if scale else differences, 0.90), margin)


def verdict(interval: Interval, *, at_most: float) -> str:
    """Return whether a figure that should be `at_most` so much is: pass, fail, or that it cannot be told yet."""
    if interval.high <= at_most:
        return PASS
    return FAIL if interval.low > at_most else CANNOT_TELL


def more_to_tell(interval: Interval, *, at_most: float) -> int:
    """Return about how many more replications tell on which side of `at_most` the figure is; 0 if that is told."""
    if verdict(interval, at_most=at_most) != CANNOT_TELL:
        return 0
    distance = abs(interval.mean - at_most)
    if distance * 32 <= interval.half_width:
        return 1024 * interval.count
    return max(1, round(interval.count * ((interval.half_width / distance) ** 2 - 1)))


def _differences(ones: Sequence[float] | Floats, others: Sequence[float] | Floats) -> Floats:
    if len(ones) != len(others):
        raise ValueError(f"pairs need as many of both, there are {len(ones)} and {len(others)}")
    return np.asarray(others, dtype=np.float64) - np.asarray(ones, dtype=np.float64)
