"""Whether recorded arrivals are like Poisson's: a simulation that assumes it where they are not is surely wrong.

The index of dispersion IDC(t) = Var N(t) / E N(t) of counts in windows of t seconds is 1 for a Poisson process at every
t, above 1 for bursts (Gusella, 1991).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulation.statistics.batch_means import lag1
from simulation.streams import Floats

WINDOWS = (1.0, 10.0, 60.0)
MOST_DISPERSED = 1.2
NEARLY = 2.0
"""Up to here a rate that changes with time, or a mild burst, explains the counts; beyond it Poisson is refused."""


@dataclass(frozen=True, slots=True)
class Dispersion:
    """IDC at 1, 10 and 60 s, the correlation of neighbouring counts of 1 s, and the gaps' coefficient of variation."""

    indices: tuple[float, ...]
    correlation: float
    gap_variation: float

    @property
    def like_poisson(self) -> bool:
        """Say whether counts of a second vary no more than Poisson's would: at most 1.2 times as much."""
        return self.indices[0] <= MOST_DISPERSED

    @property
    def nearly_poisson(self) -> bool:
        """Say whether Poisson arrivals, perhaps with a rate that changes, may stand for these."""
        return self.indices[0] <= NEARLY and self.gap_variation <= NEARLY


def dispersion(times: Floats) -> Dispersion:
    """Return how recorded instants (seconds, ascending) are dispersed. Raises ValueError for less than two minutes."""
    length = float(times[-1] - times[0]) if times.size else 0.0
    if length < 2 * WINDOWS[-1]:
        needed = 2 * WINDOWS[-1]
        raise ValueError(f"the test for Poisson arrivals needs a recording of {needed:g} s, this has {length:g} s")
    counts = [_counts(times, window) for window in WINDOWS]
    gaps = np.diff(times)
    indices = tuple(float(each.var(ddof=1) / each.mean()) for each in counts)
    return Dispersion(indices, lag1(counts[0]), float(gaps.std() / gaps.mean()))


def _counts(times: Floats, window: float) -> Floats:
    whole = int((times[-1] - times[0]) // window)
    edges = times[0] + window * np.arange(whole + 1)
    return np.histogram(times, edges)[0].astype(np.float64)
