"""Whether experiments find what is known: the least number of servers for a promise, and the knee of M/M/1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulation.experiments.asking import answer
from simulation.scenarios.experiments import CheapestOf, SweepOf

from .table import Check, exactly, within

HERE = Path(__file__).parent
PLACE = "services.pool.capacity"


def cheapest(seed: int) -> Iterator[Check]:
    """Case 19 again: the search over a scenario file ends at the least number of servers."""
    for per_second, mean, promise, servers in (
        (100, "200ms", {"p95": "1s"}, 21),
        (200, "50ms", {"p99": "250ms"}, 12),
        (1000, "100ms", {"p99": "500ms"}, 103),
    ):
        document = _pool(per_second, mean, slos=[{"workload": "callers", **promise}])
        asked = CheapestOf(kind="cheapest", places={PLACE: "1..200"})
        winner = answer(document, asked, folder=HERE, seed=seed, replications=5).data["winner"]
        (word, time), *_ = promise.items()
        found = 0 if winner is None else winner["values"][PLACE]
        yield exactly(f"19 cheapest for {word} {time} at {per_second}/s of {mean}", servers, found)


def knee(seed: int) -> Iterator[Check]:
    """Say where the sweep of an M/M/1 queue's load turns up: at half of its capacity, within 5 %."""
    document = _pool(1, "1s", horizon="20000s")
    asked = SweepOf(kind="sweep", places={"load": "0.2..0.8:0.1"})
    found = answer(document, asked, folder=HERE, seed=seed, replications=10).data["knees"]["callers"]["at"]
    yield within("knee of M/M/1, share of the capacity", 0.475, 0.525, found)


def _pool(per_second: float, mean: str, **keys: Any) -> dict[str, Any]:
    call = {"id": "call", "type": "service", "service_name": "pool", "method": "serve", "timeout": "50m"}
    return {
        "scenario": "pool",
        "horizon": "300s",
        "workflows": [
            {"id": "work", "config": {"max_concurrent": 100_000, "timeout": "1h"}, "steps": [call], "output": {}}
        ],
        "workloads": [
            {"name": "callers", "workflow": "work", "arrivals": {"kind": "poisson", "per_second": float(per_second)}}
        ],
        "services": {"pool": {"times": {"kind": "exponential", "mean": mean}}},
        **keys,
    }
