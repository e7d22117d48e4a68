"""Scenarios that name recordings: of arrivals, and of workflows. The recordings here are made up and small."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from simulation.scenarios.batches import standalone
from simulation.scenarios.building import variants_of, world_of
from simulation.scenarios.files import with_files
from simulation.scenarios.language import ScenarioInvalid
from simulation.scenarios.running import run_scenario
from simulation.world.world import simulate
from tests.simulation.recorded import written
from tests.simulation.worlds import one_step

WORKFLOW = {"id": "tiny", "recording": "tiny.json"}


def recorded(**changes):
    """Return a scenario in which a recorded workflow starts once."""
    return {
        "scenario": "recorded",
        "horizon": "1h",
        "transient": True,
        "replications": 2,
        "workflows": [WORKFLOW],
        "workloads": [{"name": "runs", "workflow": "tiny", "arrivals": {"kind": "trace", "times": [0.0]}}],
        "services": {},
        **changes,
    }


def times_of(document, folder):
    """Return how long the one execution takes in each variant."""
    scenarios = variants_of(with_files(document, folder))
    worlds = {name: world_of(each, folder) for name, each in scenarios.items()}
    return {name: simulate(world, seed=1).workloads["runs"].times.tolist() for name, world in worlds.items()}


def problem_of(document, folder):
    with pytest.raises(ScenarioInvalid) as caught:
        run_scenario(document, folder=folder, seed=1)
    return {each.path: each.message for each in caught.value.problems}


def test_it_runs_a_recorded_workflow_on_its_machines(tmp_path):
    written(tmp_path, "tiny")
    assert times_of(recorded(), tmp_path) == {"as-written": [5.5]}


def test_it_adds_what_the_platform_costs(tmp_path):
    written(tmp_path, "tiny", size=10**9)
    workflow = {**WORKFLOW, "latency": "10s", "dispatch": "1s", "transfer": "8s", "stretch": 1.0}
    (time,) = times_of(recorded(workflows=[workflow]), tmp_path)["as-written"]
    assert time == pytest.approx(2 * (1 + 10) + 8 + 2 * 5.5)


def test_it_changes_the_cluster_and_the_limit_in_variants(tmp_path):
    written(tmp_path, "tiny")
    two = [{"name": "runs", "workflow": "tiny", "arrivals": {"kind": "trace", "times": [0.0, 0.0]}}]
    document = recorded(
        workloads=two,
        services={"machines": {"instances": 1, "capacity": 1}},
        variants={
            "two-machines": {"services": {"machines": {"instances": 2}}},
            "slow": {"workflows": [{**WORKFLOW, "stretch": 1.0, "parallel_limit": 1}]},
        },
    )
    found = times_of(document, tmp_path)
    assert found["as-written"] == [7.5, 11.0]
    assert found["two-machines"] == [5.5, 5.5]
    assert found["slow"] == [15.0, 22.0]


def test_it_stands_alone_with_its_recordings_written_out(tmp_path):
    written(tmp_path, "tiny")
    alone = standalone(recorded(variants={"limited": {"workflows": [{**WORKFLOW, "parallel_limit": 1}]}}), tmp_path)
    assert "recording" not in json.dumps(alone["workflows"][0]["config"])
    assert times_of(alone, tmp_path / "elsewhere") == {"as-written": [5.5], "limited": [5.5]}


def test_it_says_where_a_recording_is_not(tmp_path):
    (said,) = problem_of(recorded(), tmp_path).items()
    assert said[0] == "workflows[0].recording"
    assert "tiny.json" in said[1]
    assert "--data" in said[1]
    variants = {"other": {"workflows": [{"id": "tiny", "recording": "absent.json"}]}}
    written(tmp_path, "tiny")
    assert list(problem_of(recorded(variants=variants), tmp_path)) == ["variants.other.workflows[0].recording"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"recording": "../tiny.json"}, "workflows[0].recording"),
        ({"latency": "soon"}, "workflows[0].latency"),
        ({"parallel_limit": 0}, "workflows[0].parallel_limit"),
        ({"speed": 2}, "workflows[0].speed"),
    ],
)
def test_it_says_what_is_wrong_with_a_recorded_workflow(tmp_path, change, path):
    written(tmp_path, "tiny")
    assert path in problem_of(recorded(workflows=[{**WORKFLOW, **change}]), tmp_path)


def test_it_says_that_a_file_is_no_recording(tmp_path):
    (tmp_path / "tiny.json").write_text("{}")
    assert "no recorded workflow" in problem_of(recorded(), tmp_path)["workflows[0].recording"]


def bursts(folder, *, apart):
    """Write a trace of twenty arrivals every `apart` seconds, or of as many alone, and return a scenario of it."""
    times = np.repeat(np.arange(0.0, 600.0, apart), 20 if apart > 1 else 1)
    (folder / "arrivals.csv").write_text("\n".join(["at", *(f"{time:.6f}" for time in times)]))
    arrivals = {"kind": "trace", "file": "arrivals.csv", "column": "at"}
    return {
        "scenario": "bursts",
        "horizon": "10m",
        "transient": True,
        "replications": 2,
        "workflows": [one_step()],
        "workloads": [{"name": "callers", "workflow": "work", "arrivals": arrivals}],
        "services": {"backend": {"times": {"kind": "exponential", "mean": "100ms"}}},
        "variants": {
            "poisson": {
                "workloads": [
                    {"name": "callers", "workflow": "work", "arrivals": {"kind": "poisson", "per_second": 2.0}}
                ]
            }
        },
    }


def test_it_says_that_a_bursty_trace_is_not_poisson_and_how_wrong_poisson_is(tmp_path):
    found = run_scenario(bursts(tmp_path, apart=10.0), folder=tmp_path, seed=1)
    replayed, poisson = found.summaries
    assert [note for note in replayed.notes if "not Poisson's" in note]
    assert not [note for note in poisson.notes if "not Poisson's" in note]
    assert replayed.workloads[0].figures["mean"].mean > 3 * poisson.workloads[0].figures["mean"].mean


def test_it_says_nothing_of_a_trace_without_bursts(tmp_path):
    found = run_scenario(bursts(tmp_path, apart=0.5), folder=tmp_path, seed=1)
    assert not [note for note in found.summaries[0].notes if "not Poisson's" in note]


def test_it_looks_for_recordings_where_the_command_is_told(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    file = tmp_path / "scenario.json"
    file.write_text(json.dumps(bursts(data, apart=10.0)))
    with pytest.raises(CommandError, match=r"arrivals\.csv beside the scenario, nor in the folder that --data names"):
        call_command("simulate", str(file), stdout=StringIO())
    out = StringIO()
    call_command("simulate", str(file), "--data", str(data), "--json", stdout=out)
    assert json.loads(out.getvalue())["scenario"] == "bursts"
