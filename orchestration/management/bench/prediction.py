"""The benchmark's own workloads as scenarios, and what the simulator says of them: the proof of a calibration.

The simulator is asked as everybody asks it, by scenario files and `manage.py simulate`. What cannot be read from its
answer directly is a difference: a step's time is that of a chain of twenty less that of ten, over ten; the time to the
first call is that of one step's execution less one step. Throughput is by Little's law: users over their mean time. The
benchmark's steps are calls within the worker, so `per_call` is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management import call_command

from orchestration.management.bench import definitions
from orchestration.management.bench.services import SERVICE

SEED = 1
SECONDS = 5
RESTED_SECONDS = 25
USERS = 100
PAUSE = "100ms"
LONG_PAUSE = "10s"
AT_ONCE = 1_000_000

Ask = Callable[[dict[str, Any]], float]
"""Told a scenario, it says how many seconds an execution takes on average."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure, measured and predicted, in `unit`."""

    name: str
    unit: str
    measured: float
    predicted: float

    @property
    def error(self) -> float:
        """Return by how much the prediction is off, as a share of what was measured."""
        return self.predicted / self.measured - 1 if self.measured else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the figure as programs read it."""
        numbers = {key: float(f"{getattr(self, key):.4g}") for key in ("measured", "predicted", "error")}
        return {"name": self.name, "unit": self.unit, **numbers}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was measured and is to be predicted: steps a second together, seconds of the others."""

    steps: int
    steps_per_s: float
    step: float
    fan: int
    fan_seconds: float
    awake: float
    asleep: float


def compare(asked: Asked, workers: Mapping[str, Any], ask: Ask) -> list[Compared]:
    """Return each of the benchmark's workloads as it was measured and as the simulator has it with these workers."""
    workers = {**workers, "per_call": "0us"}
    chains = {steps: definitions.chain(steps=steps, http=False) for steps in (1, 10, 20, asked.steps)}
    one, ten, twenty = (ask(scenario(chains[steps], workers, think=PAUSE)) for steps in (1, 10, 20))
    step = (twenty - ten) / 10
    together = USERS / ask(scenario(chains[asked.steps], workers, users=USERS))
    fan = ask(scenario(definitions.fanout(steps=asked.fan, http=False), workers, think=LONG_PAUSE))
    rested = ask(scenario(chains[1], workers, think=LONG_PAUSE))
    woken = rested - one
    return [
        Compared("throughput", "steps/s", asked.steps_per_s, together * asked.steps),
        Compared("chain, step to step", "ms", asked.step * 1_000, step * 1_000),
        Compared(f"fan-out of {asked.fan}", "ms", asked.fan_seconds * 1_000, (fan - woken) * 1_000),
        Compared("start, awake", "ms", asked.awake * 1_000, (one - step) * 1_000),
        Compared("start, asleep", "ms", asked.asleep * 1_000, (rested - step) * 1_000),
    ]


def scenario(
    definition: dict[str, Any], workers: Mapping[str, Any], *, think: str = "", users: int = 1
) -> dict[str, Any]:
    """Return a scenario of one workflow of the benchmark: one user who pauses `think`, or `users` who never do."""
    return {
        "scenario": "bench",
        "horizon": f"{RESTED_SECONDS if think == LONG_PAUSE else SECONDS}s",
        "replications": 2,
        "workflows": [definition],
        "workloads": [
            {
                "name": "bench",
                "workflow": definition["id"],
                "arrivals": {"kind": "users", "users": users, "think": {"kind": "fixed", "time": think or "0ms"}},
            }
        ],
        "services": {SERVICE: {"times": {"kind": "fixed", "time": "0ms"}, "capacity": AT_ONCE}},
        "workers": dict(workers),
        "transient": True,
    }


def ask_simulator(document: dict[str, Any]) -> float:
    """Return what `manage.py simulate` says of a scenario (see `Ask`)."""
    answer = StringIO()
    with TemporaryDirectory(prefix="podium-calibration-") as folder:
        file = Path(folder) / "scenario.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        call_command("simulate", file, json=True, seed=SEED, stdout=answer)
    figures = json.loads(answer.getvalue())["variants"][0]["workloads"]["bench"]
    return float(figures["mean"]["mean"])
