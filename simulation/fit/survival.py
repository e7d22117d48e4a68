"""Times of which some are only known to be longer than what was seen: the product-limit estimate.

S(t) = Π_{tᵢ ≤ t} (1 - dᵢ/nᵢ), with dᵢ ends seen at tᵢ and nᵢ attempts still under way just before (Kaplan and Meier,
"Nonparametric estimation from incomplete observations", JASA 53, 1958). Where the longest times are censored, S does
not fall to 0: how the rest goes on is not known. That part is given one time, `BEYOND` times the longest one seen, so
that what timed out times out again; whoever uses it must say so (`rest`). Without censoring this is the plain sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulation.streams import Floats

Flags = NDArray[np.bool_]

BEYOND = 1.1
"""The time of what took longer than anything seen, by the longest seen."""


@dataclass(frozen=True, slots=True)
class Survival:
    """Distinct times at which ends were seen (seconds, ascending), the share of attempts that ends at each, the rest.

    `longest` is the longest time seen, whether to its end or not.
    """

    times: Floats
    shares: Floats
    rest: float
    longest: float

    def beyond(self) -> float:
        """Return the time that stands for the rest (seconds)."""
        return self.longest * BEYOND

    def quantile(self, share: float) -> float | None:
        """Return the time that so many attempts do not exceed; None where the recording does not reach so far."""
        reached = np.cumsum(self.shares)
        place = int(np.searchsorted(reached, share - 1e-12))
        return float(self.times[place]) if place < self.times.size else None

    def cumulative(self) -> Floats:
        """Return the share that has ended at each of `times`."""
        return np.cumsum(self.shares)

    def values(self, count: int) -> Floats:
        """Return `count` times (seconds, ascending), each as likely as the other, with the very same mean.

        Each is the mean over its part of the distribution, so that a few hundred stand for many thousand.
        """
        times, shares = self.times, self.shares
        if self.rest > 1e-12:
            times, shares = np.append(times, self.beyond()), np.append(shares, self.rest)
        reached = np.concatenate([[0.0], np.cumsum(shares)])
        spent = np.concatenate([[0.0], np.cumsum(shares * times)])
        edges = np.interp(np.linspace(0, reached[-1], count + 1), reached, spent)
        return np.maximum.accumulate(np.diff(edges) * count / reached[-1])


def kaplan_meier(times: Floats, seen: Flags) -> Survival:
    """Return the estimate from times (seconds), each seen to its end or not. Raises ValueError for none seen."""
    if not seen.any():
        raise ValueError(f"of {times.size} attempts not one was seen to its end")
    order = np.lexsort((~seen, times))
    times, seen = times[order], seen[order]
    ends, first = np.unique(times[seen], return_index=False), np.searchsorted(times, np.unique(times[seen]))
    at_risk = times.size - first
    ended = np.searchsorted(times[seen], ends, side="right") - np.searchsorted(times[seen], ends, side="left")
    left = np.cumprod(1 - ended / at_risk)
    shares = -np.diff(np.concatenate([[1.0], left]))
    return Survival(ends, shares, float(max(0.0, left[-1])) if left[-1] > 1e-12 else 0.0, float(times[-1]))
