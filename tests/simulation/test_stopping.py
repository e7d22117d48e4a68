"""Replications until it is sure, what ends them before, and single long runs."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from simulation.experiments.asking import answer
from simulation.scenarios.experiments import LongRunOf
from simulation.scenarios.language import ScenarioInvalid
from simulation.scenarios.stopping import stopping_rule, time_limit
from simulation.scenarios.sure import run_until_sure
from simulation.statistics.stopping import StoppingRule
from tests.simulation.test_scenarios import HERE, scenario


def until_sure(document, **keys):
    rule = StoppingRule(**{"target": 0.05, "most": 60, **keys.pop("rule", {})})
    return run_until_sure(document, folder=HERE, seed=3, rule=rule, **keys)


def test_it_adds_replications_until_every_figure_that_decides_is_narrow():
    found = until_sure(scenario(horizon="150s", slos=[{"workload": "callers", "p50": "1s"}]))
    summary = found.summaries[0]
    assert 10 < summary.replications <= 60
    assert summary.workloads[0].figures["mean"].relative <= 0.05
    assert summary.workloads[0].figures["p50"].relative <= 0.05
    assert summary.notes[0].startswith(f"sure after {summary.replications} replications")


def test_it_stops_at_the_cap_and_says_how_wide_it_still_is():
    found = until_sure(scenario(horizon="30s"), rule={"most": 12})
    assert found.summaries[0].replications == 12
    assert "not sure: the cap of 12 replications ended it" in found.summaries[0].notes[0]


def test_it_stops_when_its_time_is_up():
    found = until_sure(scenario(horizon="30s"), in_time=lambda: False)
    assert found.summaries[0].replications == 10
    assert "the time limit ended it after 10" in found.summaries[0].notes[0]


def test_it_gives_the_same_bytes_whatever_the_number_of_processes():
    one, two = (until_sure(scenario(horizon="80s"), jobs=jobs, rule={"most": 15}) for jobs in (1, 2))
    assert json.dumps(one.as_json()) == json.dumps(two.as_json())


def test_it_takes_the_rule_from_the_options_or_from_the_scenario():
    document = scenario(until_sure={"within": 0.1, "at_most": 50})
    assert stopping_rule(document, {}) == StoppingRule(target=0.1, most=50)
    assert stopping_rule(document, {"until_sure": "2%", "at_most": 30}) == StoppingRule(target=0.02, most=30)
    assert stopping_rule(document, {"replications": 5}) is None
    assert stopping_rule(scenario(), {}) is None
    assert time_limit({"time_limit": "1m30s"}) == 90
    for options in ({"until_sure": "some"}, {"until_sure": "0"}, {"until_sure": "5%", "at_most": 1}):
        with pytest.raises(ScenarioInvalid):
            stopping_rule(document, options)
    with pytest.raises(ScenarioInvalid, match="--time-limit"):
        time_limit({"time_limit": "soon"})


def test_it_answers_from_one_long_run_by_batch_means():
    document = scenario(horizon="4000s")
    document["workloads"][0]["arrivals"]["per_second"] = 2
    found = answer(document, LongRunOf(kind="long-run"), folder=HERE, seed=3).as_json()["workloads"]["callers"]
    assert found["independent"]
    assert found["mean"]["low"] < 0.125 < found["mean"]["high"]


def test_it_says_when_a_long_run_is_too_short():
    with pytest.raises(ScenarioInvalid, match="30 at least"):
        answer(scenario(horizon="4s"), LongRunOf(kind="long-run"), folder=HERE, seed=3)


def test_it_goes_on_until_it_is_sure_on_the_command_line(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(scenario(horizon="100s")))
    out = StringIO()
    call_command("simulate", str(path), "--until-sure", "20%", "--time-limit", "5m", stdout=out)
    assert "sure after" in out.getvalue()
    with pytest.raises(CommandError, match="no share above 0"):
        call_command("simulate", str(path), "--until-sure", "much")
