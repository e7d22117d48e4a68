"""Where to begin to look: the least of a number by the utilisation law, and how much of it would about do.

What an execution takes of each service and of the workers is measured on executions by themselves (`scenarios.alone`),
so retries, loops and branches are in it. λ D of it is the load in servers; fewer than that cannot be enough.

The tail of the wait in M/M/c is C exp(-(cμ - λ) t) (Erlang C). Allen and Cunneen stretch the mean wait of G/G/c by
(ca² + cs²)/2; so is the tail here, by shortening the time that may be waited. What may be waited is what the tightest
promise leaves beside the executions' own time, shared evenly by the services that are called.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulation import formulas
from simulation.arrivals.closed import ClosedUsers
from simulation.scenarios.alone import CLEARLY, Alone, alone
from simulation.scenarios.building import AS_WRITTEN, seconds
from simulation.scenarios.language import Scenario
from simulation.scenarios.summary import PERCENTILES
from simulation.statistics.intervals import percentile
from simulation.world.models import ServiceModel
from simulation.world.world import WorldModel

from .costs import WORKER
from .trials import Setup, Trials

LEAST_SLACK = 0.05
"""The share of a promise that may be waited in any case."""

USUAL = 30.0
"""How long an execution is given where nothing is promised of it (seconds)."""

BUSY = 0.8
"""How busy workers may be to begin with."""

WIDEST = 100.0
"""A squared coefficient of variation above which a tail says nothing about waits any more."""

_SERVICE = re.compile(r"services\.([^.]+)\.(instances|capacity)")


@dataclass(frozen=True, slots=True)
class Guide:
    """What executions by themselves take, and how much waiting the promises leave: for bounds and first guesses."""

    scenario: Scenario
    world: WorldModel
    lone: Mapping[str, Alone]

    @classmethod
    def of(cls, trials: Trials, setup: Setup) -> Guide:
        """Return the guide of a set-up."""
        plan = trials.plan(setup)
        scenario, world = plan.scenarios[AS_WRITTEN], plan.worlds[AS_WRITTEN]
        longest = {
            each.workload: max((seconds(getattr(each, word) or 0) for word in PERCENTILES), default=0.0) or USUAL
            for each in scenario.slos
        }
        return cls(
            scenario,
            world,
            {each.name: alone(world, each, longest.get(each.name, USUAL), trials.seed) for each in world.workloads},
        )

    def least(self, path: str) -> float:
        """Return what a place must hold at least by the utilisation law; 0 where it says nothing."""
        if path == WORKER:
            return self._rate(lambda each: each.workers) / CLEARLY
        service, of_each = self._of(path)
        return 0.0 if service is None else self._load(service) / of_each / CLEARLY

    def guess(self, path: str) -> float:
        """Return about what a place should hold; 0 where no formula knows."""
        if path == WORKER:
            return self._rate(lambda each: each.workers) / BUSY
        service, of_each = self._of(path)
        if service is None or not self._load(service):
            return 0.0
        slack, late = self._slack()
        return servers_for(service, self._load(service), slack, late) / of_each

    def _of(self, path: str) -> tuple[ServiceModel | None, int]:
        """Return the service whose number a path is, and how many servers one more of it brings."""
        found = _SERVICE.fullmatch(path)
        if found is None:
            return None, 1
        model = next(each for each in self.world.services if each.name == found[1])
        return model, model.capacity if found[2] == "instances" else model.instances

    def _load(self, service: ServiceModel) -> float:
        return self._rate(lambda each: each.services[service.name])

    def _rate(self, of: Callable[[Alone], float]) -> float:
        return sum(
            each.load.rate(self.world.horizon) * of(self.lone[each.name])
            for each in self.world.workloads
            if not isinstance(each.load, ClosedUsers)
        )

    def _slack(self) -> tuple[float, float]:
        """Return the least that a promise leaves for each service's queue (s), and the share that may wait longer."""
        slack, late = math.inf, 0.5
        for slo in self.scenario.slos:
            own = self.lone[slo.workload].times
            for word, share in PERCENTILES.items():
                promised = getattr(slo, word)
                if promised is None or not own.size:
                    continue
                left = max(seconds(promised) - percentile(own, share), LEAST_SLACK * seconds(promised))
                slack, late = min((slack, late), (left, 1 - share))
        return slack / max(1, len(self.world.services)), late


def servers_for(model: ServiceModel, load: float, slack: float, late: float) -> int:
    """Return the least servers with which at most a share of `late` waits longer than `slack` seconds.

    `load` is in servers: how many are busy on average.
    """
    if math.isinf(slack):
        return math.floor(load) + 1
    spread = (1 + min(model.times.scv, WIDEST)) / 2
    services = 1 / model.times.mean
    return formulas.servers_for(
        lambda servers: formulas.wait_beyond(servers, load * services, services, slack / spread) <= late, load
    )
