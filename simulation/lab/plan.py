"""What a run consists of: the worlds that are simulated, in batches, and one batch of them. No Django here.

A run has two groups of worlds. `compare` are the scenario as it is written and its variants, replication by replication
on common random numbers. `load` are points of the curve of latency against load: the scenario as it is written with its
arrivals at multiples of what they are. One batch is one replication of all worlds of a group, so that after two batches
of a group all its figures have an interval, and each further one narrows them all.

The multiples are known only when the first replication has shown how busy the busiest resource is: what a call costs
beside the load itself (retries, loops, branches) is in that, and in no formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from orchestration.domain.errors import Problem
from simulation.arrivals.closed import ClosedUsers
from simulation.scenarios.batches import NOWHERE, outcome_as_json, outcome_of
from simulation.scenarios.building import AS_WRITTEN, variants_of
from simulation.scenarios.language import Scenario, ScenarioInvalid
from simulation.scenarios.running import Plan, one_replication, planned
from simulation.scenarios.stopping import stopping_rule
from simulation.world.world import WorldModel

from .document import document_of
from .loads import BUSY, factors_for, load_of, point
from .states import COMPARE, LOAD

LOAD_REPLICATIONS = 6
"""Replications of each point of the curve, at most as many as the scenario asks for."""


_NO_STANDING = "no file lies beside a scenario of the lab; `manage.py simulate --from-now` can begin with one"


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is: replications of all worlds together, and about how many executions they come to."""

    replications: int
    executions: int


def read(text: str) -> Plan:
    """Return the plan of a scenario's text. Raises DocumentInvalid with everything that is wrong and where."""
    document = document_of(text)
    # Before a world is made: that reads what is named.
    _refuse_files(variants_of(document))
    return planned(document, folder=NOWHERE)


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
    problems += [
        Problem(f"{'' if name == AS_WRITTEN else f'variants.{name}.'}standing", "value.choice", _NO_STANDING)
        for name, scenario in scenarios.items()
        if scenario.standing is not None
    ]
    if problems:
        raise ScenarioInvalid(f"{problems[0].path}: {problems[0].message}", problems)


def batches(plan: Plan) -> list[tuple[str, int]]:
    """Return the batches of a run, (group, replication), in the order in which they are best done."""
    scenario = plan.scenarios[AS_WRITTEN]
    count = replications_of(plan)
    points = min(LOAD_REPLICATIONS, count) if _has_curve(scenario) else 0
    compared = [(COMPARE, replication) for replication in range(count)]
    # Two of the scenario first, so that its figures are soon told; then the curve in between.
    found = compared[:2]
    for replication in range(max(points, count - 2)):
        found += [(LOAD, replication)] if replication < points else []
        found += compared[replication + 2 : replication + 3]
    return found


def replications_of(plan: Plan) -> int:
    """Return the replications of each variant: as many as are asked for, or at most where it stops when it is sure."""
    rule = stopping_rule(plan.document, {})
    return plan.scenarios[AS_WRITTEN].replications if rule is None else rule.most


def _has_curve(scenario: Scenario) -> bool:
    return not scenario.transient and all(load_of(each) is not None for each in scenario.workloads)


def size_of(plan: Plan) -> Size:
    """Return how large the run will be; a point of the curve is as large as the scenario as it is, at most."""
    told = batches(plan)
    drawn = sum(group == LOAD for group, _ in told)
    points = drawn * len(BUSY)
    replications = (len(told) - drawn) * len(plan.scenarios)
    compared = sum(map(executions_of, plan.worlds.values())) * replications_of(plan)
    return Size(replications + points, round(compared + points * executions_of(plan.worlds[AS_WRITTEN])))


def executions_of(world: WorldModel) -> float:
    """Return about how many executions a replication of a world comes to."""
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
    for world, document, variant in _worlds(document_of(text), group, factors):
        outcome = one_replication(orjson.dumps(document), str(NOWHERE), variant, seed, replication, asked)
        if asked():
            return None
        found[world] = outcome_as_json(outcome)
    return orjson.dumps(found)


def _worlds(document: dict[str, Any], group: str, factors: Sequence[float]) -> Iterator[tuple[str, Any, str]]:
    """Yield the worlds of a group: the name of each, the document that it is in, and its variant there."""
    if group == COMPARE:
        yield from ((name, document, name) for name in (AS_WRITTEN, *(document.get("variants") or {})))
    else:
        yield from ((f"{factor:g}", point(document, factor), AS_WRITTEN) for factor in factors)


class Stop:
    """Asks whether to stop, and remembers a yes."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self.said = False

    def __call__(self) -> bool:
        """Say whether to stop."""
        self.said = self.said or self._ask()
        return self.said


def points_of(text: str, factors: Sequence[float]) -> Iterator[tuple[str, Scenario, WorldModel]]:
    """Yield the points of the curve: the name of each, its scenario, and its world."""
    for name, document, _ in _worlds(document_of(text), LOAD, factors):
        plan = planned(document, folder=NOWHERE)
        yield name, plan.scenarios[AS_WRITTEN], plan.worlds[AS_WRITTEN]


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
