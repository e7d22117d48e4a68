"""What a step's times depend on, beside chance: the size of the input, and how much else was under way.

A simulation draws times that know of neither, nor of the other times of their execution, so it says where they
matter. Spearman's rank correlation asks no more
than that one grows with the other. Load counts the other calls of the same service that were under way when a call
began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from simulation.streams import Floats

LEAST = 30
NOTABLE = 0.2
SURE = 0.01
CLASSES = 5
"""Sizes are compared in classes: fifths of the executions by their input's bytes."""

MOST_KINDS = 12
"""Kinds of calls whose times are compared in pairs."""

Instants = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's ρ and its p-value (by the t approximation)."""

    rho: float
    p: float

    @property
    def notable(self) -> bool:
        """Say whether it is sure and large enough to matter."""
        return self.p < SURE and abs(self.rho) >= NOTABLE

    def as_json(self) -> dict[str, float]:
        """Return it as a report carries it."""
        return {"rho": round(self.rho, 3), "p": round(self.p, 5)}


def correlation(values: Floats, times: Floats) -> Correlation | None:
    """Return how the times go with values, None where there are too few or all are the same."""
    if times.size < LEAST or np.ptp(values) == 0 or np.ptp(times) == 0:
        return None
    found = spearmanr(values, times)
    return Correlation(float(found.statistic), float(found.pvalue))


def size_classes(sizes: Floats) -> Floats:
    """Return for each size its class, 0 to 4: how many of the fifths' bounds it lies above."""
    bounds = np.quantile(sizes, np.arange(1, CLASSES) / CLASSES)
    return np.searchsorted(bounds, sizes, side="left").astype(np.float64)


def together(executions: Sequence[str], kinds: Sequence[str], times: Floats) -> Correlation | None:
    """Return how the times of different kinds of calls of one execution go with one another: the strongest such pair.

    The p-value is multiplied by the number of pairs (Bonferroni). None where no two kinds have enough executions.
    """
    by_kind: dict[str, dict[str, float]] = {}
    for execution, kind, time in zip(executions, kinds, times.tolist(), strict=True):
        by_kind.setdefault(kind, {}).setdefault(execution, time)
    found = []
    for one, other in combinations(sorted(by_kind)[:MOST_KINDS], 2):
        both = sorted(by_kind[one].keys() & by_kind[other].keys())
        pair = correlation(
            np.array([by_kind[one][each] for each in both]), np.array([by_kind[other][each] for each in both])
        )
        if pair is not None:
            found.append(pair)
    if not found:
        return None
    strongest = max(found, key=lambda each: abs(each.rho))
    return Correlation(strongest.rho, min(1.0, strongest.p * len(found)))


def loads(began: Instants, ended: Instants) -> Floats:
    """Return for each call how many others were under way when it began. Instants are microseconds, in any order."""
    order = np.sort(began)
    begun = np.searchsorted(order, began, side="right")
    over = np.searchsorted(np.sort(ended), began, side="right")
    return np.maximum(begun - over - 1, 0).astype(np.float64)
