"""What the latency and the cost depend on: everything turned by itself, 10 and 20 % less and more, on the same luck.

The elasticity of y in x is the per cent that y changes by when x changes by one: (Δy/y) / (Δx/x), from the values at
10 % less and more. Whole numbers move by one at least, and the shares are what they really moved by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulation.blocks import Block, Picture, Said, Table
from simulation.charts import tornado
from simulation.scenarios.summary import Summary
from simulation.statistics.comparison import compare_with
from simulation.statistics.intervals import Interval

from .answers import Answer
from .costs import cost_of
from .factors import Factor, factor_at, factors_of
from .promised import promised, promised_json
from .trials import Setup, Trials

SHARES = (0.8, 0.9, 1.1, 1.2)
NEAR = (0.9, 1.1)
"""What the elasticity is taken from."""

SHOWN = 12
"""Bars of the picture at most, the longest first."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What one factor does to a workload's latency: by share, the difference to what is written (s), or None."""

    factor: str
    moved: dict[float, float]
    differences: dict[float, Interval | None]
    elasticity: float | None
    cost: float | None


def sensitivity(
    trials: Trials, document: dict[str, Any], places: Sequence[str] = (), replications: int | None = None
) -> Answer:
    """Return the effect of each place (none: of all that may be turned) on p95 of each workload, and on the cost."""
    factors = [factor_at(document, each) for each in places] or factors_of(document)
    setups = {
        (factor.name, share): Setup.of(f"{factor.name} × {share:g}", factor.turned(document, share))
        for factor in factors
        for share in SHARES
        if factor.by(share) != 1
    }
    base = Setup.of("as written", document)
    possible = {key: each for key, each in setups.items() if trials.overloaded(each) is None}
    count = replications or trials.scenario(base).replications
    found = trials.summaries([base, *possible.values()], count)
    blocks: list[Block] = []
    data: dict[str, Any] = {"promised": promised_json(found[base.name]), "workloads": {}}
    for place, workload in enumerate(found[base.name].workloads):
        measure = "p95" if "p95" in workload.values else "mean"
        summaries = {key: found[each.name] for key, each in possible.items()}
        effects = _effects(document, factors, summaries, found[base.name], place, measure)
        blocks += _shown(workload.name, measure, workload.figures[measure], effects)
        data["workloads"][workload.name] = {"measure": measure, "effects": [_json(each) for each in effects]}
    blocks += promised(found[base.name], "the scenario as it is written")
    asked = f"--sensitivity {','.join(places)}".strip()
    return Answer("sensitivity", asked, document, trials.seed, blocks, data)


def _effects(
    document: dict[str, Any],
    factors: Sequence[Factor],
    summaries: dict[tuple[str, float], Summary],
    base: Summary,
    place: int,
    measure: str,
) -> list[Effect]:
    ones = base.workloads[place].values[measure]
    others = {
        f"{key[0]} × {key[1]:g}": each.workloads[place].values[measure]
        for key, each in summaries.items()
        if measure in each.workloads[place].values
    }
    differences = compare_with(ones, others)
    mean = sum(ones) / len(ones)
    effects = []
    for factor in factors:
        moved = {share: factor.by(share) for share in SHARES if factor.by(share) != 1}
        own = {share: differences.get(f"{factor.name} × {share:g}") for share in moved}
        effects.append(Effect(factor.name, moved, own, _elasticity(own, moved, mean), _cost(document, factor)))
    return sorted(effects, key=lambda each: -max((abs(d.mean) for d in each.differences.values() if d), default=0.0))


def _elasticity(own: dict[float, Interval | None], moved: dict[float, float], mean: float) -> float | None:
    ends = [(moved[share], (own.get(share) or None)) for share in NEAR if share in moved]
    known = [(by, difference.mean) for by, difference in ends if difference is not None]
    if not known or not mean:
        return None
    if len(known) == 1:
        known.append((1.0, 0.0))
    (one, first), (other, second) = known
    return (second - first) / mean / (other - one)


def _cost(document: dict[str, Any], factor: Factor) -> float | None:
    """Return the elasticity of the cost."""
    share = next((each for each in reversed(SHARES) if factor.by(each) != 1), None)
    before = cost_of(document)
    if share is None or not before:
        return None
    after = cost_of(factor.turned(document, share))
    return (after - before) / before / (factor.by(share) - 1)


def _shown(name: str, measure: str, figure: Interval, effects: Sequence[Effect]) -> list[Block]:
    first = effects[0]
    told = "" if first.elasticity is None else f" (1 % more of it changes it by {first.elasticity:+.2f} %)"
    said = Said(f"{name} {measure} {figure.mean:.4g} s depends most on {first.factor}{told}.", strong=True)
    rows = [
        (
            each.factor,
            *(_cell(each, share) for share in SHARES),
            "–" if each.elasticity is None else f"{each.elasticity:+.2f}",
            "–" if each.cost is None else f"{each.cost:+.2f}",
        )
        for each in effects
    ]
    caption = f"{name} {measure}: difference (s) to {figure.mean:.4g} s; * surely not nil, all together at 95 %"
    columns = ("turned", *(f"{share - 1:+.0%}" for share in SHARES), "elasticity", "of the cost")
    bars = [
        (
            each.factor,
            _mean(each, [s for s in each.moved if s < 1][:1]),
            _mean(each, [s for s in each.moved if s > 1][-1:]),
        )
        for each in effects[:SHOWN]
    ]
    label = (
        f"{name} {measure}: change in seconds, at 20 % less (upper bar) and 20 % more (lower bar); "
        "no bar: too much load, or it cannot be less"
    )
    return [said, Picture(label, tornado(bars, unit=" s", label=label)), Table(caption, columns, tuple(rows))]


def _mean(effect: Effect, shares: Sequence[float]) -> float | None:
    found = effect.differences.get(shares[0]) if shares else None
    return None if found is None else found.mean


def _cell(effect: Effect, share: float) -> str:
    if share not in effect.moved:
        return "–"
    found = effect.differences[share]
    if found is None:
        return "too much load"
    really = "" if abs(effect.moved[share] - share) < 1e-9 else f" (×{effect.moved[share]:.3g})"
    return f"{found.mean:+.4g}{'' if found.holds(0.0) else '*'}{really}"


def _json(effect: Effect) -> dict[str, Any]:
    return {
        "place": effect.factor,
        "differences": [
            {"share": share, "moved": effect.moved[share], "difference": None if each is None else each.as_json()}
            for share, each in effect.differences.items()
        ],
        "elasticity": effect.elasticity,
        "cost_elasticity": effect.cost,
    }
