"""Runs in batches: the same bytes wherever the batches ran, and what is said when some are missing."""

from __future__ import annotations

import json

import orjson
import pytest

from simulation.scenarios.batches import OutcomesMissing, batches_of, merged, run_batch, standalone
from simulation.scenarios.language import ScenarioInvalid
from simulation.scenarios.report import page_of
from simulation.scenarios.running import run_scenario
from tests.simulation.test_scenarios import HERE, scenario

TWO = {"two": {"services": {"backend": {"instances": 2}}}}


def through_json(value):
    return json.loads(json.dumps(value))


def test_it_gives_the_same_bytes_as_one_process():
    document = scenario(variants=TWO, horizon="50s")
    whole = run_scenario(document, folder=HERE, seed=3, replications=5)
    batches = batches_of(document, seed=3, replications=5, size=2)
    found = [through_json(run_batch(document, through_json(each), seed=3)) for each in reversed(batches)]
    again = merged(document, found, seed=3)
    assert orjson.dumps(again.as_json()) == orjson.dumps(whole.as_json())
    assert page_of(again) == page_of(whole)


def test_it_adds_replications_to_a_run_that_is_there():
    document = scenario(horizon="50s")
    first = batches_of(document, seed=3, replications=3)
    more = batches_of(document, seed=3, replications=2, first=3)
    assert more == [{"variant": "as-written", "first": 3, "count": 2}]
    found = [run_batch(document, each, seed=3) for each in (*first, *more)]
    whole = run_scenario(document, folder=HERE, seed=3, replications=5)
    assert merged(document, found, seed=3).as_json() == whole.as_json()


def test_it_needs_no_file_once_the_recording_is_written_out(tmp_path):
    (tmp_path / "calls.csv").write_text("TIMESTAMP\n0.1\n1.5\n2.25\n")
    trace = {"name": "callers", "workflow": "work", "arrivals": {"kind": "trace", "file": "calls.csv", "speed": 2.0}}
    document = scenario(horizon="20s", workloads=[trace], variants={"same": {"workloads": [trace]}})
    alone = standalone(document, tmp_path)
    assert "calls.csv" not in json.dumps(alone)
    found = [run_batch(alone, each, seed=1) for each in batches_of(alone, seed=1)]
    assert merged(alone, found, seed=1).as_json() == run_scenario(document, folder=tmp_path, seed=1).as_json()
    with pytest.raises(ScenarioInvalid, match=r"workloads\[0\].arrivals: there is no file calls.csv"):
        standalone(document, HERE)


def test_it_refuses_what_is_hopeless_before_any_batch_runs():
    document = scenario()
    document["workloads"][0]["arrivals"]["per_second"] = 11
    with pytest.raises(ScenarioInvalid, match="110%"):
        batches_of(document, seed=1)


def test_it_tells_which_replication_is_missing_or_there_twice():
    document = scenario(horizon="20s")
    one, other = (run_batch(document, each, seed=1) for each in batches_of(document, seed=1, replications=2, size=1))
    with pytest.raises(OutcomesMissing, match="replication 0 of as-written is there twice"):
        merged(document, [one, one, other], seed=1)
    with pytest.raises(OutcomesMissing, match="of as-written replication 0 is missing"):
        merged(document, [other], seed=1)
    damaged = through_json(one)
    damaged["outcomes"][0]["workloads"]["callers"]["times"] = "no numbers"
    with pytest.raises(OutcomesMissing, match="cannot be read"):
        merged(document, [damaged, other], seed=1)
