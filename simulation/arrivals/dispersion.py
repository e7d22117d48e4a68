"""Whether recorded arrivals are like Poisson's: a simulation that assumes it where they are not is surely wrong.

The index of dispersion IDC(t) = Var N(t) / E N(t) of counts in windows of t seconds is 1 for a Poisson process at every
t, above 1 for bursts (Gusella, 1991). A rate that changes slowly raises it too, and the more the longer the window,
though arrivals at such a rate are still Poisson's. So the index is also taken relative to a rate that is constant in
pieces: Σ (Nᵢ - m)² / m over each piece's counts, m the piece's mean, divided by the degrees of freedom that are left.
That is Fisher's index of dispersion (*Statistical Methods for Research Workers*, 1925), pooled over pieces: 1 for a
Poisson process whose rate changes at the pieces' edges, whatever its rates.

The pieces must be much longer than the window, or bursts would be taken for rates: none is shorter than a minute, for
windows of a second. The longest pieces that leave an index of at most 1.2 and hardly any correlation between
neighbouring counts are the ones that explain the recording; where none do, it is not Poisson's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulation.statistics.batch_means import lag1
from simulation.streams import Floats

WINDOWS = (1.0, 10.0, 60.0)
MOST_DISPERSED = 1.2
MOST_CORRELATED = 0.1
"""Correlation of neighbouring counts of a second that may be left, or what chance alone leaves of a short recording."""

PIECES = (math.inf, 3600.0, 1800.0, 600.0, 300.0, 120.0, 60.0)
"""How long the rate may be taken for constant (seconds), the longest first; infinite: all along."""

LEAST_PIECES = 3
"""Whole pieces that a recording must have for them to be looked at."""


@dataclass(frozen=True, slots=True)
class Dispersion:
    """IDC at 1, 10 and 60 s, the correlation of neighbouring counts of 1 s, and the gaps' coefficient of variation.

    `piece` is how long the rate is taken for constant, None where no such pieces make Poisson arrivals of these;
    `relative` and `left` are the index at 1 s and the correlation that remain relative to that rate (or to that of the
    shortest pieces).
    """

    indices: tuple[float, ...]
    correlation: float
    gap_variation: float
    piece: float | None
    relative: float
    left: float

    @property
    def like_poisson(self) -> bool:
        """Say whether counts of a second vary no more than Poisson's at one rate would: at most 1.2 times as much."""
        return self.indices[0] <= MOST_DISPERSED

    @property
    def nearly_poisson(self) -> bool:
        """Say whether Poisson arrivals, perhaps with a rate that changes, may stand for these."""
        return self.piece is not None


def dispersion(times: Floats) -> Dispersion:
    """Return how recorded instants (seconds, ascending) are dispersed. Raises ValueError for less than two minutes."""
    length = float(times[-1] - times[0]) if times.size else 0.0
    if length < 2 * WINDOWS[-1]:
        needed = 2 * WINDOWS[-1]
        raise ValueError(f"the test for Poisson arrivals needs a recording of {needed:g} s, this has {length:g} s")
    counts = [counted(times, window) for window in WINDOWS]
    gaps = np.diff(times)
    indices = tuple(float(each.var(ddof=1) / each.mean()) for each in counts)
    correlation = lag1(counts[0])
    piece, (relative, left) = _explained(counts[0])
    return Dispersion(indices, correlation, float(gaps.std() / gaps.mean()), piece, relative, left)


def counted(times: Floats, window: float) -> Floats:
    """Return how many arrivals each whole window of `window` seconds has, from the first arrival on."""
    whole = int((times[-1] - times[0]) // window)
    edges = times[0] + window * np.arange(whole + 1)
    return np.histogram(times, edges)[0].astype(np.float64)


def relative_dispersion(counts: Floats, per_piece: int) -> tuple[float, float]:
    """Return the index of counts relative to the mean of their piece, and the correlation of what is left over.

    `per_piece` counts make a piece; what is left of a last one is left out.
    """
    whole = counts.size // per_piece * per_piece
    rows = counts[:whole].reshape(-1, per_piece)
    means = rows.mean(axis=1, keepdims=True)
    away = rows - means
    some = means[:, 0] > 0
    squares = (away[some] ** 2 / means[some]).sum()
    return float(squares / (some.sum() * (per_piece - 1))), lag1(away.ravel())


def _explained(counts: Floats) -> tuple[float | None, tuple[float, float]]:
    allowed = max(MOST_CORRELATED, 2 / math.sqrt(counts.size))
    found = (math.inf, 1.0)
    for piece in PIECES:
        per_piece = counts.size if math.isinf(piece) else int(piece / WINDOWS[0])
        if not math.isinf(piece) and counts.size < LEAST_PIECES * per_piece:
            continue
        found = relative_dispersion(counts, per_piece)
        if found[0] <= MOST_DISPERSED and found[1] <= allowed:
            return piece, found
    return None, found
