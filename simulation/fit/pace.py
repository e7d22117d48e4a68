"""Slowness that belongs to an execution: a large order takes long at every step.

The logarithm of a call's time relative to the median of its kind is taken apart into a part of its execution and a
part of its own (one-way analysis of variance with random effects; Searle, Casella and McCulloch, "Variance
Components", 1992). Where the executions' part is sure (F test) and not small, executions are of two parts. Those that
lie further from the middle than chance would bring one of them (by a scale that outliers do not move: the median
deviation) have the pace exp(their mean - the middle). Of the others the parts are asked for again: were the slow ones
among them, they would all seem to differ. If theirs is sure and not small, each has a pace exp(√λ · (its mean -
theirs)), where for its n calls λ = σ²a / (σ²a + σ²w / n). √λ rather than λ keeps the paces' variance at σ²a, where the
best guess of each by itself would be too timid together (Louis, "Estimating a population of parameter values", 1984).

Times are then those without their execution's pace, scaled so that mean times stay what they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import norm

from simulation.streams import Floats

from .dependence import Instants
from .survival import Flags

SURE = 0.01
NOTABLE = 0.1
"""Share of the variance that lies between executions from which it is modelled."""

LEAST_EXECUTIONS = 30
NORMAL_BY_DEVIATION = 1.4826
"""A normal distribution's standard deviation by its median absolute deviation."""


@dataclass(frozen=True, slots=True)
class Paces:
    """How many times as long an execution's calls take, by its id; none: time does not belong to executions.

    `between` is the share of the variance of logarithms that lies between executions, `p` that of the F test (None: too
    few to tell).
    """

    of: Mapping[str, float] = field(default_factory=dict)
    between: float = 0.0
    p: float | None = None

    def as_json(self) -> dict[str, Any] | None:
        """Return it as a report carries it."""
        if self.p is None:
            return None
        return {"between": round(self.between, 4), "p": round(self.p, 6), "modelled": bool(self.of)}


def paces(executions: Sequence[str], kinds: Sequence[str], times: Floats) -> Paces:
    """Return the paces of executions by the times (seconds, seen to their end) of their calls of several kinds."""
    usable = times > 0
    if usable.sum() < LEAST_EXECUTIONS:
        return Paces()
    names, whose = np.unique(np.asarray(executions)[usable], return_inverse=True)
    if names.size < LEAST_EXECUTIONS:
        return Paces()
    logs = _relative(np.asarray(kinds)[usable], np.log(times[usable]))
    whole = _parts(logs, whose, names.size)
    if whole is None or not whole.notable:
        return Paces() if whole is None else Paces({}, whole.share, whole.p)
    outlying = _outlying(whole)
    offsets = np.where(outlying, whole.means - float(np.median(whole.means)), 0.0)
    rest = _parts(logs, np.where(outlying[whose], -1, whose), names.size)
    if rest is not None and rest.notable:
        shrunk = np.sqrt(rest.between / (rest.between + rest.within / np.maximum(1, rest.counts)))
        offsets = np.where(outlying, offsets, shrunk * (rest.means - rest.mean))
    if not offsets.any():
        return Paces({}, whole.share, whole.p)
    found = {str(name): float(each) for name, each in zip(names.tolist(), np.exp(offsets).tolist(), strict=True)}
    return Paces(found, whole.share, whole.p)


@dataclass(frozen=True, slots=True)
class _Parts:
    """An analysis of variance: by execution how many calls and their mean, and both components of the variance."""

    counts: Floats
    means: Floats
    mean: float
    between: float
    within: float
    p: float

    @property
    def share(self) -> float:
        return self.between / (self.between + self.within)

    @property
    def notable(self) -> bool:
        return self.p < SURE and self.share >= NOTABLE


def _parts(logs: Floats, whose: Instants, names: int) -> _Parts | None:
    """Return the parts of logarithms by their execution's number (-1: left out), None where too few are there."""
    kept = whose >= 0
    logs, whose = logs[kept], whose[kept]
    counts = np.bincount(whose, minlength=names).astype(np.float64)
    groups, total = int((counts > 0).sum()), float(counts.sum())
    if groups < LEAST_EXECUTIONS or total - groups < LEAST_EXECUTIONS:
        return None
    means = np.bincount(whose, weights=logs, minlength=names) / np.maximum(1, counts)
    within = float(((logs - means[whose]) ** 2).sum()) / (total - groups)
    if within <= 0:
        return None
    spread = float((counts * (means - logs.mean()) ** 2).sum()) / (groups - 1)
    size = (total - float((counts**2).sum()) / total) / (groups - 1)
    p = float(f_distribution.sf(spread / within, groups - 1, total - groups))
    return _Parts(counts, means, float(logs.mean()), max(0.0, (spread - within) / size), within, p)


def _outlying(parts: _Parts) -> Flags:
    """Return which executions lie further from the middle than of so many half a one would by chance."""
    away = np.abs(parts.means - float(np.median(parts.means)))
    own = parts.within / parts.counts
    scale = (NORMAL_BY_DEVIATION * float(np.median(away))) ** 2
    between = max(0.0, scale - float(np.median(own)))
    found: Flags = away > float(norm.isf(0.25 / parts.counts.size)) * np.sqrt(between + own)
    return found


def without_pace(executions: Sequence[str], times: Floats, found: Paces) -> Floats:
    """Return times (seconds) as they would be at the usual pace.

    They are scaled so that time and pace, drawn apart, have the mean that the times had.
    """
    if not found.of or not times.size:
        return times
    pace = np.array([found.of.get(each, 1.0) for each in executions])
    usual = times / pace
    expected = float(usual.mean()) * float(pace.mean())
    return usual * (float(times.mean()) / expected) if expected > 0 else usual


def _relative(kinds: Any, logs: Floats) -> Floats:
    relative = logs.copy()
    for kind in np.unique(kinds):
        of_kind = kinds == kind
        relative[of_kind] -= np.median(logs[of_kind])
    return relative
