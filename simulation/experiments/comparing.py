"""Variants against one of them, pair by pair: better, worse, or it cannot be told.

Every variant meets the same luck, call by call, keyed by (job, attempt). So the difference is taken replication by
replication, and varies far less than either side does. All verdicts of a comparison hold together with 95 %, by
Bonferroni's inequality over all variants and measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulation.blocks import Block, Picture, Said, Table
from simulation.figures import intervals
from simulation.scenarios.building import AS_WRITTEN, variants_of
from simulation.scenarios.summary import Summary
from simulation.statistics.comparison import paired_difference, variance_reduction
from simulation.statistics.intervals import CONFIDENCE, Interval

from .answers import Answer, figure
from .costs import cost_of, money
from .documents import document_of
from .problems import unfit
from .trials import Setup, Trials

BETTER, WORSE, CANNOT_TELL, SAME = "better", "worse", "cannot tell", "the same"
MORE_IS_BETTER = frozenset({"throughput", "completed"})


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure of one variant beside the base's: its paired difference (Bonferroni), and the verdict.

    `reduction` is how many times smaller the pairs make the difference's variance than separate seeds would.
    """

    variant: str
    workload: str
    measure: str
    base: float
    difference: Interval
    reduction: float
    word: str


def compare(
    trials: Trials, document: dict[str, Any], base: str | None = None, replications: int | None = None
) -> Answer:
    """Return all variants against `base` (None: what is written). Raises ExperimentInvalid for a base that is none."""
    names = list(variants_of(document))
    base = base or AS_WRITTEN
    if base not in names:
        raise unfit("compare", f"there is no variant {base}; there are: {', '.join(names)}", "reference.unknown")
    if len(names) < 2:
        raise unfit("variants", "there is nothing to compare: the scenario has no variants")
    setups = [Setup.of(name, document_of(document, name)) for name in names]
    refused = {each.name: why for each in setups if (why := trials.hopeless(each)) is not None}
    if base in refused:
        raise unfit(f"variants.{base}", refused[base], "load.above_capacity")
    count = replications or trials.scenario(setups[0]).replications
    summaries = trials.summaries([each for each in setups if each.name not in refused], count)
    found = compared(summaries[base], [each for name, each in summaries.items() if name != base])
    blocks: list[Block] = [Said(_answer(name, base, found), strong=True) for name in summaries if name != base]
    blocks += [Said(f"Not simulated, {name}: {why}") for name, why in refused.items()]
    blocks += [_figures(summaries, place) for place in range(len(summaries[base].workloads))]
    blocks.append(_differences(found, base))
    blocks += _pictures(summaries)
    blocks += _cost_table(setups)
    data = {"base": base, "replications": count, "compared": [_json(each) for each in found], "refused": refused}
    return Answer("compare", f"--compare {base}", document, trials.seed, blocks, data)


def compared(base: Summary, others: Sequence[Summary]) -> list[Compared]:
    """Return every measure that both sides have, of all others against the base; all verdicts hold together."""
    pairs = [
        (other.name, mine.name, measure, mine.values[measure], theirs.values[measure])
        for other in others
        for mine, theirs in zip(base.workloads, other.workloads, strict=True)
        for measure in mine.values
        if measure in theirs.values
    ]
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(pairs))
    found = []
    for variant, workload, measure, ones, twos in pairs:
        difference = paired_difference(ones, twos, confidence)
        mean = sum(ones) / len(ones)
        same = not difference.mean and not difference.half_width
        reduction = 1.0 if same else variance_reduction(ones, twos)
        word = verdict(difference, more_is_better=measure in MORE_IS_BETTER)
        found.append(Compared(variant, workload, measure, mean, difference, reduction, word))
    return found


def verdict(difference: Interval, *, more_is_better: bool = False) -> str:
    """Return whether a difference (other - base) is better, worse, the same throughout, or cannot be told."""
    if not difference.mean and not difference.half_width:
        return SAME
    if difference.holds(0.0):
        return CANNOT_TELL
    return BETTER if (difference.mean > 0) == more_is_better else WORSE


def _answer(name: str, base: str, found: Sequence[Compared]) -> str:
    words = {
        word: [f"{each.workload} {each.measure}" for each in found if each.variant == name and each.word == word]
        for word in (BETTER, WORSE)
    }
    told = [f"{word} in {', '.join(which)}" for word, which in words.items() if which]
    return f"{name} against {base}: {'; '.join(told) if told else 'no difference can be told'}."


def _figures(summaries: dict[str, Summary], place: int) -> Table:
    measures = ("mean", "p50", "p95", "p99", "completed", "throughput")
    rows = tuple(
        (name, *(figure(each, summary.workloads[place].figures.get(each)) for each in measures), summary.bottleneck)
        for name, summary in summaries.items()
    )
    workload = next(iter(summaries.values())).workloads[place].name
    return Table(f"Workload {workload}, 95 % intervals", ("variant", *measures, "bottleneck"), rows)


def _differences(found: Sequence[Compared], base: str) -> Table:
    rows = tuple(
        (
            f"{each.variant}, {each.workload} {each.measure}",
            f"{each.difference.mean:+.4g}",
            f"{each.difference.low:+.4g} to {each.difference.high:+.4g}",
            f"{each.difference.mean / each.base:+.1%}" if each.base else "–",
            f"{each.reduction:,.0f}×" if each.reduction < 1e6 else "all of it",
            each.word,
        )
        for each in found
    )
    caption = f"Against {base}, replication by replication; all intervals hold together with 95 % (Bonferroni)"
    columns = ("measure", "difference", "interval", "relative", "variance reduced", "verdict")
    return Table(caption, columns, rows)


def _pictures(summaries: dict[str, Summary]) -> list[Block]:
    blocks: list[Block] = []
    first = next(iter(summaries.values()))
    for place, workload in enumerate(first.workloads):
        for measure in ("mean", "p95", "p99"):
            rows = [
                (name, each.workloads[place].figures[measure])
                for name, each in summaries.items()
                if measure in each.workloads[place].figures
            ]
            if rows:
                blocks.append(Picture(f"{measure} of {workload.name}, with 95 % intervals", intervals(rows, "s")))
    return blocks


def _cost_table(setups: Sequence[Setup]) -> list[Block]:
    if not any("costs" in each.document for each in setups):
        return []
    rows = tuple((each.name, money(each.document, cost_of(each.document))) for each in setups)
    return [Table("What each costs", ("variant", "cost an hour"), rows)]


def _json(each: Compared) -> dict[str, Any]:
    return {
        "variant": each.variant,
        "workload": each.workload,
        "measure": each.measure,
        "base": each.base,
        "difference": each.difference.as_json(),
        "variance_reduction": each.reduction if each.reduction != float("inf") else None,
        "verdict": each.word,
    }
