"""Running a scenario: all replications of all variants, in one process or several, on common random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from orchestration.domain.errors import Problem
from simulation.statistics.comparison import compare_with
from simulation.statistics.intervals import Interval
from simulation.world.world import Outcome, World, WorldModel, simulate

from .alone import refuse_impossible
from .building import AS_WRITTEN, seconds, variants_of, world_of
from .files import with_files
from .language import Scenario, ScenarioInvalid
from .shapes import Shape, shape_of
from .single_pool import SinglePool, pool_of, serve
from .summary import NOT_MODELLED, Summary, all_kept, as_json, expected_loads, summarise

Progress = Callable[[int, int], None]
"""Told how many replications are done, and how many there are."""

PIECES = 1_000
"""How often a replication asks on its way whether it is to stop."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a scenario came to: a summary of each variant, and the differences of each to what is written."""

    scenario: Scenario
    seed: int
    summaries: list[Summary]
    differences: dict[str, dict[str, Interval]]
    expected: dict[str, dict[str, float]]
    last: dict[str, Outcome]
    shapes: dict[str, list[Shape]] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Say whether no promise is broken."""
        return all_kept(self.summaries)

    def as_json(self) -> dict[str, Any]:
        """Return the result as programs read it."""
        return {
            "scenario": self.scenario.scenario,
            "seed": self.seed,
            "variants": [as_json(each) for each in self.summaries],
            "differences": {
                name: {measure: interval.as_json() for measure, interval in each.items()}
                for name, each in self.differences.items()
            },
            "guides": {"expected_busy": self.expected},
            "shapes": {
                name: {
                    workload.name: shape.as_json()
                    for workload, shape in zip(self.scenario.workloads, rows, strict=True)
                }
                for name, rows in self.shapes.items()
            },
            "not_modelled": list(NOT_MODELLED),
            "provenance": self.scenario.provenance,
        }


def run_scenario(
    document: dict[str, Any],
    *,
    folder: Path,
    seed: int,
    replications: int | None = None,
    jobs: int = 1,
    progress: Progress = lambda done, of: None,
) -> Result:
    """Return what a scenario comes to. `folder` is where files that it names lie.

    The same document and seed give the same result, whatever `jobs`. Raises ScenarioInvalid for a scenario that cannot
    be simulated, and for one that cannot be: a load above what a service bears, a promise that cannot be kept.
    """
    plan = planned(document, folder=folder)
    refuse_hopeless(plan, seed=seed)
    count = replications or plan.scenarios[AS_WRITTEN].replications
    outcomes = simulated(document, list(plan.scenarios), range(count), folder, seed, jobs, progress)
    return concluded(plan, outcomes, seed=seed)


def simulated(
    document: dict[str, Any],
    names: list[str],
    replications: range,
    folder: Path,
    seed: int,
    jobs: int = 1,
    progress: Progress = lambda done, of: None,
) -> dict[str, list[Outcome]]:
    """Return the replications of those numbers of each variant that is named, in their order."""
    rows: dict[str, dict[int, Outcome]] = {name: {} for name in names}
    found = _outcomes(document, folder, names, replications, seed, jobs)
    for done, (name, replication, outcome) in enumerate(found, start=1):
        rows[name][replication] = outcome
        progress(done, len(replications) * len(names))
    return {name: [row[place] for place in replications] for name, row in rows.items()}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be simulated, by the variants' names; `expected` is how busy each service will be at least."""

    scenarios: dict[str, Scenario]
    worlds: dict[str, WorldModel]
    expected: dict[str, dict[str, float]]
    document: dict[str, Any] = field(default_factory=dict)


def planned(document: dict[str, Any], *, folder: Path) -> Plan:
    """Return the plan of a scenario and its variants. Raises ScenarioInvalid for what cannot be simulated."""
    scenarios = variants_of(with_files(document, folder))
    worlds = {name: world_of(each, folder) for name, each in scenarios.items()}
    expected = {name: expected_loads(scenarios[name], world) for name, world in worlds.items()}
    return Plan(scenarios, worlds, expected, document)


def refuse_hopeless(plan: Plan, *, seed: int) -> None:
    """Raise ScenarioInvalid for a load above what a service bears, and for a promise that cannot be kept."""
    refuse_overload(plan.scenarios, plan.expected)
    for name, each in plan.scenarios.items():
        refuse_impossible(each, plan.worlds[name], seed=seed)


def concluded(plan: Plan, outcomes: dict[str, list[Outcome]], *, seed: int) -> Result:
    """Return what the replications of each variant, in their order, come to."""
    summaries = [summarise(name, each, plan.worlds[name], outcomes[name]) for name, each in plan.scenarios.items()]
    return Result(
        scenario=plan.scenarios[AS_WRITTEN],
        seed=seed,
        summaries=summaries,
        differences=_differences(summaries),
        expected=plan.expected,
        last={name: row[0] for name, row in outcomes.items()},
        shapes={each.name: _shapes(plan.scenarios[each.name], each, outcomes[each.name]) for each in summaries},
        document=plan.document,
    )


def refuse_overload(scenarios: dict[str, Scenario], expected: dict[str, dict[str, float]]) -> None:
    """Raise ScenarioInvalid for a load above what a service bears, unless the question is about a change.

    By the utilisation law alone.
    """
    for name, scenario in scenarios.items():
        if scenario.transient:
            continue
        for service, busy in expected[name].items():
            if busy >= 1:
                which = "" if name == AS_WRITTEN else f" ({name})"
                said = (
                    f"the load is {busy:.0%} of what {service} bears{which}: there is no steady state to wait for; "
                    "more instances or capacity are needed, a lower load, or transient: true"
                )
                raise ScenarioInvalid(said, [Problem(f"services.{service}", "load.above_capacity", said)])


Task = tuple[str, int]


def _outcomes(
    document: dict[str, Any], folder: Path, names: list[str], replications: range, seed: int, jobs: int
) -> Iterator[tuple[str, int, Outcome]]:
    tasks: list[Task] = [(name, replication) for replication in replications for name in names]
    text = orjson.dumps(document)
    if jobs <= 1:
        for name, replication in tasks:
            yield name, replication, one_replication(text, str(folder), name, seed, replication)
        return
    with ProcessPoolExecutor(max_workers=jobs) as processes:
        futures = {
            processes.submit(one_replication, text, str(folder), name, seed, place): (name, place)
            for name, place in tasks
        }
        for future in as_completed(futures):
            yield (*futures[future], future.result())


def one_replication(
    text: bytes, folder: str, name: str, seed: int, replication: int, stop: Callable[[], bool] | None = None
) -> Outcome:
    """Return one replication of a variant of the scenario whose JSON is `text`, by the fast path where it suffices.

    `stop` is asked often on the way, and ends the replication where it is by saying yes: the outcome is worth nothing
    then.
    """
    world, pool = _world(text, folder, name)
    outcome = None if pool is None else serve(pool, seed=seed, replication=replication)
    if outcome is None and stop is not None:
        return World(world, seed=seed, replication=replication).run(stop, PIECES)
    return outcome or simulate(world, seed=seed, replication=replication)


@lru_cache(maxsize=256)
def _world(text: bytes, folder: str, name: str) -> tuple[WorldModel, SinglePool | None]:
    scenario = variants_of(with_files(orjson.loads(text), Path(folder)))[name]
    world = world_of(scenario, Path(folder))
    return world, pool_of(scenario, world)


def _shapes(scenario: Scenario, summary: Summary, outcomes: list[Outcome]) -> list[Shape]:
    return [
        shape_of([each.workloads[found.name] for each in outcomes], seconds(scenario.horizon), found.dropped)
        for found in summary.workloads
    ]


def _differences(summaries: list[Summary]) -> dict[str, dict[str, Interval]]:
    """Return the paired differences of each variant's figures to the first one's, all of which hold together."""
    base, *others = summaries
    found: dict[str, dict[str, Interval]] = {each.name: {} for each in others}
    for place, workload in enumerate(base.workloads):
        for measure, values in workload.values.items():
            told = {
                each.name: each.workloads[place].values[measure]
                for each in others
                if measure in each.workloads[place].values
            }
            for name, interval in compare_with(values, told).items():
                found[name][f"{workload.name} {measure}"] = interval
    return found
