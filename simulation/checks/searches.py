"""Whether experiments find what is known: the knee of M/M/1; `staffing` asks for the least number of servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulation.experiments.asking import answer
from simulation.scenarios.experiments import SweepOf

from .table import Check, within

HERE = Path(__file__).parent
PLACE = "services.pool.capacity"


def knee(seed: int) -> Iterator[Check]:
    """Say where the sweep of an M/M/1 queue's load turns up: at half of its capacity, within 5 %."""
    document = pool(1, "1s", horizon="20000s")
    asked = SweepOf(kind="sweep", places={"load": "0.2..0.8:0.1"})
    found = answer(document, asked, folder=HERE, seed=seed, replications=10).data["knees"]["callers"]["at"]
    yield within("knee of M/M/1, share of the capacity", 0.475, 0.525, found)


def pool(per_second: float, mean: str, *, times: Any = None, **keys: Any) -> dict[str, Any]:
    """Return the scenario of one pool with Poisson calls, exponential times of `mean` or others, and other keys."""
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
        "services": {"pool": {"times": times or {"kind": "exponential", "mean": mean}}},
        **keys,
    }
