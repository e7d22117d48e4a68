"""Set-ups tried on the same luck: whole replications in several processes, put together set-up by set-up.

A replication's chance comes from the seed, its number and the names of what draws (`simulation.streams`): set-up and
process play no part. So two set-ups' replications of the same number are a pair, and the answer is the same whatever
`jobs` is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from simulation.scenarios.building import AS_WRITTEN
from simulation.scenarios.language import Scenario, ScenarioInvalid
from simulation.scenarios.running import Plan, one_replication, planned, refuse_hopeless, refuse_overload
from simulation.scenarios.summary import Summary, summarise
from simulation.world.world import Outcome

Progress = Callable[[int, int], None]
"""Told how many replications are done, and of how many (as far as is known)."""

LEFT_OUT = ("variants", "experiments")
"""What of a scenario says nothing about a single set-up."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One way to set things up: a scenario document by itself, and what it is called."""

    name: str
    document: dict[str, Any]

    @classmethod
    def of(cls, name: str, document: dict[str, Any]) -> Setup:
        """Return the set-up of a document without its variants and experiments."""
        return cls(name, {key: value for key, value in document.items() if key not in LEFT_OUT})


@dataclass(slots=True)
class Trials:
    """Tries set-ups in `jobs` processes; `progress` hears of every replication. Use it in a `with` statement."""

    folder: Path
    seed: int
    jobs: int = 1
    progress: Progress = lambda done, of: None
    done: int = 0
    planned: int = 0
    judged: list[tuple[str, ...]] = field(default_factory=list)
    """What a search has found on its way, for whoever watches: set-up, cost, verdict, why."""
    _processes: ProcessPoolExecutor | None = None
    _plans: dict[bytes, Plan] = field(default_factory=dict)

    def __enter__(self) -> Trials:
        """Start the processes."""
        if self.jobs > 1:
            self._processes = ProcessPoolExecutor(max_workers=self.jobs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them; what has not begun is not begun any more."""
        if self._processes is not None:
            self._processes.shutdown(cancel_futures=True)

    def plan(self, setup: Setup) -> Plan:
        """Return a set-up's plan. Raises ScenarioInvalid for one that cannot be simulated."""
        text = orjson.dumps(setup.document)
        plan = self._plans.get(text)
        if plan is None:
            plan = self._plans[text] = planned(setup.document, folder=self.folder)
        return plan

    def scenario(self, setup: Setup) -> Scenario:
        """Return a set-up's scenario. Raises ScenarioInvalid for one that cannot be simulated."""
        return self.plan(setup).scenarios[AS_WRITTEN]

    def hopeless(self, setup: Setup) -> str | None:
        """Return why a set-up need not be simulated: too much load, or a promise that nothing keeps; None: it may be.

        Raises ScenarioInvalid for one that cannot be simulated at all.
        """
        plan = self.plan(setup)
        try:
            refuse_hopeless(plan, seed=self.seed)
        except ScenarioInvalid as error:
            return error.problems[0].message
        return None

    def overloaded(self, setup: Setup) -> str | None:
        """Return why the load alone is too much by the utilisation law, None if it is not; nothing is simulated."""
        plan = self.plan(setup)
        try:
            refuse_overload(plan.scenarios, plan.expected)
        except ScenarioInvalid as error:
            return error.problems[0].message
        return None

    def outcomes(self, setups: Sequence[Setup], count: int, first: int = 0) -> dict[str, list[Outcome]]:
        """Return `count` replications of each set-up, from number `first` on, by the set-ups' names."""
        rows: dict[str, list[Outcome | None]] = {each.name: [None] * count for each in setups}
        self.planned += len(setups) * count
        for name, place, outcome in self._run(setups, range(first, first + count)):
            rows[name][place - first] = outcome
            self.done += 1
            self.progress(self.done, self.planned)
        return {name: [each for each in row if each is not None] for name, row in rows.items()}

    def summaries(self, setups: Sequence[Setup], count: int, first: int = 0) -> dict[str, Summary]:
        """Return what `count` replications of each set-up came to, by the set-ups' names."""
        found = self.outcomes(setups, count, first)
        return {each.name: self.summary(each, found[each.name]) for each in setups}

    def summary(self, setup: Setup, outcomes: Sequence[Outcome]) -> Summary:
        """Return what replications of a set-up came to."""
        plan = self.plan(setup)
        return summarise(setup.name, plan.scenarios[AS_WRITTEN], plan.worlds[AS_WRITTEN], outcomes)

    def _run(self, setups: Sequence[Setup], places: Iterable[int]) -> Iterator[tuple[str, int, Outcome]]:
        texts = [(each.name, orjson.dumps(each.document)) for each in setups]
        tasks = [(name, text, place) for place in places for name, text in texts]
        if self._processes is None:
            for name, text, place in tasks:
                yield name, place, one_replication(text, str(self.folder), AS_WRITTEN, self.seed, place)
            return
        futures: dict[Future[Outcome], tuple[str, int]] = {
            self._processes.submit(one_replication, text, str(self.folder), AS_WRITTEN, self.seed, place): (name, place)
            for name, text, place in tasks
        }
        for future in as_completed(futures):
            yield (*futures.pop(future), future.result())
