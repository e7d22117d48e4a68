"""A workflow whose calls are postponed ends as if they were not: with the same outcome, and the same attempts."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestration.domain.commands import StartAttempt
from orchestration.domain.definition import parse_definition
from orchestration.domain.facts import Postponed
from orchestration.domain.graph import Graph
from orchestration.domain.ids import fraction
from orchestration.domain.limits import DEFAULTS
from orchestration.domain.postponement import REASONS
from orchestration.management.conformance import virtual
from orchestration.management.conformance.scenario import Scenario, read_scenario
from orchestration.management.conformance.script import Answer, Services
from tests.unit.domain.strategies import exact, scenarios
from tests.unit.domain.test_second_opinion import facts_of


class ByAttempt(Services):
    """Services that answer by what they are asked for, not by when: the order of a moment's calls says nothing."""

    command: StartAttempt

    def answer(self, service: str, method: str, given: Any, *, notification: bool = False) -> Answer:
        self._used.clear()
        drawn = fraction(method, self.command.step, self.command.number)
        for _ in range(round(3 * drawn)):
            super().answer(service, method, given, notification=notification)
        answer = super().answer(service, method, given, notification=notification)
        return replace(answer, after=answer.after + round(1000 * drawn))


class Steady(virtual.World):
    """A world with such services."""

    def __init__(self, scenario: Scenario, graphs: dict[str, Graph]) -> None:
        super().__init__(scenario, graphs)
        self._services = ByAttempt(scenario.services)

    def _call(self, execution: Any, command: StartAttempt) -> None:
        self._services.command = command
        super()._call(execution, command)


class TurningAway(Steady):
    """A steady world in which calls are postponed by a hash of their attempt, each for no time at all."""

    luck = 0

    def _create(self, workflow: str, execution_id: str, given: dict[str, Any], *, depth: int) -> Any:
        execution = super()._create(workflow, execution_id, given, depth=depth)
        execution.run.defaults = replace(DEFAULTS, postponed_first=0, postponed_most=0, postponed_busy_most=0)
        return execution

    def _call(self, execution: Any, command: StartAttempt) -> None:
        chance = random.Random(f"{self.luck}/{execution.id}/{command.attempt}")
        if chance.random() < 0.4:
            fact = Postponed(command.attempt, chance.choice(sorted(REASONS)))
            self._at(self._now, partial(self._tell, execution, fact))
            return
        super()._call(execution, command)


def outcome(world: virtual.World) -> list[dict[str, Any]]:
    record = world.play("parent")
    assert record.trouble is None
    assert record.first is not None
    for each in (record.first, *record.children):
        assert each.status in ("completed", "failed", "cancelled", "compensation_failed")
    return [facts_of(record.first), *(facts_of(child) for child in record.children)]


def without_ties(scenario: dict[str, Any]) -> dict[str, Any]:
    """Return the scenario with nothing in it that depends on the order of what happens in one moment.

    A call that is postponed for no time gives its slot away and takes it again, behind others that are ready.
    """

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: changed(part) for key, part in value.items() if key != "parallel_limit"}
        return [changed(part) for part in value] if isinstance(value, list) else value

    plain: dict[str, Any] = changed(exact(scenario))
    return {**plain, "actions": []}


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(scenarios().map(without_ties), st.integers(0, 2**32))
def test_a_workflow_ends_the_same_with_the_same_attempts_whatever_was_postponed(drawn, luck):
    scenario = read_scenario({**drawn, "expect": {}})
    graphs = {
        document["id"]: Graph.compile(parse_definition(document))
        for document in (scenario.definition, *scenario.children)
    }
    world = TurningAway(scenario, graphs)
    world.luck = luck
    assert outcome(world) == outcome(Steady(scenario, graphs))
