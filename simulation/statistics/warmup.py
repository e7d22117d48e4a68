"""Where the warm-up ends: MSER-5, computed once on the average of all replications and applied to each.

A run that starts empty is too good to be true at first. MSER (White, "An effective truncation heuristic for bias
reduction in simulation output", 1997) cuts where the rest's own standard error is smallest; on batches of five it is
the rule that did best in comparisons (Hoad and Robinson, 2011). For questions about a change (a sale, an outage)
nothing is cut: there is no steady state to wait for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulation.streams import Floats

BATCH = 5
LATE = 0.9
"""A cut beyond this share of the allowed range means that no steady state was found."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How many observations to leave out at the beginning, and whether what is left looks steady."""

    dropped: int
    steady: bool


def mser5(series: Floats) -> WarmUp:
    """Return where the warm-up of a series of observations ends (mean over replications, in order).

    Of batch means b_1 … b_n it takes the d in 0 … n/2 - 1 that makes the sum over i > d of (b_i - mean)^2 smallest,
    divided by (n - d)^2. A series of fewer than four batches is left as it is, and not called steady.
    """
    count = len(series) // BATCH
    if count < 4:
        return WarmUp(0, steady=False)
    batches = np.asarray(series[: count * BATCH], dtype=np.float64).reshape(count, BATCH).mean(axis=1)
    # Sums of squares lose digits far from zero.
    batches = batches - batches.mean()
    allowed = count // 2
    rest = np.cumsum(batches[::-1])[::-1][:allowed]
    squares = np.cumsum((batches * batches)[::-1])[::-1][:allowed]
    left = count - np.arange(allowed, dtype=np.float64)
    cut = int(np.argmin(np.maximum(squares - rest * rest / left, 0.0) / (left * left)))
    return WarmUp(cut * BATCH, steady=cut < LATE * allowed)


def average_series(replications: Sequence[Floats]) -> Floats:
    """Return the mean over replications, observation by observation, as far as the shortest one goes."""
    length = min(len(each) for each in replications)
    total = np.zeros(length)
    for each in replications:
        total += each[:length]
    return total / len(replications)


def without_warm_up(replications: Sequence[Floats]) -> tuple[list[Floats], WarmUp]:
    """Return the replications without their common warm-up, and where it ended."""
    found = mser5(average_series(replications))
    return [each[found.dropped :] for each in replications], found
