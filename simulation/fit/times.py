"""A model of a step's times, by how many were recorded.

Fewer than 30: the times themselves, with a warning. 30 to 200: the best of five families by AIC. From 200 on the times
themselves again, since real ones seldom follow a formula; where p99 is promised and a thousand were measured, with a
generalised Pareto tail above their 95th percentile. Times that were only bounded enter by the product-limit estimate
(survival.py) and by the families' censored likelihood (families.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import ks_2samp

from simulation.service_models.empirical import LEAST_FOR_TAIL
from simulation.streams import Floats, Streams

from .families import Fitted, fit_all
from .goodness import Goodness, goodness, quantile_pairs
from .survival import Flags, Survival, kaplan_meier

FEW, MANY = 30, 200
VALUES, VALUES_WITH_TAIL = 250, LEAST_FOR_TAIL
"""How many times stand for a recording in a scenario."""

MOST_CLIMBED = 1000
"""Times that the families are fitted to at most, drawn at random."""

SURE = 0.01
DRIFTS = 0.10
"""A change between the halves of a recording is worth a word if it is sure (p) and so large (KS)."""


class BeyondTheData(ValueError):
    """What was asked lies beyond anything that was recorded."""


@dataclass(frozen=True, slots=True)
class TimesFit:
    """The model of one sample of times, with all that is to be known of where it comes from. Times are seconds.

    `how` is `empirical`, `empirical with tail` or the family's name; `document` is what a scenario says. `candidates`
    are the families' AIC; `goodness` is that of the best of them, whether or not it is used; `pairs` its QQ plot.
    """

    name: str
    how: str
    document: Mapping[str, Any]
    count: int
    seen: int
    mean: float
    percentiles: Mapping[str, float | None]
    candidates: Mapping[str, float]
    goodness: Goodness | None
    pairs: tuple[tuple[float, float], ...]
    drift: tuple[float, float] | None
    warnings: tuple[str, ...]
    survival: Survival = field(repr=False)

    def quantile(self, share: float) -> float:
        """Return the time that `share` of the attempts do not exceed, from the recording alone.

        Raises BeyondTheData where so few were recorded that none of them lies beyond it.
        """
        found = self.survival.quantile(share)
        if found is None or self.seen * (1 - share) < 1:
            raise BeyondTheData(
                f"{self.name}: {self.seen} times do not reach to the {share:.3%} percentile; the longest seen is "
                f"{self.survival.longest:.6g} s, what lies beyond would be a guess"
            )
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the fit as a report carries it."""
        best = self.goodness
        return {
            "how": self.how,
            "attempts": self.count,
            "seen_to_their_end": self.seen,
            "mean": round(self.mean, 6),
            **{word: None if each is None else round(each, 6) for word, each in self.percentiles.items()},
            "aic": {name: round(each, 2) for name, each in self.candidates.items()},
            "goodness": None
            if best is None
            else {
                "family": best.family,
                "tested": best.tested,
                "ks": round(best.ks, 4),
                "ks_p": round(best.ks_p, 3),
                "anderson_darling": None if best.anderson_darling is None else round(best.anderson_darling, 3),
                "anderson_darling_p": None if best.anderson_darling_p is None else round(best.anderson_darling_p, 3),
            },
            "qq": [[round(one, 6), round(other, 6)] for one, other in self.pairs],
            "drift": None if self.drift is None else {"ks": round(self.drift[0], 4), "p": round(self.drift[1], 4)},
        }


def fit_times(name: str, times: Floats, seen: Flags, *, streams: Streams, p99_asked: bool = False) -> TimesFit:
    """Return the model of times (seconds, in the order in which they were recorded), some only seen up to there.

    Raises ValueError where not one was seen to its end.
    """
    survival = kaplan_meier(times, seen)
    count = int(seen.sum())
    several = survival.times.size > 1
    chance = streams.generator(f"goodness:{name}")
    ranked = _families(times, seen, chance) if count >= FEW and several else []
    said: list[str] = []
    how, document = _model(name, survival, count, times, ranked, p99_asked, said)
    if survival.rest > 0:
        given = (
            f"are given {survival.beyond():.4g} s"
            if how == "empirical"
            else f"take what a {how} distribution makes of it"
        )
        said.append(
            f"{name}: {survival.rest:.1%} took longer than anything seen to its end; they {given}, "
            "how long they really take is not known"
        )
    drift = _drift(times[seen])
    if drift is not None and drift[1] < SURE and drift[0] > DRIFTS:
        said.append(f"{name}: the second half differs from the first (KS {drift[0]:.2f}, p {drift[1]:.2g})")
    best = ranked[0] if ranked else None
    return TimesFit(
        name=name,
        how=how,
        document=document,
        count=int(times.size),
        seen=count,
        mean=float(survival.values(1)[0]),
        percentiles={word: survival.quantile(share) for word, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))},
        candidates={each.family.name: each.aic for each in ranked},
        goodness=None if best is None else goodness(best, times, seen, chance),
        pairs=() if best is None else tuple(quantile_pairs(survival, best)),
        drift=drift,
        warnings=tuple(said),
        survival=survival,
    )


def _families(times: Floats, seen: Flags, chance: np.random.Generator) -> list[Fitted]:
    if times.size > MOST_CLIMBED:
        chosen = np.sort(chance.choice(times.size, MOST_CLIMBED, replace=False))
        if seen[chosen].sum() >= FEW:
            times, seen = times[chosen], seen[chosen]
    return fit_all(times[seen], times[~seen])


def _model(
    name: str,
    survival: Survival,
    count: int,
    times: Floats,
    ranked: list[Fitted],
    p99_asked: bool,
    said: list[str],
) -> tuple[str, dict[str, Any]]:
    if survival.times.size == 1 and not survival.rest:
        return "fixed", {"kind": "fixed", "time": round(float(survival.times[0]), 6)}
    if FEW <= count < MANY and ranked:
        if p99_asked:
            said.append(
                f"{name}: p99 is promised, and {count} times do not reach so far: its tail is the family's word"
            )
        return ranked[0].family.name, ranked[0].document()
    if p99_asked and count >= LEAST_FOR_TAIL and survival.rest == 0:
        values = survival.values(max(VALUES_WITH_TAIL, min(count, VALUES_WITH_TAIL)))
        beyond = values[round(values.size * 0.95) :]
        if beyond[-1] > beyond[0]:
            said.append(f"{name}: beyond {survival.longest:.4g} s its tail is extrapolated (generalised Pareto)")
            return "empirical with tail", {**_empirical(values), "tail": True}
    if count < FEW:
        said.append(f"{name}: only {count} times were recorded; the model is these times and nothing beyond them")
    elif p99_asked and count < LEAST_FOR_TAIL:
        said.append(
            f"{name}: p99 is promised, {count} times were recorded: nothing beyond {survival.longest:.4g} s is modelled"
        )
    return "empirical", _empirical(survival.values(min(max(1, times.size), VALUES)))


def _empirical(values: Floats) -> dict[str, Any]:
    return {"kind": "empirical", "values": [round(float(each), 6) for each in values]}


def _drift(times: Floats) -> tuple[float, float] | None:
    """Return the KS distance between the two halves of a recording, and its p-value; None for fewer than 2 × 15."""
    half = times.size // 2
    if half < FEW // 2:
        return None
    found = ks_2samp(times[:half], times[half:], method="asymp")
    return float(found.statistic), float(found.pvalue)
