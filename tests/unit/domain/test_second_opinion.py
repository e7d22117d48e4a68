"""The real domain in virtual time, and a second reading of the language's page, say the same of random workflows."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from orchestration.management.conformance import virtual
from orchestration.management.conformance.scenario import read_scenario
from tests.unit.domain.opinion import Execution, World
from tests.unit.domain.strategies import exact, scenarios


def plain(value: Any) -> Any:
    """Return a value with errors reduced to their codes and ids of executions left out."""
    if isinstance(value, dict):
        if "code" in value and ("message" in value or set(value) <= {"code", "details", "service_says"}):
            return {"code": value["code"]}
        return {key: "?" if key == "execution_id" else plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def opinion_of(execution: Execution) -> dict[str, Any]:
    steps = {step.path: step for among in execution.root.lists() for step in among.steps}
    never = (
        execution.status == "cancelled"
        and execution.started == execution.ended_at
        and not any(step.attempts for step in steps.values())
    )
    return {
        "workflow": execution.definition["id"],
        "status": execution.status,
        "error": execution.error and execution.error["code"],
        "output": plain(execution.output),
        "took": execution.ended_at - execution.started,
        "steps": {}
        if never
        else {
            path: (step.status, step.attempts, plain(step.output), step.error and step.error["code"])
            for path, step in steps.items()
        },
    }


def facts_of(record: Any) -> dict[str, Any]:
    return {
        "workflow": record.workflow,
        "status": record.status,
        "error": record.error,
        "output": plain(record.output),
        "took": record.ended_at - record.started_at,
        "steps": {
            path: (step.status, step.attempts, plain(step.output), step.error) for path, step in record.steps.items()
        },
    }


def differences(scenario: dict[str, Any]) -> list[str]:
    """Return in what the two differ, one line each."""
    record = virtual.play(read_scenario({**scenario, "expect": {}}))
    world = World(scenario).play()
    assert record.first is not None
    assert record.trouble is None
    ours = [facts_of(record.first), *(facts_of(child) for child in record.children)]
    theirs = [opinion_of(execution) for execution in world.executions]
    lines = []
    if len(ours) != len(theirs):
        lines.append(f"{len(ours)} executions, {len(theirs)} in the second opinion")
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        lines += [
            f"execution {number}: {key} is {one[key]!r}, second opinion {other[key]!r}"
            for key in one
            if key != "steps" and one[key] != other[key]
        ]
        for path in sorted(one["steps"].keys() | other["steps"].keys()):
            if one["steps"].get(path) != other["steps"].get(path):
                told = f"{one['steps'].get(path)!r}, second opinion {other['steps'].get(path)!r}"
                lines.append(f"execution {number}: {path} is {told}")
    calls = [call.method for call in record.calls]
    if calls != world.calls:
        lines.append(f"calls are {calls}, second opinion {world.calls}")
    if record.refused != world.refused:
        lines.append(f"refused are {record.refused}, second opinion {world.refused}")
    return lines


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(scenarios().map(exact))
def test_it_agrees_with_the_second_opinion(scenario):
    told = differences(scenario)
    assert not told, f"{scenario['scenario']}: " + "\n".join(told)
