"""The retry storm: plain retries keep a service down that a short fault struck; the domain's budget lets it recover.

A hundred calls a second at most (ten at once, 0.1 s each, first come first served), callers that give up after 1 s and
try four times with full jitter from 50 ms; from second 60 to 75 a tenth of the service is left. Executions run through
the domain: its retries, its timeouts, its gate. After "Metastable Failures in the Wild" (OSDI 2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
ROW_SEEDS = 5
"""Seeds of what the acceptance does not ask twenty for: the simulated storms take seconds each."""

CAPACITY = 100.0
FAULT = Outage(at=60.0, lasts=15.0, capacity=0.1)
FROM, UNTIL = 120.0, 240.0
NO_BREAKER = Breaker(enabled=False)
NO_BUDGET = ServicePolicy(breaker=NO_BREAKER, retry_budget=RetryBudget(enabled=False))
BUDGET = ServicePolicy(breaker=NO_BREAKER)


def budgeted(ratio: float, *, cap: float) -> ServicePolicy:
    """Return the policy of a budget that successes alone fill."""
    return ServicePolicy(breaker=NO_BREAKER, retry_budget=RetryBudget(ratio=ratio, minimum_per_second=0.0, cap=cap))


@dataclass(frozen=True, slots=True)
class Side:
    """How callers and service behave: the policy, the attempts of a call, and whether expired work is skipped."""

    policy: ServicePolicy
    attempts: int = 4
    skips_expired: bool = False


SIDES = {
    "no budget": Side(NO_BUDGET),
    "no retries": Side(NO_BUDGET, attempts=1),
    "20 % budget (ours)": Side(BUDGET),
    "10 % budget": Side(budgeted(0.1, cap=50.0)),
    "quota of 500 at 14 each": Side(budgeted(1 / 14, cap=500 / 14)),
    "no budget, expired work skipped": Side(NO_BUDGET, skips_expired=True),
}

DOWN, BACK, ON_THE_WAY = "below 0.05", "above 0.95", "above 0.2"
"""What of the goodput is there: in every seed next to nothing, in every seed all, in most seeds a part that grows."""

ROWS: dict[float, tuple[str, ...]] = {
    0.6: (DOWN, BACK, BACK, BACK, BACK, DOWN),
    0.7: (DOWN, BACK, BACK, BACK, BACK, DOWN),
    0.8: (DOWN, ON_THE_WAY, ON_THE_WAY, ON_THE_WAY, ON_THE_WAY, DOWN),
    0.9: (DOWN, ON_THE_WAY, DOWN, ON_THE_WAY, ON_THE_WAY, DOWN),
}
"""Of every load what becomes of each of `SIDES`, in their order.

A budget of β is safe to C/(1 + β), so 20 % is not enough at 90 % of the capacity. A retry that the budget refuses waits
here instead of failing, so what the literature's budget loses is worked off later.
"""


def definition(attempts: int) -> dict[str, Any]:
    """Return the workflow: one call that gives up after 1 s, and is tried so often with full jitter from 50 ms."""
    retry = {"max_attempts": attempts, "delay": "50ms", "backoff": "exponential", "jitter": "full"}
    call = {
        "id": "call", "type": "service", "service_name": "backend", "method": "serve", "timeout": "1s", "retry": retry,
    }  # fmt: skip
    return {
        "id": "storm", "name": "One call", "config": {"max_concurrent": 100_000}, "steps": [call], "output": {}
    }  # fmt: skip


def storm(side: Side, load: float) -> WorldModel:
    """Return the world that is struck at `load` of its capacity."""
    service = ServiceModel(
        "backend", Fixed(0.1), capacity=10, outages=(FAULT,), policy=side.policy, skips_expired=side.skips_expired
    )
    graphs = {"storm": Graph.compile(parse_definition(definition(side.attempts)))}
    arrivals = Workload("callers", "storm", Poisson(load * CAPACITY))
    return WorldModel(graphs, (service,), (arrivals,), horizon=UNTIL)


def goodput(side: Side, load: float, seed: int) -> float:
    """Return the executions that completed long after the fault, as a share of the load offered then."""
    found = simulate(storm(side, load), seed=seed).workloads["callers"]
    late = (found.ended_at >= FROM) & (found.ended_at < UNTIL)
    return float(found.good[late].sum()) / ((UNTIL - FROM) * load * CAPACITY)


def storms(seed: int) -> Iterator[Check]:
    """Say how it ends at 60 % load: for twenty seeds without a budget and with ours, for a few with what else helps."""
    for name in SIDES:
        yield _cell(name, 0.6, seed, SEEDS if name in ("no budget", "20 % budget (ours)") else ROW_SEEDS)


def storms_at(load: float, seed: int) -> Iterator[Check]:
    """Say how it ends at a load of `ROWS`."""
    for name in SIDES:
        yield _cell(name, load, seed, ROW_SEEDS)


def _cell(name: str, load: float, seed: int, seeds: int) -> Check:
    expected = ROWS[load][list(SIDES).index(name)]
    shares = sorted(goodput(SIDES[name], load, seed + place) for place in range(seeds))
    said, got, passed = {
        DOWN: ("most", shares[-1], shares[-1] < 0.05),
        BACK: ("least", shares[0], shares[0] > 0.95),
        ON_THE_WAY: ("middle", shares[seeds // 2], shares[seeds // 2] > 0.2),
    }[expected]
    return Check(f"storm at {load:.0%} load, {name}, {seeds} seeds: {said} goodput", expected, got, None, passed)
