"""Cases for which the whole world has ways of its own, against their closed forms: items of a loop, users who think.

Everything goes through the domain: a loop's own limit decides how many items are under way, an execution's end begins
its user's next thought.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph
from simulation import formulas
from simulation.arrivals.closed import ClosedUsers
from simulation.arrivals.processes import Trace
from simulation.service_models.distributions import Distribution, Exponential, Fixed
from simulation.streams import Floats
from simulation.world.load import Workload
from simulation.world.models import ServiceModel
from simulation.world.world import simulate

from .queues import REPLICATIONS
from .table import Check, against, exactly
from .worlds import SERVICE, WORKFLOW, world

_SPACED = 200.0
"""Seconds from one execution of a loop to the next: longer than any takes."""


def items(seed: int) -> Iterator[Check]:
    """Case 13 in the world: the items of a loop, so many at once."""
    for count, limit, times in ((10, 10, 1000), (10, 3, 1000), (100, 10, 40), (1000, 50, 4)):
        whole = _makespans(count, limit, Fixed(1.0), 1, seed, 0)
        name = f"13 in the world, {count} items, {limit} at once"
        yield exactly(f"{name}, 1 s each: makespan", math.ceil(count / limit), float(whole[0]), digits=6)
        found = [
            float(_makespans(count, limit, Exponential(1.0), times, seed, replication).mean())
            for replication in range(REPLICATIONS)
        ]
        yield against(f"{name}: makespan", formulas.makespan_of_items(count, limit), found)


def _makespans(count: int, limit: int, service: Distribution, times: int, seed: int, replication: int) -> Floats:
    step: Any = {
        "id": "all", "type": "loop", "items": "${input.items}", "parallel_limit": limit,
        "steps": [{"id": "one", "type": "service", "service_name": SERVICE, "method": "serve", "timeout": "1d"}],
    }  # fmt: skip
    definition = parse_definition({"id": WORKFLOW, "name": "Items", "steps": [step], "output": {}})
    load = Workload(
        "reports", WORKFLOW, Trace(np.arange(times, dtype=np.float64) * _SPACED), input={"items": list(range(count))}
    )
    pool = ServiceModel(SERVICE, service, capacity=count, policy=None)
    graphs = {WORKFLOW: Graph.compile(definition)}
    model = world(pool, load, horizon=times * _SPACED, graphs=graphs)
    return simulate(model, seed=seed, replication=replication).workloads["reports"].times


def users(seed: int) -> Iterator[Check]:
    """Case 14 in the world: ten users who think 9 s and share one server."""
    count, think, service, horizon = 10, 9.0, 1.0, 5_000.0
    rates, spent = [], []
    for replication in range(REPLICATIONS):
        load = Workload("users", WORKFLOW, ClosedUsers(count, Exponential(think)))
        pool = ServiceModel(SERVICE, Exponential(service), policy=None)
        outcome = simulate(world(pool, load, horizon=horizon), seed=seed, replication=replication)
        found = outcome.workloads["users"]
        late = found.ended_at > horizon / 10
        rates.append(float(late.sum()) / (horizon * 0.9))
        spent.append(float(found.times[late].mean()))
    throughput, response = formulas.closed_users(count, think, service, 1)
    yield against("14 in the world, 10 users: throughput", throughput, rates)
    yield against("14 in the world, 10 users: mean time", response, spent)
