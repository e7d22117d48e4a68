"""What the finished batches of a run come to, as JSON: figures with intervals, differences, and the curve.

It is told again after every batch, from all that is there; with the last one it is the result of `manage.py simulate`
with the same seed, word by word, and the curve of latency against load beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from simulation.arrivals.closed import ClosedUsers
from simulation.experiments.costs import cost_of, money
from simulation.experiments.documents import document_of as variant_of
from simulation.experiments.knee import knee_of
from simulation.scenarios.batches import outcome_of
from simulation.scenarios.building import AS_WRITTEN
from simulation.scenarios.running import Plan, concluded
from simulation.scenarios.stopping import stopping_rule
from simulation.scenarios.summary import summarise
from simulation.scenarios.sure import ended, over_after
from simulation.statistics.comparison import CANNOT_TELL, FAIL, PASS
from simulation.world.world import Outcome, WorldModel

from .plan import points_of, read

FEWEST = 2
"""Replications below which a figure has no interval, and is not told."""

SLOTS = 60
"""Parts of the time in which what completed is counted."""


def result_of(
    text: str, compared: Iterable[bytes], loaded: Iterable[bytes], factors: Sequence[float], *, seed: int
) -> dict[str, Any]:
    """Return all that the finished batches of both groups come to, as JSON. Either may be too few to tell anything.

    Where the scenario says that it ends once it is sure, `over` is the replications after which it was; what has been
    simulated beyond them plays no part.
    """
    plan = read(text)
    rows = _by_world(compared)
    count = len(rows.get(AS_WRITTEN, ()))
    rule = stopping_rule(plan.document, {})
    over = over_after(plan, rows, rule, seed=seed) if rule is not None and count else None
    if over is not None:
        count, rows = over, {name: row[:over] for name, row in rows.items()}
    told: dict[str, Any] = {"replications": count, "over": over, "compare": None, "load": None}
    if count >= FEWEST:
        result = concluded(plan, rows, seed=seed)
        if rule is not None and over is not None:
            ended(result, rule, over)
        told["compare"] = {**result.as_json(), "over_time": _over_time(plan, rows), "costs": _costs(plan)}
    points = _by_world(loaded)
    if points and len(next(iter(points.values()))) >= FEWEST:
        told["load"] = _curve(text, points, factors)
    return told


def _costs(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return what each variant costs an hour, as a number and in words."""
    documents = {name: variant_of(plan.document, name) for name in plan.scenarios}
    costs = {name: cost_of(each) for name, each in documents.items()}
    return {name: {"cost": cost, "words": money(documents[name], cost)} for name, cost in costs.items()}


def verdict_of(result: Mapping[str, Any]) -> str:
    """Return the worst word of the promises of the scenario as it is written; empty where nothing is promised."""
    if result["compare"] is None:
        return ""
    words = {each["verdict"] for each in result["compare"]["variants"][0]["slos"]}
    return next((word for word in (FAIL, CANNOT_TELL, PASS) if word in words), "")


def _by_world(blobs: Iterable[bytes]) -> dict[str, list[Outcome]]:
    rows: dict[str, list[Outcome]] = {}
    for blob in blobs:
        for name, outcome in orjson.loads(blob).items():
            rows.setdefault(name, []).append(outcome_of(outcome))
    return rows


def _over_time(plan: Plan, rows: Mapping[str, list[Outcome]]) -> dict[str, list[float]]:
    """Return how many executions a second completed in each sixtieth of the time, of scenarios about a change."""
    scenario = plan.scenarios[AS_WRITTEN]
    if not scenario.transient:
        return {}
    found = {}
    for name, outcomes in rows.items():
        horizon = plan.worlds[name].horizon
        counts = [0.0] * SLOTS
        for workload in outcomes[0].workloads.values():
            for instant, good in zip(workload.ended_at.tolist(), workload.good.tolist(), strict=True):
                counts[min(SLOTS - 1, int(instant / horizon * SLOTS))] += good
        found[name] = [count * SLOTS / horizon for count in counts]
    return found


def _curve(text: str, points: Mapping[str, list[Outcome]], factors: Sequence[float]) -> dict[str, Any]:
    kinds = {each.arrivals.kind == "users" for each in read(text).scenarios[AS_WRITTEN].workloads}
    unit = "times" if len(kinds) > 1 else "users" if kinds == {True} else "per_second"
    told: list[dict[str, Any]] = []
    for name, scenario, world in points_of(text, factors):
        summary = summarise(name, scenario, world, points[name])
        workloads = {
            each.name: {
                "steady": each.steady,
                "figures": {word: interval.as_json() for word, interval in each.figures.items()},
            }
            for each in summary.workloads
        }
        busy = {each.name: each.figures["busy"].mean for each in summary.services}
        if summary.worker_busy is not None:
            busy["workers"] = summary.worker_busy.mean
        offered = _offered(world, unit, float(name))
        told.append({"factor": float(name), "offered": offered, "workloads": workloads, "busy": busy})
    return {"unit": unit, "points": told, "knee": _knee(told)}


def _offered(world: WorldModel, unit: str, factor: float) -> float:
    loads = [each.load for each in world.workloads]
    match unit:
        case "users":
            return float(sum(each.users for each in loads if isinstance(each, ClosedUsers)))
        case "per_second":
            return sum(each.rate(world.horizon) for each in loads if not isinstance(each, ClosedUsers))
        case _:
            return factor


def _knee(points: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """Return the knee of the first workload's mean time; None where it lies outside of what was looked at."""
    told: list[tuple[float, float]] = []
    for point in points:
        figures = next(iter(point["workloads"].values()))["figures"]
        if "mean" in figures and point["offered"] > 0 and figures["mean"]["mean"] > 0:
            told.append((point["offered"], figures["mean"]["mean"]))
    found = knee_of([load for load, _ in told], [latency for _, latency in told])
    return None if found is None else {"load": found.load, "mean": found.latency}
