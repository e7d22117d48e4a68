"""Scenarios that take the costs of workers from a file that a calibration wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.management.bench.calibration import Costs
from simulation.scenarios.building import variants_of, world_of
from simulation.scenarios.files import with_files
from simulation.scenarios.language import ScenarioInvalid, parse_scenario
from simulation.world.models import WorkersModel
from tests.simulation.worlds import one_step

COSTS = Costs(
    per_execution=3e-4,
    per_entry=5e-5,
    per_call=2e-4,
    commit=4e-4,
    commit_per_entry=2e-5,
    dispatch=3e-3,
    wake_up=1.4e-2,
    linger=2.0,
)


def scenario(**changes: Any) -> dict[str, Any]:
    """A scenario in which a workflow of one step starts once a second."""
    return {
        "scenario": "calibrated",
        "horizon": "10s",
        "workflows": [one_step()],
        "workloads": [{"name": "calls", "workflow": "work", "arrivals": {"kind": "poisson", "per_second": 1}}],
        "services": {"backend": {"times": {"kind": "fixed", "time": "10ms"}}},
        **changes,
    }


@pytest.fixture
def calibrated(tmp_path: Path) -> Path:
    """A folder with what `bench --calibrate --out` writes."""
    keys = ", ".join(f"{key}: {value}" for key, value in COSTS.as_workers(count=2, slots=500).items())
    (tmp_path / "workers.yaml").write_text(f"workers: {{{keys}}}\n", encoding="utf-8")
    return tmp_path


def problem_of(document: dict, folder: Path) -> dict[str, str]:
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario(with_files(document, folder))
    return {each.path: each.message for each in caught.value.problems}


def test_it_takes_from_the_file_what_the_scenario_does_not_say(calibrated: Path):
    document = scenario(workers={"calibration": "workers.yaml", "count": 4, "per_call": 0})
    workers = parse_scenario(with_files(document, calibrated)).workers
    assert workers is not None
    assert (workers.count, workers.slots, workers.per_call) == (4, 500, 0)
    assert (workers.per_execution, workers.commit, workers.linger) == (300, 400, 2_000_000)
    assert workers.calibration is None
    model = world_of(parse_scenario(with_files(document, calibrated)), calibrated).workers
    assert model == WorkersModel(
        4, 500, per_entry=5e-5, commit=4e-4, wake_up=1.4e-2, per_execution=3e-4, commit_per_entry=2e-5, dispatch=3e-3,
        linger=2.0,
    )  # fmt: skip


def test_it_reads_files_of_variants_too(calibrated: Path):
    document = scenario(variants={"measured": {"workers": {"calibration": "workers.yaml"}}})
    found = variants_of(with_files(document, calibrated))
    assert [each.workers and each.workers.commit for each in found.values()] == [None, 400]


def test_it_names_the_place_of_a_file_that_is_not_there(tmp_path: Path):
    for name in ("absent.yaml", "../absent.yaml", ""):
        problems = problem_of(scenario(workers={"calibration": name}), tmp_path)
        assert list(problems) == ["workers.calibration"]
        assert "there is no file" in problems["workers.calibration"]


@pytest.mark.parametrize("text", ["- 1", "workers: 3", "workers: {calibration: workers.yaml}", "costs: {}"])
def test_it_refuses_a_file_that_is_no_calibration(tmp_path: Path, text: str):
    (tmp_path / "workers.yaml").write_text(text, encoding="utf-8")
    problems = problem_of(scenario(workers={"calibration": "workers.yaml"}), tmp_path)
    assert "is no calibration" in problems["workers.calibration"]


def test_it_refuses_a_file_s_costs_as_if_they_stood_in_the_scenario(tmp_path: Path):
    (tmp_path / "workers.yaml").write_text("workers: {commit: soon}", encoding="utf-8")
    assert list(problem_of(scenario(workers={"calibration": "workers.yaml"}), tmp_path)) == ["workers.commit"]


def test_it_reads_no_file_where_there_is_no_folder():
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario(scenario(workers={"calibration": "workers.yaml"}))
    assert [each.path for each in caught.value.problems] == ["workers.calibration"]
