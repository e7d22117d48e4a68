"""How fast worlds run here, and what memory they need as they grow: steps a second of one core, through the domain.

What is measured is the whole way of a step: an arrival or an answer, the run's `hear` and `decide`, its entries, the
service's gate, the choice of an instance, the draw of a time, the wait in line. The workflow is a chain of calls of
three services of three instances each, 60 % busy, under the default policies; nothing is switched off. Seconds are the
processor's, as the kernel counts them, so that a neighbour takes little away; it still takes some (a shared cache, a
shared core), which is why several rounds are made in turn and the best is told beside the median.

It is a matter of whether the domain and the world were compiled (`make compile`); what was measured is told.
"""

from __future__ import annotations

import resource
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph
from orchestration.domain.run import run as domain_run
from simulation.arrivals.processes import Poisson
from simulation.service_models.distributions import Exponential
from simulation.world.load import Workload
from simulation.world.models import ServiceModel
from simulation.world.world import World, WorldModel

LENGTHS = (1, 3, 10, 20)
"""Steps of the workflows that are measured."""

STEPS = 30_000
"""About how many steps a measurement makes."""

ROUNDS = 5
SEED = 7
RATE = 10.0
TIME = 0.1
BUSY = 0.6
SERVICES = INSTANCES = 3
LOOKS = 10
"""How often memory is looked at on the way."""

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Speed:
    """Steps a second of one core for workflows of `length` steps, over several rounds."""

    length: int
    median: float
    best: float


@dataclass(frozen=True, slots=True)
class Footprint:
    """How many steps a world had made at an instant, and how much memory the process held then (MiB)."""

    steps: int
    memory: float


def is_compiled() -> bool:
    """Tell whether the domain's modules are loaded compiled."""
    return not (domain_run.__file__ or "").endswith(".py")


def chain_world(length: int, executions: float) -> WorldModel:
    """Return a world in which about `executions` chains of `length` calls run."""
    names = [f"s{number}" for number in range(1, length + 1)]
    steps: list[dict[str, Any]] = [
        {"id": name, "type": "service", "service_name": f"service-{place % SERVICES}", "method": "do"}
        for place, name in enumerate(names)
    ]
    for step, before in zip(steps[1:], names, strict=False):
        step["dependencies"] = [before]
    graph = Graph.compile(parse_definition({"id": "chain", "config": {"max_concurrent": 1_000_000}, "steps": steps}))
    at_once = RATE * length * TIME / SERVICES
    return WorldModel(
        graphs={"chain": graph},
        services=tuple(
            ServiceModel(
                f"service-{place}", Exponential(TIME), instances=INSTANCES, capacity=1 + int(at_once / BUSY / INSTANCES)
            )
            for place in range(SERVICES)
        ),
        workloads=(Workload("load", "chain", Poisson(RATE)),),
        horizon=executions / RATE,
    )


def speeds(*, lengths: tuple[int, ...] = LENGTHS, steps: int = STEPS, rounds: int = ROUNDS) -> Iterator[Speed]:
    """Yield the speed for each length, all lengths having been measured in turn, `rounds` times."""
    found: dict[int, list[float]] = {length: [] for length in lengths}
    for _ in range(rounds):
        for length, rates in found.items():
            rates.append(_speed(length, steps))
    for length, rates in found.items():
        yield Speed(length, statistics.median(rates), max(rates))


def footprints(steps: int, told: Callable[[Footprint], None], *, length: int = 10) -> float:
    """Run one world of about `steps` steps, telling its memory on the way; return its steps a second of one core."""
    world = World(chain_world(length, steps / length), seed=SEED, replication=0)
    looks = 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        if looks % (100 // LOOKS) == 0:
            told(Footprint(sum(each.attempts for each in world.services.values()), resident_memory()))
        return False

    before = cpu_seconds()
    outcome = world.run(look)
    return outcome.steps / (cpu_seconds() - before)


def cpu_seconds() -> float:
    """Return the processor's seconds that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_memory() -> float:
    """Return the memory that this process holds (MiB)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / _MEBIBYTE


def _speed(length: int, steps: int) -> float:
    world = World(chain_world(length, steps / length), seed=SEED, replication=0)
    before = cpu_seconds()
    outcome = world.run()
    return outcome.steps / (cpu_seconds() - before)
