"""Running a scenario: all replications of all variants, in one process or several, on common random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from orchestration.domain.errors import Problem
from simulation.statistics.comparison import compare_with
from simulation.statistics.intervals import Interval
from simulation.world.world import Outcome, WorldModel, simulate

from .alone import refuse_impossible
from .building import AS_WRITTEN, variants_of, world_of
from .language import Scenario, ScenarioInvalid
from .summary import NOT_MODELLED, Summary, all_kept, as_json, expected_loads, summarise

Progress = Callable[[int, int], None]
"""Told how many replications are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a scenario came to: a summary of each variant, and the differences of each to what is written."""

    scenario: Scenario
    seed: int
    summaries: list[Summary]
    differences: dict[str, dict[str, Interval]]
    expected: dict[str, dict[str, float]]
    last: dict[str, Outcome]

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
    scenarios = variants_of(document)
    worlds = {name: world_of(each, folder) for name, each in scenarios.items()}
    expected = {name: expected_loads(scenarios[name], world) for name, world in worlds.items()}
    _refuse_overload(scenarios, expected)
    for name, each in scenarios.items():
        refuse_impossible(each, worlds[name], seed=seed)
    count = replications or scenarios[AS_WRITTEN].replications
    outcomes: dict[str, list[Outcome | None]] = {name: [None] * count for name in scenarios}
    found = _outcomes(document, folder, list(scenarios), count, seed, jobs)
    for done, (name, replication, outcome) in enumerate(found, start=1):
        outcomes[name][replication] = outcome
        progress(done, count * len(scenarios))
    whole = {name: [each for each in row if each is not None] for name, row in outcomes.items()}
    summaries = [summarise(name, scenarios[name], worlds[name], whole[name]) for name in scenarios]
    return Result(
        scenario=scenarios[AS_WRITTEN],
        seed=seed,
        summaries=summaries,
        differences=_differences(summaries),
        expected=expected,
        last={name: row[0] for name, row in whole.items()},
    )


def _refuse_overload(scenarios: dict[str, Scenario], expected: dict[str, dict[str, float]]) -> None:
    for name, scenario in scenarios.items():
        if scenario.transient:
            continue
        for service, busy in expected[name].items():
            if busy >= 1:
                said = (
                    f"the load is {busy:.0%} of what {service} bears ({name}): there is no steady state to wait for; "
                    "more instances or capacity are needed, a lower load, or transient: true"
                )
                raise ScenarioInvalid(said, [Problem(f"services.{service}", "load.above_capacity", said)])


Task = tuple[str, int]


def _outcomes(
    document: dict[str, Any], folder: Path, names: list[str], count: int, seed: int, jobs: int
) -> Iterator[tuple[str, int, Outcome]]:
    tasks: list[Task] = [(name, replication) for replication in range(count) for name in names]
    text = orjson.dumps(document)
    if jobs <= 1:
        for name, replication in tasks:
            yield name, replication, _one(text, str(folder), name, seed, replication)
        return
    with ProcessPoolExecutor(max_workers=jobs) as processes:
        futures = {processes.submit(_one, text, str(folder), name, seed, place): (name, place) for name, place in tasks}
        for future in as_completed(futures):
            yield (*futures[future], future.result())


def _one(text: bytes, folder: str, name: str, seed: int, replication: int) -> Outcome:
    return simulate(_world(text, folder, name), seed=seed, replication=replication)


@lru_cache(maxsize=16)
def _world(text: bytes, folder: str, name: str) -> WorldModel:
    return world_of(variants_of(orjson.loads(text))[name], Path(folder))


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
