"""Experiments in the background: told as they come in, cancelled, capped, and the very answer of the command."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestration import clock
from orchestration.domain.documents import parse_document
from orchestration.domain.errors import DocumentInvalid, LimitExceeded
from orchestration.teams import operations as teams
from simulation.experiments.asking import answer
from simulation.lab import claims, operations, queries, tasks
from simulation.lab.asking import experiment_of
from simulation.lab.models import Batch, SimulationRun, TriedSetup
from simulation.scenarios.batches import NOWHERE
from tests.lab.scenarios import OVERLOADED, QUICK, SEARCHED

SEED = 7
SENSITIVITY = {"kind": "sensitivity", "places": ["load", "services.payment.times"]}
SCREENING = {"kind": "screening", "places": ["load", "services.payment.times"], "replications": 2}
CHEAPEST = {"kind": "cheapest", "places": {"services.payment.instances": "1..8"}}
STORM = {"kind": "storm", "loads": [0.3], "triggers": ["5s"], "replications": 2}


@pytest.fixture
def team_id(transactional_db: None) -> int:
    return teams.default_team().id


def started(team_id: int, experiment: dict[str, Any], text: str = QUICK) -> Any:
    given = {"team_id": team_id, "text": text, "name": "quick", "by": "ada", "seed": SEED}
    return operations.start_run(**given, experiment=experiment)


@pytest.mark.parametrize(
    ("text", "experiment", "verdict"),
    [
        (QUICK, SENSITIVITY, "pass"),
        (QUICK, SCREENING, ""),
        (SEARCHED, CHEAPEST, "pass"),
        (QUICK, STORM, "stable"),
    ],
    ids=["sensitivity", "screening", "cheapest", "storm"],
)
def test_it_comes_to_the_very_answer_of_the_command(team_id: int, text: str, experiment: dict[str, Any], verdict: str):
    run_id = started(team_id, experiment, text)
    while tasks.work()["batches"]:
        pass
    run = queries.get_run(team_id=team_id, run_id=run_id)
    assert (run.summary.state, run.problems) == ("done", ())
    expected = answer(parse_document(text), experiment_of(experiment), folder=NOWHERE, seed=SEED)
    assert run.result is not None
    assert run.result["experiment"] == expected.as_json()
    assert run.summary.verdict == verdict
    assert (run.summary.progress, run.done) == (1.0, run.batches)
    assert {"said", "table", "picture"} <= {each["block"] for each in run.result["blocks"]}
    assert not Batch.objects.exists()
    assert not TriedSetup.objects.exists()


def test_it_tells_two_replications_before_it_makes_more(team_id: int):
    run_id = started(team_id, SENSITIVITY)
    told = []
    while (held := claims.claim(holder="here:1", now=clock.now())) is not None:
        tasks.carry_out(held)
        result = queries.get_run(team_id=team_id, run_id=run_id).result
        told.append(result and result["replications"])
    assert [each for place, each in enumerate(told) if not place or each != told[place - 1]] == [None, 2, 3]


def test_it_says_what_a_search_has_tried_while_it_searches(team_id: int):
    run_id = started(team_id, CHEAPEST, SEARCHED)
    said = ""
    while not said and (held := claims.claim(holder="here:1", now=clock.now())) is not None:
        tasks.carry_out(held)
        run = queries.get_run(team_id=team_id, run_id=run_id)
        said = run.result["blocks"][0]["text"] if run.result else ""
    assert run.summary.state == "running"
    assert "judged so far" in said
    operations.cancel_run(team_id=team_id, run_id=run_id, by="ada")
    assert not TriedSetup.objects.exists()
    assert tasks.work() == {"batches": 0}


def test_it_is_asked_again_by_another_worker_where_one_died_over_it(team_id: int):
    run_id = started(team_id, SENSITIVITY)
    dead = claims.claim(holder="gone:1", now=clock.now())
    assert dead is not None
    later = clock.now() + timedelta(hours=1)
    again = claims.claim(holder="here:1", now=later)
    assert again is not None
    tasks.carry_out(dead)
    assert Batch.objects.filter(run_id=run_id).count() == 1, "who is not the holder any more makes no batches"
    tasks.carry_out(again)
    assert Batch.objects.filter(run_id=run_id).count() > 1


def test_it_keeps_what_was_told_when_its_time_is_up(team_id: int):
    run_id = started(team_id, SENSITIVITY)
    while queries.get_run(team_id=team_id, run_id=run_id).result is None:
        held = claims.claim(holder="here:1", now=clock.now())
        assert held is not None
        tasks.carry_out(held)
    SimulationRun.objects.filter(pk=run_id).update(started_at=clock.now() - timedelta(hours=1))
    tasks.work()
    run = queries.get_run(team_id=team_id, run_id=run_id)
    assert run.summary.state == "done"
    assert "simulation_seconds" in run.note


@pytest.mark.parametrize(
    ("experiment", "path"),
    [
        ({"kind": "sensitivity", "places": ["services.nobody.times"]}, "services.nobody.times"),
        ({"kind": "cheapest", "places": {"services.payment.instances": "5..1"}}, "services.payment.instances"),
        ({"kind": "cheapest", "places": {}}, "cheapest"),
        ({"kind": "cheapest", "places": {"services.nobody.instances": "1..5"}}, "services.nobody.instances"),
        ({"kind": "storm", "service": "nobody"}, "storm.service"),
        ({"kind": "storm", "capacity": 2}, "experiment.storm.capacity"),
        ({"kind": "long-run"}, "experiment.kind"),
        ({"kind": "nonsense"}, "experiment"),
    ],
)
def test_it_says_at_once_what_cannot_be_asked(team_id: int, experiment: dict[str, Any], path: str):
    with pytest.raises(DocumentInvalid) as told:
        started(team_id, experiment)
    assert told.value.problems[0].path == path
    assert not SimulationRun.objects.exists()


def test_it_says_at_once_that_the_load_is_too_high(team_id: int):
    with pytest.raises(DocumentInvalid) as told:
        started(team_id, SENSITIVITY, OVERLOADED)
    assert told.value.problems[0].code == "load.above_capacity"


def test_it_refuses_an_experiment_that_is_too_large_and_names_the_limit(team_id: int, settings: Any):
    settings.PODIUM = replace(settings.PODIUM, simulation_experiment_replications=10)
    with pytest.raises(LimitExceeded) as told:
        started(team_id, SENSITIVITY)
    assert told.value.details["limit"] == "simulation_experiment_replications"


def test_it_ends_a_search_that_grows_beyond_the_limit_and_says_so(team_id: int, settings: Any):
    settings.PODIUM = replace(settings.PODIUM, simulation_experiment_replications=25)
    run_id = started(team_id, CHEAPEST, SEARCHED)
    tasks.work()
    run = queries.get_run(team_id=team_id, run_id=run_id)
    assert (run.summary.state, run.problems[0].code) == ("failed", "simulation.too_large")
    assert "simulation_experiment_replications" in run.problems[0].message
