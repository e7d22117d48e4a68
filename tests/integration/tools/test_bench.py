"""The benchmark, small: it must measure something real and leave nothing behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from simulation.scenarios.files import with_files
from tests.integration.tools.programs import manage
from tests.sites import own_site

COMPARED = {"throughput", "chain, step to step", "fan-out of 1000", "start, awake", "start, asleep"}
FIGURES = ("steps_per_s", "executions_per_s", "seconds", "peak_memory_mb")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workload", "options", "also"),
    [
        ("chain", ("--http", "--executions", "2"), ("p50_ms", "p99_ms")),
        ("throughput", ("--executions", "20"), ("p50_ms", "p99_ms", "starts_per_s")),
    ],
)
def test_it_prints_one_object_with_its_figures(
    tmp_path: Path, workload: str, options: tuple[str, ...], also: tuple[str, ...]
):
    asked = ("--workload", workload, "--steps", "3", "--repeat", "1", "--workers", "1", "--json", *options)
    with own_site(tmp_path / "data") as environment:
        done = manage("bench", *asked, environment=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["workload"], found["steps"], found["workers"]) == (workload, 3, 1)
    assert all(found[name] > 0 for name in (*FIGURES, *also))
    # The kernel counts the workers' time in hundredths of a second, and all of this takes a few of them.
    hundredth = 1_000 * 0.01 / (found["executions"] * found["steps"])
    assert found["cpu_s_per_1000_steps"] + hundredth >= found["workers_cpu_s_per_1000_steps"] >= 0
    assert [set(run) >= {*FIGURES, *also} for run in found["runs"]] == [True]
    # Without --here, an embedded benchmark keeps to a scratch directory.
    assert "DATABASE_URL" in environment or not list((tmp_path / "data").glob("*.sqlite3"))


def _may_look_into_processes() -> bool:
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    return os.geteuid() == 0 or not scope.exists() or scope.read_text().strip() == "0"


@pytest.mark.slow
def test_it_draws_where_the_time_goes_and_measures_beside_a_past(tmp_path: Path):
    if not _may_look_into_processes():
        pytest.skip("this system lets nobody but root look into processes")
    flames = tmp_path / "flames.svg"
    asked = ("--executions", "60", "--steps", "5", "--repeat", "2", "--workers", "1", "--json", "--here")
    with own_site(tmp_path / "data") as environment:
        done = manage("bench", *asked, "--finished", "3000", "--profile", str(flames), environment=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["finished_before"] == 3000
    assert "3,000 finished executions" in done.stderr
    assert "<svg" in flames.read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_measures_what_workers_cost_and_a_scenario_takes_it(tmp_path: Path):
    costs = tmp_path / "workers.yaml"
    asked = ("--calibrate", "--repeat", "1", "--workers", "1", "--json", "--out", str(costs))
    with own_site(tmp_path / "data") as environment:
        done = manage("bench", *asked, environment=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {each["name"] for each in found["compared"]} == COMPARED
    assert all(each["measured"] > 0 and each["predicted"] > 0 for each in found["compared"])
    assert found["workers"]["count"] == 1
    document = {"workers": {"calibration": costs.name, "slots": 7}}
    assert with_files(document, tmp_path) == {"workers": {**found["workers"], "slots": 7}}


def test_it_refuses_numbers_that_make_no_sense(tmp_path: Path):
    with own_site(tmp_path / "data") as environment:
        done = manage("bench", "--executions", "0", "--here", environment=environment)
    assert done.returncode == 1
    assert "at least 1" in done.stderr
