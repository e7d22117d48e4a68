"""The retry storm: plain retries keep a service down that a short fault struck; the domain's budget lets it recover.

A hundred calls a second at most (ten at once, 0.1 s each, first come first served), callers that give up after 1 s and
try four times with full jitter from 50 ms; from second 60 to 75 a tenth of the service is left. Executions run through
the domain: its retries, its timeouts, its gate. After "Metastable Failures in the Wild" (OSDI 2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestration.domain.calling.policy import Breaker, RetryBudget, ServicePolicy
from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph
from simulation.arrivals.processes import Poisson
from simulation.service_models.distributions import Fixed
from simulation.world.load import Workload
from simulation.world.models import Outage, ServiceModel
from simulation.world.world import WorldModel, simulate

from .table import Check

SEEDS = 20
CAPACITY = 100.0
FAULT = Outage(at=60.0, lasts=15.0, capacity=0.1)
FROM, UNTIL = 120.0, 240.0
NO_BREAKER = Breaker(enabled=False)
NO_BUDGET = ServicePolicy(breaker=NO_BREAKER, retry_budget=RetryBudget(enabled=False))
BUDGET = ServicePolicy(breaker=NO_BREAKER)

DEFINITION: dict[str, Any] = {
    "id": "storm",
    "name": "One call, tried four times",
    "config": {"max_concurrent": 100_000},
    "steps": [
        {
            "id": "call",
            "type": "service",
            "service_name": "backend",
            "method": "serve",
            "timeout": "1s",
            "retry": {"max_attempts": 4, "delay": "50ms", "backoff": "exponential", "jitter": "full"},
        }
    ],
    "output": {},
}


def storm(policy: ServicePolicy | None, load: float) -> WorldModel:
    """Return the world in which a service with `policy` is struck at `load` of its capacity."""
    service = ServiceModel("backend", Fixed(0.1), capacity=10, outages=(FAULT,), policy=policy)
    graphs = {"storm": Graph.compile(parse_definition(DEFINITION))}
    arrivals = Workload("callers", "storm", Poisson(load * CAPACITY))
    return WorldModel(graphs, (service,), (arrivals,), horizon=UNTIL)


def goodput(policy: ServicePolicy | None, load: float, seed: int) -> float:
    """Return the executions that completed long after the fault, as a share of the load offered then."""
    found = simulate(storm(policy, load), seed=seed).workloads["callers"]
    late = (found.ended_at >= FROM) & (found.ended_at < UNTIL)
    return float(found.good[late].sum()) / ((UNTIL - FROM) * load * CAPACITY)


def storms(seed: int) -> Iterator[Check]:
    """Say how it ends for twenty seeds at 60 % load, without a budget and with it."""
    without = [goodput(NO_BUDGET, 0.6, seed + place) for place in range(SEEDS)]
    yield Check(
        f"storm at 60 % load, no budget, {SEEDS} seeds: most goodput",
        "below 0.05",
        max(without),
        None,
        max(without) < 0.05,
    )
    kept = [goodput(BUDGET, 0.6, seed + place) for place in range(SEEDS)]
    yield Check(
        f"storm at 60 % load, with budget, {SEEDS} seeds: least goodput",
        "above 0.95",
        min(kept),
        None,
        min(kept) > 0.95,
    )
