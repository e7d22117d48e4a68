"""Morris screening: which of many factors matter at all, by themselves or together with others.

Ten random ways through the grid of levels (0.8 to 1.2 of what is written), each of which turns every factor once, one
after the other. The elementary effect of a step is the relative change of latency by the relative change of the factor.
μ* is the mean of their sizes (how much it matters), σ their standard deviation (how much that depends on the others).
After Morris, "Factorial Sampling Plans for Preliminary Computational Experiments" (1991), and Campolongo, Cariboni and
Saltelli for μ* (2007).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulation.blocks import Block, Picture, Said, Table
from simulation.charts import bars
from simulation.streams import Streams

from .answers import Answer
from .factors import Factor, factor_at, factors_of
from .problems import unfit
from .trials import Setup, Trials

WAYS = 10
LEVELS = (0.8, 0.9333333333333333, 1.0666666666666667, 1.2)
JUMP = 2
"""Levels that a step goes: half of them, so that each is as likely to be left as to be reached."""

REPLICATIONS = 3
"""Enough for a step: its two ends meet the same luck."""


@dataclass(frozen=True, slots=True)
class Screened:
    """A factor's elementary effects: mean size, mean, standard deviation, and how many there are."""

    factor: str
    size: float
    mean: float
    spread: float
    count: int


def screening(
    trials: Trials,
    document: dict[str, Any],
    places: Sequence[str] = (),
    replications: int | None = None,
    ways: int = WAYS,
) -> Answer:
    """Return the factors by how much they matter for each workload's mean time."""
    factors = [factor_at(document, each) for each in places] or factors_of(document)
    if len(factors) < 2:
        raise unfit("screening", "needs two places at least; for one ask --sensitivity")
    chance = Streams(trials.seed).generator("screening")
    walks = [_walk(chance, len(factors)) for _ in range(ways)]
    setups = {
        levels: Setup.of(" ".join(map(str, levels)), _turned(document, factors, levels))
        for walk in walks
        for levels in walk
    }
    possible = [each for each in setups.values() if trials.overloaded(each) is None]
    found = trials.summaries(possible, replications or REPLICATIONS)
    base = trials.scenario(Setup.of("as written", document))
    blocks: list[Block] = []
    data: dict[str, Any] = {"ways": ways, "workloads": {}}
    for place, workload in enumerate(base.workloads):
        means = {
            levels: found[setup.name].workloads[place].figures["mean"].mean
            for levels, setup in setups.items()
            if setup.name in found and "mean" in found[setup.name].workloads[place].figures
        }
        screened = _screened(factors, walks, means)
        blocks += _shown(workload.name, screened)
        data["workloads"][workload.name] = [
            {"place": each.factor, "mu_star": each.size, "mu": each.mean, "sigma": each.spread, "effects": each.count}
            for each in screened
        ]
    return Answer("screening", f"--screening {','.join(places)}".strip(), document, trials.seed, blocks, data)


def _walk(chance: np.random.Generator, count: int) -> list[tuple[int, ...]]:
    """Return a way through the levels: count + 1 points, each one jump in one factor from the one before."""
    low = chance.integers(0, len(LEVELS) - JUMP, count)
    down = chance.random(count) < 0.5
    here = [int(level) + (JUMP if high else 0) for level, high in zip(low, down, strict=True)]
    points = [tuple(here)]
    for factor in chance.permutation(count):
        here[factor] += -JUMP if down[factor] else JUMP
        points.append(tuple(here))
    return points


def _turned(document: dict[str, Any], factors: Sequence[Factor], levels: Sequence[int]) -> dict[str, Any]:
    for factor, level in zip(factors, levels, strict=True):
        document = factor.turned(document, LEVELS[level])
    return document


def _screened(
    factors: Sequence[Factor], walks: Sequence[Sequence[tuple[int, ...]]], means: dict[tuple[int, ...], float]
) -> list[Screened]:
    effects: dict[str, list[float]] = {each.name: [] for each in factors}
    for walk in walks:
        for one, other in itertools.pairwise(walk):
            place = next(index for index, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
            before, after = (factors[place].by(LEVELS[each[place]]) for each in (one, other))
            if one in means and other in means and before != after:
                effects[factors[place].name].append((means[other] / means[one] - 1) / (after / before - 1))
    found = [
        Screened(name, float(np.mean(np.abs(each))), float(np.mean(each)), float(np.std(each)), len(each))
        for name, each in effects.items()
        if each
    ]
    return sorted(found, key=lambda each: -each.size)


def _shown(name: str, screened: Sequence[Screened]) -> list[Block]:
    rows = tuple(
        (each.factor, f"{each.size:.3f}", f"{each.mean:+.3f}", f"{each.spread:.3f}", str(each.count))
        for each in screened
    )
    caption = f"{name}, mean time: elementary effects (per cent of latency per per cent of the factor)"
    said = (
        f"{name}: most depends on {screened[0].factor}, least on {screened[-1].factor}."
        if screened
        else f"{name}: nothing could be told."
    )
    label = f"{name}: how much each place matters (μ*, per cent of latency per per cent of it)"
    most = max((each.size for each in screened), default=1.0)
    sizes = [(each.factor, each.size, each.size, each.size, False) for each in screened]
    picture = Picture(label, bars(sizes, unit="", label=label, most=most))
    return [Said(said, strong=True), picture, Table(caption, ("turned", "μ*", "μ", "σ", "effects"), rows)]
