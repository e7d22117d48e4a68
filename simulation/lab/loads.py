"""The load as one number: how much arrives, the same arrivals at a multiple of it, and where a curve is looked at."""

from __future__ import annotations

from typing import Any

from orchestration.domain.durations import parse_duration
from simulation.experiments.places import at_load
from simulation.scenarios.language import Scenario, WorkloadOf

BUSY = (0.15, 0.35, 0.5, 0.62, 0.72, 0.8, 0.86, 0.91, 0.95)
"""How busy the busiest resource is to be at the points of a curve: closer together where latency bends."""

MOST_TIMES = 1_000.0
"""The largest multiple that is looked at; beyond it a resource is so idle that nothing would be learned."""


def load_of(workload: WorkloadOf) -> float | None:
    """Return what is multiplied in a workload's arrivals, None for arrivals that have no such number (cron)."""
    arrivals = workload.arrivals
    match arrivals.kind:
        case "poisson" | "batches":
            return arrivals.per_second
        case "piecewise":
            return max(each.per_second for each in arrivals.steps)
        case "modulated":
            return max(each.per_second for each in arrivals.states)
        case "trace":
            return arrivals.speed
        case "users":
            return float(arrivals.users)
        case _:
            return None


def factors_for(busy: float, scenario: Scenario) -> list[float]:
    """Return multiples of the load at which the busiest resource, `busy` at 1, is as busy as in BUSY, about.

    Closed users come in whole numbers, and slow down rather than overload anything: as many are looked at as would be
    needed, and twice that.
    """
    if busy <= 0:
        return []
    wanted = [share / busy for share in BUSY]
    users = [each.arrivals.users for each in scenario.workloads if each.arrivals.kind == "users"]
    if users:
        fewest = min(users)
        wanted = [max(1, round(factor * fewest)) / fewest for factor in [*wanted, 1.5 / busy, 2.0 / busy]]
    kept = [float(f"{factor:.3g}") for factor in wanted if factor <= MOST_TIMES]
    return sorted(set(kept))


def point(document: dict[str, Any], factor: float) -> dict[str, Any]:
    """Return the scenario of a point of the curve: at `factor` times the load, without variants.

    As much less time is simulated as there is more load, so that all points rest on as many executions.
    """
    horizon = parse_duration(document["horizon"])
    return {**at_load(document, factor), "variants": {}, "horizon": f"{max(1, round(horizon / factor))}us"}
