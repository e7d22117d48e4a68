"""How much retries multiply calls at worst, and what capacity that leaves.

A call of at most n attempts becomes n where all fail: the amplification A = n, and only C/A of the capacity C is left
to come back with, the hidden capacity. A retry budget that each success pays β retries into, with a minimum of m a
second, bounds it: A = min(n, 1 + β + m/λ) at λ calls a second (simulator's design, B5; Huang et al., "Metastable
Failures in the Wild", OSDI 2022).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.domain.calling.policy import ServicePolicy
from orchestration.domain.limits import DEFAULTS
from simulation.scenarios.language import Scenario
from simulation.world.world import WorldModel


@dataclass(frozen=True, slots=True)
class Amplification:
    """What retries may make of a service's calls: at most `attempts` each, `factor` times as many in all."""

    service: str
    attempts: int
    factor: float
    budget: float | None

    @property
    def hidden(self) -> float:
        """Return the share of the capacity from below which it always comes back by itself."""
        return 1 / self.factor


def amplification_of(scenario: Scenario, world: WorldModel, service: str, calls: float) -> Amplification:
    """Return the worst amplification of a service's calls, of which there are `calls` a second without retries."""
    model = next(each for each in world.services if each.name == service)
    attempts = max((_attempts(step) for step in _calls(scenario, service)), default=1)
    budget = None if model.policy is None else _budget(model.policy, calls)
    factor = float(attempts) if budget is None else min(float(attempts), budget)
    return Amplification(service, attempts, factor, budget)


def _budget(policy: ServicePolicy, calls: float) -> float | None:
    budget = policy.retry_budget
    if not budget.enabled:
        return None
    return 1 + budget.ratio + budget.minimum_per_second / max(calls, 1e-9)


def _attempts(step: Mapping[str, Any]) -> int:
    most = step.get("retry", {}).get("max_attempts")
    return DEFAULTS.retry_attempts if most is None else int(most)


def _calls(scenario: Scenario, service: str) -> Iterator[Mapping[str, Any]]:
    used = {each.workflow for each in scenario.workloads}
    for definition in scenario.workflows:
        if definition["id"] in used:
            yield from (step for step in _steps(definition["steps"]) if step.get("service_name") == service)


def _steps(steps: Any) -> Iterator[Mapping[str, Any]]:
    for step in steps:
        yield step
        yield from _steps(step.get("steps", ()))
