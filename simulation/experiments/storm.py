"""The storm probe: does the system come back by itself after a short fault, at which load and after how long a fault?

For every (load, trigger) the service is struck: for the trigger's time only a share of its capacity is left. What is
looked at is the goodput (executions that complete) long after the fault, beside that of the same luck without a fault.

* metastable: in some replication it stays down. Goodput is below half of what it would be, and not on its way up.
* vulnerable: it came back, but slowly; or the load is above the hidden capacity C/A (`amplification`), so that a
  greater trigger may tip it; or a greater one of this map did.
* stable: it came back in every replication, and the load is below the hidden capacity, or no trigger of the map tipped
  it and retries are bounded so that they fit beside the load.

The words are those of Bronson et al., "Metastable Failures in Distributed Systems" (HotOS 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.domain.durations import format_duration
from orchestration.domain.limits import MICROSECONDS
from simulation.blocks import Block, Picture, Said, Table
from simulation.charts import heat_map
from simulation.scenarios.building import AS_WRITTEN
from simulation.scenarios.running import Plan
from simulation.world.world import Outcome

from .amplification import Amplification, amplification_of
from .answers import Answer
from .documents import document_of
from .places import at_load, changed
from .problems import unfit
from .trials import Setup, Trials

STABLE, VULNERABLE, METASTABLE = "stable", "vulnerable", "metastable"

LOADS = (0.2, 0.4, 0.6, 0.8)
TRIGGERS = (5.0, 15.0)
CAPACITY_LEFT = 0.1
"""What a trigger leaves of the capacity."""

FAULT_AT = 30.0
SETTLING = 45.0
"""Seconds after the fault before goodput is looked at: a backlog may take so long."""

WATCHED = 90.0
"""Seconds for which it is looked at."""

BACK = 0.95
"""The share of the goodput without a fault at which it counts as back."""

DOWN = 0.5
RISING = 0.05
"""By how much more goodput (as a share) the second half of the time must have to be called on its way up."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is tried: loads as shares of the capacity of `service` (None: the busiest), triggers in seconds."""

    loads: tuple[float, ...] = LOADS
    triggers: tuple[float, ...] = TRIGGERS
    capacity: float = CAPACITY_LEFT
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One (load, trigger): its word, and goodput after the fault as a share of that without, least, middle and most."""

    load: float
    trigger: float
    word: str
    least: float
    middle: float
    most: float
    recovered: int
    replications: int


def probe(
    trials: Trials,
    document: dict[str, Any],
    question: Question = Question(),
    variants: Sequence[str] = (AS_WRITTEN,),
    replications: int | None = None,
) -> Answer:
    """Return for each variant which loads and triggers it comes back from. Raises ExperimentInvalid if it cannot."""
    blocks: list[Block] = []
    maps: dict[str, dict[str, Any]] = {}
    for variant in variants:
        made = document_of(document, variant)
        service, cells, amplified = _map(trials, made, question, replications)
        maps[variant] = {
            "service": service,
            "amplification": [{"load": load, "factor": each.factor, "hidden": each.hidden} for load, each in amplified],
            "cells": [_json(each) for each in cells],
        }
        blocks += _shown(variant, service, cells, amplified, question)
    loads = ",".join(f"{each:.6g}" for each in question.loads)
    triggers = ",".join(format_duration(round(each * MICROSECONDS)) for each in question.triggers)
    others = " ".join(f"--variant {each}" for each in variants if each != AS_WRITTEN)
    asked = f"--storm {question.service or ''} --loads {loads} --triggers {triggers} {others}"
    kept = all(cell["word"] != METASTABLE for each in maps.values() for cell in each["cells"])
    return Answer("storm", " ".join(asked.split()), document, trials.seed, blocks, {"maps": maps}, kept)


def _map(
    trials: Trials, document: dict[str, Any], question: Question, replications: int | None
) -> tuple[str, list[Cell], list[tuple[float, Amplification]]]:
    plan = trials.plan(Setup.of("base", document))
    service, busy = _struck(plan, question)
    struck: list[tuple[float, float, Setup]] = []
    for load in question.loads:
        loaded = at_load(_quiet(document, service), load / busy)
        for trigger in (0.0, *question.triggers):
            made = _triggered(loaded, service, trigger, question)
            struck.append((load, trigger, Setup.of(f"{load:g}/{trigger:g}", made)))
    count = replications or plan.scenarios[AS_WRITTEN].replications
    found = trials.outcomes([each for _, _, each in struck], count)
    amplified = [
        (load, _amplification(trials, each, service)) for load, trigger, each in struck if not trigger
    ]  # fmt: skip
    cells = []
    for place, (load, amplification) in enumerate(amplified):
        row = struck[place * (len(question.triggers) + 1) :][: len(question.triggers) + 1]
        calm = found[row[0][2].name]
        cells += _row(load, amplification, [(trigger, found[each.name]) for _, trigger, each in row[1:]], calm)
    return service, cells, amplified


def _struck(plan: Plan, question: Question) -> tuple[str, float]:
    expected = plan.expected[AS_WRITTEN]
    service = question.service or max(expected, key=lambda each: expected[each])
    if service not in expected:
        raise unfit(
            "storm.service", f"there is no service {service}; there are: {', '.join(expected)}", "reference.unknown"
        )
    if expected[service] <= 0:
        raise unfit("storm", f"no load is known of {service}: users who wait cannot storm; give open arrivals")
    return service, expected[service]


def _quiet(document: dict[str, Any], service: str) -> dict[str, Any]:
    return {**changed(document, f"services.{service}.outages", []), "transient": True, "slos": []}


def _triggered(document: dict[str, Any], service: str, trigger: float, question: Question) -> dict[str, Any]:
    longest = max(question.triggers)
    made = {**document, "horizon": FAULT_AT + longest + SETTLING + WATCHED}
    if not trigger:
        return made
    # All faults end at the same instant, so that all cells look at the same time.
    fault = {"at": FAULT_AT + longest - trigger, "lasts": trigger, "capacity": question.capacity}
    return changed(made, f"services.{service}.outages", [fault])


def _amplification(trials: Trials, setup: Setup, service: str) -> Amplification:
    plan = trials.plan(setup)
    world = plan.worlds[AS_WRITTEN]
    model = next(each for each in world.services if each.name == service)
    calls = plan.expected[AS_WRITTEN][service] * model.instances * model.capacity / model.times.mean
    return amplification_of(plan.scenarios[AS_WRITTEN], world, service, calls)


def _row(
    load: float,
    amplification: Amplification,
    struck: Sequence[tuple[float, Sequence[Outcome]]],
    calm: Sequence[Outcome],
) -> list[Cell]:
    end = FAULT_AT + max(trigger for trigger, _ in struck) + SETTLING
    judged = []
    for trigger, outcomes in struck:
        shares = [goodput(one, end, end + WATCHED) / max(1e-9, goodput(other, end, end + WATCHED))
                  for one, other in zip(outcomes, calm, strict=True)]  # fmt: skip
        rises = [_rise(one, end) for one in outcomes]
        tipped = any(share < DOWN and rise < RISING for share, rise in zip(shares, rises, strict=True))
        judged.append((trigger, shares, tipped))
    tips = any(tipped for _, _, tipped in judged)
    return [
        Cell(
            load=load,
            trigger=trigger,
            word=_word(shares, tipped=tipped, tips=tips, safe=load < amplification.hidden),
            least=min(shares),
            middle=sorted(shares)[len(shares) // 2],
            most=max(shares),
            recovered=sum(share >= BACK for share in shares),
            replications=len(shares),
        )
        for trigger, shares, tipped in judged
    ]


def _word(shares: Sequence[float], *, tipped: bool, tips: bool, safe: bool) -> str:
    if tipped:
        return METASTABLE
    if all(share >= BACK for share in shares) and safe and not tips:
        return STABLE
    return VULNERABLE


def goodput(outcome: Outcome, begin: float, end: float) -> float:
    """Return the executions that completed from `begin` to `end` (seconds), a second."""
    done = 0.0
    for each in outcome.workloads.values():
        done += float(each.good[(each.ended_at >= begin) & (each.ended_at < end)].sum())
    return done / (end - begin)


def _rise(outcome: Outcome, begin: float) -> float:
    """Return by how much goodput grew from the first to the second half of the time, as a share of what was offered."""
    middle = begin + WATCHED / 2
    offered = sum(each.offered for each in outcome.workloads.values()) / (begin + WATCHED)
    return (goodput(outcome, middle, begin + WATCHED) - goodput(outcome, begin, middle)) / max(1e-9, offered)


def _shown(
    variant: str,
    service: str,
    cells: Sequence[Cell],
    amplified: Sequence[tuple[float, Amplification]],
    question: Question,
) -> list[Block]:
    first = amplified[0][1]
    bound = "no budget bounds them" if first.budget is None else "a retry budget bounds them"
    said = [
        Said(f"{variant}: {_sentence(cells)}", strong=True),
        Said(
            f"{service} keeps {question.capacity:.0%} of its capacity during the trigger. A call has at most "
            f"{first.attempts} attempts, and {bound}: at worst "
            + "; ".join(f"{each.factor:.3g} times the calls at load {load:.0%}" for load, each in amplified)
            + ". Below the hidden capacity, 1/A, it always comes back: "
            + "; ".join(f"{each.hidden:.0%} (at load {load:.0%})" for load, each in amplified)
            + "."
        ),
    ]
    table = Table(
        f"{variant}: goodput after the fault as a share of that without it (least, middle, most replication)",
        ("load", "trigger", "verdict", "least", "middle", "most", "came back"),
        tuple(
            (
                f"{each.load:.0%}",
                f"{each.trigger:g} s",
                each.word,
                f"{each.least:.1%}",
                f"{each.middle:.1%}",
                f"{each.most:.1%}",
                f"{each.recovered} of {each.replications}",
            )
            for each in cells
        ),
    )
    shade = {STABLE: 0.0, VULNERABLE: 0.5, METASTABLE: 0.99}
    triggers = len(question.triggers)
    rows = [
        [(each.word, shade[each.word]) for each in cells[row * triggers :][:triggers]] for row in range(len(amplified))
    ]
    label = f"{variant}: rows are loads, columns how long {service} is struck"
    svg = heat_map(
        [f"{each:g} s" for each in question.triggers], [f"load {load:.0%}" for load, _ in amplified], rows, label=label
    )
    return [*said, Picture(label, svg), table]


def _sentence(cells: Sequence[Cell]) -> str:
    words = {
        word: [f"{each.load:.0%}/{each.trigger:g} s" for each in cells if each.word == word]
        for word in (METASTABLE, VULNERABLE, STABLE)
    }
    return "; ".join(f"{word} at {', '.join(places)}" for word, places in words.items() if places) + " (load/trigger)."


def _json(cell: Cell) -> dict[str, Any]:
    return {
        "load": cell.load,
        "trigger": cell.trigger,
        "word": cell.word,
        "goodput": {"least": cell.least, "middle": cell.middle, "most": cell.most},
        "recovered": cell.recovered,
        "replications": cell.replications,
    }
