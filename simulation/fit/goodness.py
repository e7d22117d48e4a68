"""How well a fitted family holds: distances between what was measured and the family, and how likely worse ones are.

The parameters come from the same sample, so the textbook tables of Kolmogorov-Smirnov and Anderson-Darling are too
generous. Their p-values are found by a parametric bootstrap instead (Stute, Gonzáles Manteiga and Presedo Quindimil,
"Bootstrap based goodness-of-fit tests", Metrika 40, 1993): samples are drawn from the fitted family, bounded as the
recording was, the family is fitted to each anew, and p = (1 + #{distance ≥ the measured one}) / (1 + samples).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from simulation.service_models.distributions import sample
from simulation.streams import Floats

from .families import Fitted, fit
from .survival import Flags, Survival, kaplan_meier

BOOTSTRAPS = 99
MOST_TESTED = 200
"""Times that are tested at most, drawn at random from a longer recording: each bootstrap sample is as long."""

POINTS = 21


@dataclass(frozen=True, slots=True)
class Goodness:
    """A family's distances from the measured times, their bootstrap p-values, and how many times were tested.

    `anderson_darling` is None where times are censored: the statistic is one of whole samples.
    """

    family: str
    ks: float
    ks_p: float
    anderson_darling: float | None
    anderson_darling_p: float | None
    tested: int


def goodness(fitted: Fitted, times: Floats, seen: Flags, chance: Generator, bootstraps: int = BOOTSTRAPS) -> Goodness:
    """Return how well a fitted family holds for times (seconds) of which some were not seen to their end."""
    if times.size > MOST_TESTED:
        chosen = np.sort(chance.choice(times.size, MOST_TESTED, replace=False))
        times, seen = times[chosen], seen[chosen]
        if not seen.any():
            seen = np.ones_like(seen)
        fitted = fit(fitted.family, times[seen], times[~seen], fitted.parameters)
    whole = bool(seen.all())
    distance, square = _distances(fitted, times, seen, whole)
    bounds = None if whole else kaplan_meier(times, ~seen)
    worse_ks = worse_square = 0
    for _ in range(bootstraps):
        drawn, drawn_seen = _bounded(sample(fitted.distribution, chance, times.size), bounds, chance)
        again = fit(fitted.family, drawn[drawn_seen], drawn[~drawn_seen], fitted.parameters)
        other, other_square = _distances(again, drawn, drawn_seen, whole)
        worse_ks += other >= distance
        worse_square += whole and other_square >= square
    share = 1.0 / (1 + bootstraps)
    return Goodness(
        family=fitted.family.name,
        ks=distance,
        ks_p=(1 + worse_ks) * share,
        anderson_darling=square if whole else None,
        anderson_darling_p=(1 + worse_square) * share if whole else None,
        tested=int(times.size),
    )


def quantile_pairs(survival: Survival, fitted: Fitted) -> list[tuple[float, float]]:
    """Return points of a QQ plot: what the family says and what was measured (seconds), at evenly spaced shares.

    Shares that the recording does not reach are left out.
    """
    shares = (np.arange(POINTS) + 0.5) / POINTS
    grid = (np.arange(4096) + 0.5) / 4096
    said = np.quantile(fitted.distribution.quantile(grid), shares)
    pairs = [(float(each), survival.quantile(float(share))) for share, each in zip(shares, said, strict=True)]
    return [(one, other) for one, other in pairs if other is not None]


def _distances(fitted: Fitted, times: Floats, seen: Flags, whole: bool) -> tuple[float, float]:
    survival = kaplan_meier(times, seen)
    said, after = fitted.reached(survival.times), survival.cumulative()
    before = after - survival.shares
    distance = float(max(np.abs(after - said).max(), np.abs(said - before).max()))
    return distance, _anderson_darling(fitted, times) if whole else 0.0


def _anderson_darling(fitted: Fitted, times: Floats) -> float:
    """Return A² = -n - Σ (2i-1)/n (ln F(xᵢ) + ln(1 - F(xₙ₊₁₋ᵢ))) (Anderson and Darling, 1954)."""
    count = times.size
    reached = np.clip(fitted.reached(np.sort(times)), 1e-12, 1 - 1e-12)
    weights = (2 * np.arange(1, count + 1) - 1) / count
    return float(-count - (weights * (np.log(reached) + np.log1p(-reached[::-1]))).sum())


def _bounded(drawn: Floats, bounds: Survival | None, chance: Generator) -> tuple[Floats, Flags]:
    """Return times as a recording with such bounds would have seen them, and which of them to their end."""
    if bounds is None:
        return drawn, np.ones(drawn.size, dtype=np.bool_)
    reached = np.searchsorted(bounds.cumulative(), chance.random(drawn.size))
    limits = np.append(bounds.times, np.inf)[np.minimum(reached, bounds.times.size)]
    seen = drawn <= limits
    if not seen.any():
        seen[int(np.argmin(drawn))] = True
    return np.minimum(drawn, limits), seen
