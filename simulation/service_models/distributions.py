"""Distributions with a formula. All times are seconds; each turns even draws in [0, 1) into times by its quantile.

One draw makes one time, so that draws can be keyed by (job, attempt) and two set-ups meet the same times. `scv` is the
squared coefficient of variation, variance / mean².
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator
from scipy.special import gammaincinv, ndtri

from simulation.streams import Floats

_LEAST = 2.0**-54
"""Half of the smallest step between draws: where a quantile at 0 would be infinitely far away."""


class Distribution(Protocol):
    """What may be asked of a distribution of times."""

    @property
    def mean(self) -> float:
        """Return the expected time in seconds."""

    @property
    def scv(self) -> float:
        """Return variance / mean²; infinite where the tail is too heavy for a variance."""

    def quantile(self, share: Floats) -> Floats:
        """Return the times (seconds) that even draws `share` in [0, 1) stand for."""


def sample(distribution: Distribution, chance: Generator, count: int) -> Floats:
    """Return `count` times drawn from `chance`, in seconds."""
    return distribution.quantile(chance.random(count))


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same time."""

    mean: float

    @property
    def scv(self) -> float:
        """Return 0."""
        return 0.0

    def quantile(self, share: Floats) -> Floats:
        """Return the one time, as often as asked."""
        return np.full(np.shape(share), self.mean)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Times without memory."""

    mean: float

    @property
    def scv(self) -> float:
        """Return 1."""
        return 1.0

    def quantile(self, share: Floats) -> Floats:
        """Return -mean ln(1 - share)."""
        return -self.mean * np.log1p(-share)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Times whose logarithm is normal, given by mean and scv."""

    mean: float
    scv: float

    @classmethod
    def by_percentiles(cls, *, p50: float, p99: float) -> Lognormal:
        """Return the one with this median and this 99th percentile. Raises ValueError unless p99 > p50 > 0."""
        if not p99 > p50 > 0:
            raise ValueError(f"p99 ({p99:g} s) must be more than p50 ({p50:g} s), and that more than 0")
        sigma = math.log(p99 / p50) / float(ndtri(0.99))
        return cls(p50 * math.exp(sigma * sigma / 2), math.expm1(sigma * sigma))

    def quantile(self, share: Floats) -> Floats:
        """Return exp(m + s z) with s² = ln(1 + scv), m = ln mean - s²/2."""
        variance = math.log1p(self.scv)
        z = ndtri(np.maximum(share, _LEAST))
        times: Floats = np.exp(math.log(self.mean) - variance / 2 + math.sqrt(variance) * z)
        return times


@dataclass(frozen=True, slots=True)
class Gamma:
    """Gamma times, given by mean and scv; with scv 1/k it is Erlang's with k phases."""

    mean: float
    scv: float

    def quantile(self, share: Floats) -> Floats:
        """Return mean scv P⁻¹(1/scv, share), P the regularised incomplete gamma function."""
        times: Floats = self.mean * self.scv * gammaincinv(1 / self.scv, share)
        return times


@dataclass(frozen=True, slots=True)
class Weibull:
    """Weibull times: with `shape` below 1 the longer it took, the longer it still takes."""

    shape: float
    scale: float

    @property
    def mean(self) -> float:
        """Return scale Γ(1 + 1/shape)."""
        return self.scale * math.gamma(1 + 1 / self.shape)

    @property
    def scv(self) -> float:
        """Return Γ(1 + 2/shape) / Γ(1 + 1/shape)² - 1."""
        return float(math.gamma(1 + 2 / self.shape) / math.gamma(1 + 1 / self.shape) ** 2 - 1)

    def quantile(self, share: Floats) -> Floats:
        """Return scale (-ln(1 - share))^(1/shape)."""
        return self.scale * (-np.log1p(-share)) ** (1 / self.shape)


@dataclass(frozen=True, slots=True)
class HyperExponential:
    """Two kinds of exponential times: with probability `share` of mean `one`, else of mean `other`."""

    share: float
    one: float
    other: float

    @classmethod
    def balanced(cls, mean: float, scv: float) -> HyperExponential:
        """Return the one in which both kinds make up half of the work. Raises ValueError for an scv below 1."""
        if scv < 1:
            raise ValueError(f"a hyper-exponential's scv is at least 1, {scv:g} is not")
        share = (1 + math.sqrt((scv - 1) / (scv + 1))) / 2
        return cls(share, mean / (2 * share), mean / (2 * (1 - share)))

    @property
    def mean(self) -> float:
        """Return the mixture's mean."""
        return self.share * self.one + (1 - self.share) * self.other

    @property
    def scv(self) -> float:
        """Return the mixture's variance / mean²."""
        second = 2 * (self.share * self.one**2 + (1 - self.share) * self.other**2)
        return second / self.mean**2 - 1

    def quantile(self, share: Floats) -> Floats:
        """Return times of the kind that the draw falls to, by where in that kind's part it falls.

        This is not the mixture's quantile function (that has no formula), but it makes the mixture of even draws.
        """
        first = share < self.share
        within = np.where(first, share / self.share, (share - self.share) / max(1 - self.share, _LEAST))
        return -np.where(first, self.one, self.other) * np.log1p(-np.minimum(within, 1 - _LEAST * 2))
