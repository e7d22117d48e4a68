"""Distributions that are what was measured, and what lies beyond it.

Real times seldom follow a formula, so the default is the measurements themselves. They know nothing of what is rarer
than the rarest of them; where p99 is asked for and a thousand were measured, the part above their 95th percentile is a
generalised Pareto distribution (Pickands, 1975), fitted by probability-weighted moments (Hosking and Wallis, 1987).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from simulation.streams import Floats

TAIL_FROM = 0.95
LEAST_FOR_TAIL = 1000


@dataclass(frozen=True, slots=True)
class Empirical:
    """The measured times (seconds), each as likely as the other."""

    values: Floats = field(repr=False)

    @classmethod
    def of(cls, values: Sequence[float] | Floats) -> Empirical:
        """Return the distribution of measured times. Raises ValueError if there are none, or one is no time."""
        return cls(_checked(values))

    @property
    def mean(self) -> float:
        """Return the measured mean."""
        return float(self.values.mean())

    @property
    def scv(self) -> float:
        """Return the measured variance / mean²."""
        return float(self.values.var()) / self.mean**2 if self.mean else 0.0

    def quantile(self, share: Floats) -> Floats:
        """Return the measured time at each share."""
        return self.values[(np.asarray(share) * self.values.size).astype(np.int64)]


@dataclass(frozen=True, slots=True)
class EmpiricalWithTail:
    """Measured times up to a threshold, a generalised Pareto tail (shape ξ, scale σ) above it."""

    body: Empirical
    threshold: float
    shape: float
    scale: float
    share: float = TAIL_FROM

    @classmethod
    def of(cls, values: Sequence[float] | Floats, share: float = TAIL_FROM) -> EmpiricalWithTail:
        """Return the measured times with their tail above the `share` percentile fitted.

        Raises ValueError for fewer than a thousand times, and where all above the threshold are the same.
        """
        times = _checked(values)
        if times.size < LEAST_FOR_TAIL:
            raise ValueError(f"a tail needs {LEAST_FOR_TAIL} measured times, there are {times.size}")
        cut = round(times.size * share)
        threshold = float(times[cut - 1])
        beyond = times[cut:] - threshold
        if beyond[-1] <= 0:
            raise ValueError(f"a tail needs times above {threshold:g} s, there are none")
        shape, scale = pareto_tail(beyond)
        return cls(Empirical(times[:cut]), threshold, shape, scale, share)

    @property
    def mean(self) -> float:
        """Return the mean; infinite for a tail with ξ ≥ 1."""
        if self.shape >= 1:
            return math.inf
        beyond = self.threshold + self.scale / (1 - self.shape)
        return self.share * self.body.mean + (1 - self.share) * beyond

    @property
    def scv(self) -> float:
        """Return variance / mean²; infinite for a tail with ξ ≥ 1/2."""
        if self.shape >= 0.5:
            return math.inf
        first = self.scale / (1 - self.shape)
        second = 2 * self.scale**2 / ((1 - self.shape) * (1 - 2 * self.shape))
        beyond = self.threshold**2 + 2 * self.threshold * first + second
        whole = self.share * float((self.body.values**2).mean()) + (1 - self.share) * beyond
        return whole / self.mean**2 - 1

    def quantile(self, share: Floats) -> Floats:
        """Return the measured time at each share below the tail's, and u + σ/ξ ((1 - v)^-ξ - 1) beyond."""
        share = np.asarray(share)
        inside = np.minimum(share / self.share, np.nextafter(1, 0))
        left = 1 - np.clip((share - self.share) / (1 - self.share), 0, np.nextafter(1, 0))
        if abs(self.shape) < 1e-9:
            beyond = -self.scale * np.log(left)
        else:
            beyond = self.scale / self.shape * (left**-self.shape - 1)
        return np.where(share < self.share, self.body.quantile(inside), self.threshold + beyond)


def pareto_tail(beyond: Floats) -> tuple[float, float]:
    """Return ξ and σ of a generalised Pareto distribution from excesses over a threshold, sorted upwards.

    With a0 the mean and a1 the mean of each weighted by the share above it: ξ = 2 - a0/(a0 - 2 a1) and
    σ = 2 a0 a1 / (a0 - 2 a1).
    """
    count = beyond.size
    above = 1 - (np.arange(1, count + 1) - 0.35) / count
    first, weighted = float(beyond.mean()), float((above * beyond).mean())
    spread = first - 2 * weighted
    if spread <= 0:
        return 0.0, first
    return 2 - first / spread, 2 * first * weighted / spread


def _checked(values: Sequence[float] | Floats) -> Floats:
    times = np.sort(np.asarray(values, dtype=np.float64))
    if not times.size:
        raise ValueError("there are no measured times")
    if not np.isfinite(times).all() or times[0] < 0:
        raise ValueError("measured times are finite and not negative")
    return times
