"""What holds of every world, whatever chance brings: laws that need no closed form, checked on one that has everything.

Three services (several instances, fewer servers for a while, failures, a finite room), retries with jitter, a loop, two
workloads. Little's law for every station; nobody waits while a server is free; one more server never lengthens the mean
wait; times that are all k times as long give answers k times as long; the order of definitions changes nothing; and the
same seed gives the same bytes, in a process of its own with another order of hashes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import numpy as np

from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph
from simulation.arrivals.processes import Poisson
from simulation.service_models.distributions import Exponential, Gamma
from simulation.world.load import Workload
from simulation.world.models import Failures, Outage, ServiceModel
from simulation.world.world import Outcome, World, WorldModel, simulate

from .table import Check, exactly, within
from .worlds import SERVICE, WORKFLOW, world

HORIZON = 1_000.0
LOOKS = 20_000
"""Instants at which a world is looked at for a server that is free while somebody waits."""

FIGURES = "27de9461cb7f5e0fdd147514720a06016e29ff31f0f225afd04f026b12d7acba"
"""What the figures of seed 1 come to on every machine. It changes with what a policy decides, never with a machine."""

SCALE = 8
SEEDS = 20
LITTLE = 0.01
ROUNDED = 1e-5
"""Simulated times are whole microseconds, and an execution adds up some that are tenths of seconds."""


def laws(seed: int) -> Iterator[Check]:
    """Say by how much each law is broken."""
    yield from _littles_law(seed)
    idle = idle_while_waited_for(seed)
    yield exactly(f"work conservation: of {LOOKS} looks, a server free while somebody waits", 0, idle)
    yield exactly("one more server: of 80 pairs, a longer mean wait", 0, _longer_waits(seed))
    yield within(f"all times {SCALE} times as long: share by which times differ", 0.0, ROUNDED, scaled_apart(seed))
    yield exactly("definitions the other way round: bytes that differ", 0, turned_apart(seed))
    yield same_trace(seed)
    figures = figures_of(1)
    yield Check("seed 1, any machine: SHA-256 of the figures", FIGURES[:12], figures[:12], None, figures == FIGURES)


def _calls(scale: int, order: int) -> dict[str, Graph]:
    """Return the two workflows, their times `scale` times as long, listed forwards (1) or backwards (-1)."""
    retry = {"max_attempts": 4, "delay": f"{100 * scale}ms", "backoff": "exponential", "jitter": "full"}
    waits = f"{100_000 * scale}s"

    def call(name: str, service: str, after: list[str]) -> dict[str, Any]:
        return {
            "id": name, "type": "service", "service_name": service, "method": "serve", "dependencies": after,
            "timeout": waits, "retry": retry,
        }  # fmt: skip

    loop = {
        "id": "parts", "type": "loop", "items": [1, 2, 3], "parallel_limit": 2, "dependencies": ["first"],
        "steps": [{key: each for key, each in call("part", "parts", []).items() if key != "dependencies"}],
    }  # fmt: skip
    order_of = {
        "order": [call("first", "front", []), loop, call("last", "back", ["parts"])],
        "query": [call("ask", "front", []), call("look", "back", ["ask"])],
    }
    config = {"max_concurrent": 100_000, "timeout": waits}
    graphs = {
        name: Graph.compile(
            parse_definition({"id": name, "name": name, "config": config, "steps": steps[::order], "output": {}})
        )
        for name, steps in order_of.items()
    }
    return dict(list(graphs.items())[::order])


def everything(scale: int = 1, order: int = 1) -> WorldModel:
    """Return the world that the laws are tried on."""
    services = (
        ServiceModel(
            "front", Exponential(0.1 * scale), instances=2, capacity=2, failures=Failures(0.05), policy=None,
            outages=(Outage(200.0 * scale, 50.0 * scale, 0.5),),
        ),
        ServiceModel("parts", Gamma(0.3 * scale, 0.5), instances=1, capacity=6, policy=None),
        ServiceModel(
            "back", Gamma(0.2 * scale, 2.0), instances=3, capacity=2, room=30, failures=Failures(0.1), policy=None,
        ),
    )  # fmt: skip
    loads = (
        Workload("orders", "order", Poisson(4.0 / scale)),
        Workload("queries", "query", Poisson(8.0 / scale)),
    )
    return WorldModel(_calls(scale, order), services[::order], loads[::order], HORIZON * scale)


def _littles_law(seed: int) -> Iterator[Check]:
    """Say for every station by how much the mean number in it differs from what arrives times how long it stays."""
    live = World(everything(), seed=seed, replication=0)
    live.run()
    length = round(HORIZON * 1_000_000)
    for service in live.services.values():
        for station in service.stations:
            inside, passed = station.inside_area / length, station.served / length * (station.spent / station.served)
            off = abs(inside / passed - 1)
            yield within(f"Little's law at {station.id}: share by which it is off", 0.0, LITTLE, off)


def idle_while_waited_for(seed: int) -> int:
    """Return at how many looks a station has a free place and somebody in its line."""
    live = World(everything(), seed=seed, replication=0)
    found = [0]

    def look() -> bool:
        stations = [station for service in live.services.values() for station in service.stations]
        found[0] += any(each.line and each.busy < each.capacity for each in stations)
        return False

    live.run(look, pieces=LOOKS)
    return found[0]


def _longer_waits(seed: int) -> int:
    """Return in how many pairs (a server more, the same luck) the mean wait is longer; one server is busy for 80 %."""
    longer = 0
    for place in range(SEEDS):
        means = []
        for servers in range(1, 6):
            pool = ServiceModel(SERVICE, Gamma(1.0, 2.0), capacity=servers, policy=None)
            model = world(pool, Workload("callers", WORKFLOW, Poisson(0.8)), horizon=2_000.0)
            live = World(model, seed=seed, replication=place)
            # Everybody is served: what is still inside at the end would be counted for one and not for the other.
            live.sources["callers"].begin(1_000.0)
            live.shell.env.pass_until(live.shell.now + 100_000 * 1_000_000)
            source = live.sources["callers"]
            means.append(float((np.asarray(source.ended_at) - np.asarray(source.arrived_at)).mean()))
        longer += sum(more > fewer + 1e-6 for fewer, more in pairwise(means))
    return longer


def scaled_apart(seed: int) -> float:
    """Return by which share times, divided by k, differ on average from those where all are k times shorter."""
    one, other = simulate(everything(), seed=seed), simulate(everything(SCALE), seed=seed)
    worst = 0.0
    for name, figures in one.workloads.items():
        long = other.workloads[name]
        if figures.times.size != long.times.size:
            return float("inf")
        worst = max(worst, float(np.abs(long.times / SCALE - figures.times).sum() / figures.times.sum()))
    return worst


def turned_apart(seed: int) -> int:
    """Return how many bytes of figures differ where steps, workflows, services and workloads are listed backwards."""
    one, other = (_bytes_of(simulate(everything(order=order), seed=seed)) for order in (1, -1))
    differ = 0
    for name, each in one.items():
        differ += abs(len(each) - len(other[name])) + sum(a != b for a, b in zip(each, other[name], strict=False))
    return differ


def _bytes_of(outcome: Outcome) -> Mapping[str, bytes]:
    return {
        name: each.times.tobytes() + each.ended_at.tobytes() + each.good.tobytes()
        for name, each in outcome.workloads.items()
    }


def trace_of(seed: int, horizon: float = 50.0) -> str:
    """Return the SHA-256 of every journal entry of a world, in order: what happened, to whom and when."""
    live = World(replace(everything(), horizon=horizon), seed=seed, replication=0)
    live.shell.keep = True
    live.run()
    digest = sha256()
    for execution in live.shell.executions.values():
        digest.update(execution.id.encode())
        for event in execution.journal or ():
            digest.update(repr(event).encode())
    return digest.hexdigest()


def figures_of(seed: int, horizon: float = 50.0) -> str:
    """Return the SHA-256 of the figures of a world: of every execution its time, its end and whether it completed."""
    digest = sha256()
    for name, each in sorted(_bytes_of(simulate(replace(everything(), horizon=horizon), seed=seed)).items()):
        digest.update(name.encode() + each)
    return digest.hexdigest()


def same_trace(seed: int) -> Check:
    """Return whether a fresh process, in which sets and hashes fall otherwise, leaves the same trace to the byte."""
    here = trace_of(seed)
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
        there = process.submit(trace_of, seed).result()
    return Check("same seed, another process: SHA-256 of the trace", here[:12], there[:12], None, here == there)
