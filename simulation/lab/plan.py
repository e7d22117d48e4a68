"""What a run consists of: the worlds that are simulated, in batches, and what the batches come to. No Django here.

A run has two groups of worlds. `compare` are the scenario as it is written and its variants, replication by replication
on common random numbers. `load` are points of the curve of latency against load: the scenario as it is written with its
arrivals at multiples of what they are. One batch is one replication of all worlds of a group, so that after two batches
of a group all its figures have an interval, and each further one narrows them all.

The multiples are known only when the first replication has shown how busy the busiest resource is: what a call costs
beside the load itself (retries, loops, branches) is in that, and in no formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from orchestration.domain.documents import parse_document
from orchestration.domain.errors import Problem
from simulation.arrivals.closed import ClosedUsers
from simulation.scenarios.batches import NOWHERE, outcome_as_json, outcome_of
from simulation.scenarios.building import AS_WRITTEN, variants_of, world_of
from simulation.scenarios.language import Scenario, ScenarioInvalid
from simulation.scenarios.running import Plan, concluded, planned
from simulation.scenarios.summary import summarise
from simulation.statistics.comparison import CANNOT_TELL, FAIL, PASS
from simulation.world.world import Outcome, World, WorldModel

from .loads import BUSY, factors_for, load_of, scaled
from .states import COMPARE, LOAD

LOAD_REPLICATIONS = 6
"""Replications of each point of the curve, at most as many as the scenario asks for."""

PIECES = 1_000
"""How often a replication asks on its way whether it is to stop."""

FEWEST = 2
"""Replications below which a figure has no interval, and is not told."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is: replications of all worlds together, and about how many executions they come to."""

    replications: int
    executions: int


def read(text: str) -> Plan:
    """Return the plan of a scenario's text. Raises DocumentInvalid with everything that is wrong and where."""
    document = document_of(text)
    _refuse_files(variants_of(document))
    return planned(document, folder=NOWHERE)


def document_of(text: str) -> dict[str, Any]:
    """Return the document of a scenario's text. Raises DocumentInvalid."""
    document = parse_document(text)
    if not isinstance(document, dict):
        said = "a scenario is an object: `scenario: my-name` and what else it says"
        raise ScenarioInvalid(said, [Problem("", "value.type", said)])
    return document


def _refuse_files(scenarios: Mapping[str, Scenario]) -> None:
    problems = [
        Problem(
            f"{'' if name == AS_WRITTEN else f'variants.{name}.'}workloads[{place}].arrivals.file",
            "value.choice",
            "no file lies beside a scenario of the lab; write the instants into `times`",
        )
        for name, scenario in scenarios.items()
        for place, workload in enumerate(scenario.workloads)
        if getattr(workload.arrivals, "file", None) is not None
    ]
    if problems:
        raise ScenarioInvalid(f"{problems[0].path}: {problems[0].message}", problems)


def batches(plan: Plan) -> list[tuple[str, int]]:
    """Return the batches of a run, (group, replication), in the order in which they are best done."""
    scenario = plan.scenarios[AS_WRITTEN]
    points = min(LOAD_REPLICATIONS, scenario.replications) if _has_curve(scenario) else 0
    found = []
    for replication in range(scenario.replications):
        found.append((COMPARE, replication))
        if replication < points:
            found.append((LOAD, replication))
    return found


def _has_curve(scenario: Scenario) -> bool:
    return not scenario.transient and all(load_of(each) is not None for each in scenario.workloads)


def size_of(plan: Plan) -> Size:
    """Return how large the run will be; the points of the curve count as one world each at the load as it is."""
    told = batches(plan)
    drawn = sum(group == LOAD for group, _ in told)
    points = drawn * len(BUSY)
    replications = (len(told) - drawn) * len(plan.scenarios)
    each = [_executions(world) for world in plan.worlds.values()]
    compared = sum(each) * plan.scenarios[AS_WRITTEN].replications
    return Size(replications + points, round(compared + points * _executions(plan.worlds[AS_WRITTEN])))


def _executions(world: WorldModel) -> float:
    total = 0.0
    for workload in world.workloads:
        load = workload.load
        if isinstance(load, ClosedUsers):
            total += load.users * world.horizon / max(load.think.mean, 0.01)
        else:
            total += load.rate(world.horizon) * world.horizon
    return total


def run_batch(
    text: str, group: str, replication: int, factors: Sequence[float], *, seed: int, stop: Callable[[], bool]
) -> bytes | None:
    """Return what one batch came to, as bytes, or None if `stop` said so on the way (it is asked often)."""
    found: dict[str, Any] = {}
    asked = Stop(stop)
    for name, world in _worlds(text, group, factors).items():
        outcome = World(world, seed=seed, replication=replication).run(asked, PIECES)
        if asked.said:
            return None
        found[name] = outcome_as_json(outcome)
    return orjson.dumps(found)


class Stop:
    """Asks whether to stop, and remembers a yes."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self.said = False

    def __call__(self) -> bool:
        """Say whether to stop."""
        self.said = self.said or self._ask()
        return self.said


def _worlds(text: str, group: str, factors: Sequence[float]) -> dict[str, WorldModel]:
    if group == COMPARE:
        return read(text).worlds
    document = {**document_of(text), "variants": {}}
    return {f"{factor:g}": world_of(variants_of(scaled(document, factor))[AS_WRITTEN], NOWHERE) for factor in factors}


def factors_from(text: str, outcome: bytes) -> list[float]:
    """Return the multiples of the load for the curve, from what the first replication came to."""
    scenario = read(text).scenarios[AS_WRITTEN]
    if not _has_curve(scenario):
        return []
    first = outcome_of(orjson.loads(outcome)[AS_WRITTEN])
    busy = [each.busy for each in first.services.values()]
    if scenario.workers is not None:
        busy.append(first.worker_busy)
    return factors_for(max(busy, default=0.0), scenario)


def result_of(
    text: str, compared: Iterable[bytes], loaded: Iterable[bytes], factors: Sequence[float], *, seed: int
) -> dict[str, Any]:
    """Return all that the finished batches of both groups come to, as JSON. Either may be too few to tell anything."""
    plan = read(text)
    rows = _by_world(compared)
    count = len(rows.get(AS_WRITTEN, ()))
    told: dict[str, Any] = {"replications": count, "compare": None, "load": None}
    if count >= FEWEST:
        result = concluded(plan, rows, seed=seed)
        told["compare"] = {**result.as_json(), "over_time": _over_time(plan, rows)}
    points = _by_world(loaded)
    if points and len(next(iter(points.values()))) >= FEWEST:
        told["load"] = _curve(text, points, factors)
    return told


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


SLOTS = 60


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
    document = {**document_of(text), "variants": {}}
    told = []
    users = {each.arrivals.kind == "users" for each in read(text).scenarios[AS_WRITTEN].workloads}
    unit = "times" if len(users) > 1 else "users" if users == {True} else "per_second"
    for factor in factors:
        scenario = variants_of(scaled(document, factor))[AS_WRITTEN]
        world = world_of(scenario, NOWHERE)
        summary = summarise(f"{factor:g}", scenario, world, points[f"{factor:g}"])
        told.append(
            {
                "factor": factor,
                "offered": _offered(world, unit, factor),
                "workloads": {
                    each.name: {
                        "steady": each.steady,
                        "figures": {word: interval.as_json() for word, interval in each.figures.items()},
                    }
                    for each in summary.workloads
                },
                "busy": {each.name: each.figures["busy"].mean for each in summary.services},
            }
        )
    return {"unit": unit, "points": told}


def _offered(world: WorldModel, unit: str, factor: float) -> float:
    loads = [each.load for each in world.workloads]
    match unit:
        case "users":
            return float(sum(each.users for each in loads if isinstance(each, ClosedUsers)))
        case "per_second":
            return sum(each.rate(world.horizon) for each in loads if not isinstance(each, ClosedUsers))
        case _:
            return factor
