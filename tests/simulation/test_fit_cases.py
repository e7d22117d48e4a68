"""Kinds of executions from recorded ones: ways come out as recorded, for the definition's own conditions decide."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph
from simulation.fit.cases import MOST_BYTES, MOST_CASES
from simulation.fit.deciding import deciding
from simulation.fit.scenario import fit_history
from simulation.fit.writing import text_of
from simulation.scenarios.building import world_of
from simulation.scenarios.language import ScenarioInvalid, parse_scenario
from simulation.service_models.distributions import Fixed
from simulation.world.cases import Case
from simulation.world.world import World
from tests.simulation.histories import history_of
from tests.simulation.worlds import with_cases, world


def call(name, **more):
    return {"id": name, "type": "service", "service_name": "backend", "method": name, **more}


BRANCHES = {
    "id": "work",
    "name": "Work",
    "steps": [
        call("judge", input={"note": "${input.note}"}),
        call("by-hand", dependencies=["judge"], condition="vars.risk > 5 && input.large"),
        call("by-itself", dependencies=["judge"], condition="vars.risk <= 5"),
    ],
    "output": {"note": "${input.note}"},
}
KINDS = (
    Case({"large": True, "note": "a"}, {"judge": {"risk": 9, "told": "much"}}, count=2),
    Case({"large": False, "note": "b"}, {"judge": {"risk": 9, "told": "little"}}, count=1),
    Case({"large": False, "note": "c"}, {"judge": {"risk": 1, "told": "nothing"}}, count=7),
)


def ran(model, *, seed=2):
    """Return how often each step ran in a world, by executions that started."""
    again = World(model, seed=seed, replication=0)
    again.shell.keep = True
    again.run()
    ended = [each for each in again.shell.executions.values() if each.run.ended]
    counts: dict[str, int] = {}
    for each in ended:
        for step in each.run.step_runs():
            counts[step.path] = counts.get(step.path, 0) + (step.status == "completed")
    return {path: count / len(ended) for path, count in counts.items()}


def recorded(*kinds, definition=BRANCHES, seconds=300.0, **more):
    model = world(definition=definition, per_second=4.0, seconds=seconds, times=Fixed(0.05), capacity=100, **more)
    return history_of(with_cases(model, *kinds), definition)


@pytest.fixture(scope="module")
def branching():
    """Return the history of a workflow whose conditions read an answer and the input."""
    return recorded(*KINDS)


@pytest.fixture(scope="module")
def fitted(branching):
    return fit_history(branching, seed=1)


def test_it_has_branches_come_out_as_recorded(branching, fitted, tmp_path):
    real = [each for each in branching.executions if each.ended is not None]
    by_hand = np.mean(
        [any(entry.step == "by-hand" and entry.type == "step.completed" for entry in each.entries) for each in real]
    )
    found = ran(world_of(parse_scenario(fitted.document), tmp_path))
    assert found["by-hand"] == pytest.approx(by_hand, abs=0.035)
    assert found["by-hand"] + found["by-itself"] < 0.95
    assert found["judge"] == 1.0


def test_it_knows_how_many_executions_each_case_stands_for(branching, fitted):
    cases = fitted.document["workloads"][0]["cases"]
    ended = sum(each.ended is not None for each in branching.executions)
    assert sum(each["count"] for each in cases) == ended
    assert fitted.document["provenance"]["cases"] == {"executions": ended, "ways": 3, "cases": 3}


def test_it_copies_only_what_may_decide(fitted):
    workload = fitted.document["workloads"][0]
    assert all(set(each["input"]) == {"large"} for each in workload["cases"])
    assert {orjson.dumps(each) for each in workload["answers"]} == {b'{"risk":9}', b'{"risk":1}'}


def test_it_reads_what_decides_through_the_names_that_steps_give():
    steps = [
        call("judge", output={"score": "${output.risk}", "label": "${output.told}"}),
        {
            "id": "each",
            "type": "loop",
            "items": "${vars.parts}",
            "steps": [call("part", input={"a": "${input.secret}"})],
        },
        call("more", condition="vars.score > 1", dependencies=["judge"]),
    ]
    found = deciding({"work": {"steps": steps}})
    values = {"risk": 1, "told": 2, "parts": [], "secret": "x"}
    assert found.part_of(values) == {"risk": 1, "parts": []}


def test_it_keeps_everything_where_a_whole_object_is_read():
    found = deciding({"work": {"steps": [call("more", condition="size(input) > 1")]}})
    assert found.part_of({"anything": 1}) == {"anything": 1}


def test_it_ends_loops_where_they_ended(tmp_path):
    loop = {
        "id": "again",
        "type": "loop",
        "while": "!has(vars.done) || !vars.done",
        "steps": [call("ask")],
        "max_iterations": 50,
    }
    definition = {"id": "work", "name": "Work", "steps": [loop], "output": {}}
    kinds = [
        Case(answers={f"again[{turn}].ask": {"done": turn == last} for turn in range(last + 1)}, count=count)
        for last, count in ((0, 3), (4, 1))
    ]
    history = recorded(*kinds, definition=definition)
    fit = fit_history(history, seed=1)
    real = [
        sum(entry.type == "step.started" and entry.step.endswith("ask") for entry in each.entries)
        for each in history.executions
    ]
    assert max(real) == 5
    again = World(world_of(parse_scenario(fit.document), tmp_path), seed=2, replication=0)
    outcome = again.run()
    assert outcome.services["backend"].attempts / outcome.workloads["work"].offered == pytest.approx(
        np.mean(real), rel=0.1
    )


def test_it_gives_children_the_answers_that_they_had(tmp_path):
    child = {
        "id": "child",
        "name": "Child",
        "steps": [call("look"), call("act", dependencies=["look"], condition="vars.needed")],
        "output": {},
    }
    parent = {
        "id": "work",
        "name": "Work",
        "steps": [{"id": "sub", "type": "subflow", "workflow": "child"}],
        "output": {},
    }
    model = world(definition=parent, per_second=4.0, seconds=200.0, times=Fixed(0.05), capacity=100)
    graphs = {**model.graphs, "child": Graph.compile(parse_definition(child))}
    kinds = [
        Case(children={"sub": Case(answers={"look": {"needed": needed}})}, count=count)
        for needed, count in ((True, 1), (False, 3))
    ]
    model = with_cases(
        type(model)(**{**{name: getattr(model, name) for name in model.__slots__}, "graphs": graphs}), *kinds
    )
    history = history_of(model, parent, children={"child": child})
    document = fit_history(history, seed=1).document
    outcome = World(world_of(parse_scenario(document), tmp_path), seed=2, replication=0).run()
    # Every execution looks, a quarter of them act.
    assert outcome.services["backend"].attempts / outcome.workloads["work"].offered == pytest.approx(1.25, abs=0.05)


def test_it_is_bounded_however_different_executions_are(tmp_path):
    kinds = [
        Case({"large": True, "note": "n"}, {"judge": {"risk": float(turn), "told": "x" * 900}}) for turn in range(600)
    ]
    telling = {
        **BRANCHES,
        "steps": [*BRANCHES["steps"], call("last", condition="vars.told != ''", dependencies=["judge"])],
    }
    document = fit_history(recorded(*kinds, definition=telling), seed=1).document
    workload = document["workloads"][0]
    assert len(workload["cases"]) <= MOST_CASES
    assert len(orjson.dumps({key: workload[key] for key in ("cases", "answers")})) <= MOST_BYTES
    # Few stand for many: the shares are as if none was left out.
    found = ran(world_of(parse_scenario(document), tmp_path))
    assert found["by-hand"] == pytest.approx(594 / 600, abs=0.02)
    assert len(text_of(document)) < 256 * 1024


def test_it_has_no_cases_where_all_executions_are_alike():
    document = fit_history(recorded(Case({"large": True, "note": "a"}, {"judge": {"risk": 9}})), seed=1).document
    assert "cases" not in document["workloads"][0]


def test_it_meets_the_same_kinds_whatever_the_policy_is(fitted, tmp_path):
    def kinds(change):
        document = {**fitted.document, "services": {"backend": {**fitted.document["services"]["backend"], **change}}}
        again = World(world_of(parse_scenario(document), tmp_path), seed=5, replication=0)
        again.shell.keep = True
        again.run()
        return [each.case for each in again.shell.executions.values()]

    one, other = kinds({}), kinds({"failures": {"share": 0.2}})
    assert one == other


def test_it_says_what_is_wrong_with_cases(fitted):
    workload = {
        **fitted.document["workloads"][0],
        "cases": [{"answers": {"judge": 7}, "children": {"sub": {"answers": {"x": 9}}}}],
    }
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario({**fitted.document, "workloads": [workload]})
    assert [each.path for each in caught.value.problems] == [
        "workloads[0].cases[0].answers.judge",
        "workloads[0].cases[0].children.sub.answers.x",
    ]
