"""An experiment over replications that were made elsewhere: it is asked again and again, until all it wants is known.

An experiment is a function of what its replications come to. So it can be asked before anything is simulated: it ends
at the first replications that are not known, which whoever asks has made then, anywhere and in any order, and asks
again. What the experiment does in between (which set-up to try next, when to stop) is done anew each time, which takes
next to nothing beside the replications, and comes to the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from simulation.scenarios.running import Plan
from simulation.scenarios.summary import Summary
from simulation.world.world import Outcome

from .trials import Setup, Trials

Key = tuple[str, int]
"""A set-up's digest and the number of a replication."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Replications of a set-up that are not known; `text` is its document (JSON), `digest` tells it from others."""

    name: str
    text: bytes
    digest: str
    replications: tuple[int, ...]


class Wanted(Exception):
    """An experiment cannot go on before these are known."""

    def __init__(self, missing: Sequence[Missing]) -> None:
        super().__init__(f"{sum(len(each.replications) for each in missing)} replications are wanted")
        self.missing = tuple(missing)


class Stopped(Exception):
    """Whoever asked has said to stop."""


@dataclass
class KnownTrials(Trials):
    """Trials whose replications are looked up: `known` are those that are there, `load` gets one.

    `stop` is asked all the time; Stopped is raised once it says yes. Wanted is raised where a replication is not known.
    """

    known: Collection[Key] = ()
    load: Callable[[Key], Outcome] = field(kw_only=True)
    stop: Callable[[], bool] = field(kw_only=True, default=lambda: False)

    def plan(self, setup: Setup) -> Plan:
        """Return a set-up's plan. Raises ScenarioInvalid, Stopped."""
        self._go_on()
        return Trials.plan(self, setup)

    def plan_of(self, missing: Missing) -> Plan:
        """Return the plan of a set-up that is wanted."""
        return self.plan(Setup(missing.name, orjson.loads(missing.text)))

    def summaries(self, setups: Sequence[Setup], count: int, first: int = 0) -> dict[str, Summary]:
        """Return what replications come to, set-up by set-up: no two set-ups' replications are in memory at once."""
        self._need(setups, range(first, first + count))
        return {
            each.name: self.summary(each, Trials.outcomes(self, [each], count, first)[each.name]) for each in setups
        }

    def _run(self, setups: Sequence[Setup], places: Iterable[int]) -> Iterator[tuple[str, int, Outcome]]:
        there = tuple(places)
        self._need(setups, there)
        for each in setups:
            digest = digest_of(each)
            for place in there:
                self._go_on()
                yield each.name, place, self.load((digest, place))

    def _need(self, setups: Sequence[Setup], places: Iterable[int]) -> None:
        there, missing = tuple(places), {}
        for each in setups:
            digest = digest_of(each)
            wanted = tuple(place for place in there if (digest, place) not in self.known)
            if wanted:
                missing[digest] = Missing(each.name, orjson.dumps(each.document), digest, wanted)
        if missing:
            raise Wanted(list(missing.values()))

    def _go_on(self) -> None:
        if self.stop():
            raise Stopped


def nothing_known(folder: Path, seed: int) -> KnownTrials:
    """Return trials that know nothing: what they raise says what an experiment wants first."""

    def load(key: Key) -> Outcome:
        raise LookupError(key)

    return KnownTrials(folder, seed, load=load)


def digest_of(setup: Setup) -> str:
    """Return what tells a set-up from every other: SHA-256 of its document."""
    return hashlib.sha256(orjson.dumps(setup.document)).hexdigest()
