"""Recorded workflows on the real engine: all of them together, and the command as people call it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orchestration.management.wfinstances import services
from orchestration.management.wfinstances.definition import METHOD, SERVICE, definition_of, workflow_id
from orchestration.management.wfinstances.recording import read_recording
from orchestration.management.wfinstances.running import run
from orchestration.registry.local import register_local, unregister_local
from tests.integration.tools.programs import manage, running
from tests.sites import own_site
from tests.unit.tools.recordings import FILES, needs_recordings

SCALE = 0.0002
RECORDED = {"a": ([], 100.0), "b": (["a"], 50.0), "c": (["a"], 20.0), "d": (["b", "c"], 10.0)}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give the environment of a site of its own, with no database yet."""
    with own_site(tmp_path / "data") as environment:
        yield environment


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a small recording."""
    specified = [{"id": name, "parents": parents, "children": []} for name, (parents, _) in RECORDED.items()]
    executed = [{"id": name, "runtimeInSeconds": seconds} for name, (_, seconds) in RECORDED.items()]
    workflow = {"specification": {"tasks": specified}, "execution": {"tasks": executed}}
    path = tmp_path / "small one.json"
    path.write_text(json.dumps({"name": "small", "schemaVersion": "1.5", "workflow": workflow}))
    return path


@needs_recordings
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_all_recordings_run_to_completion_with_every_step_once_and_every_dependency_kept():
    recordings = [(workflow_id(file.stem), read_recording(file.read_bytes())) for file in FILES]
    documents = [definition_of(recording, workflow=name, scale=SCALE) for name, recording in recordings]
    outcomes = run(documents, timeout=120.0)
    assert {outcome.workflow: (outcome.status, outcome.faults) for outcome in outcomes} == {
        name: ("completed", ()) for name, _ in recordings
    }
    assert [outcome.steps for outcome in outcomes] == [len(recording.tasks) for _, recording in recordings]
    for outcome, (_, recording) in zip(outcomes, recordings, strict=True):
        assert outcome.makespan >= recording.critical_path(SCALE)


def _imported(file: Path, site: dict[str, str], *options: str) -> dict[str, Any]:
    done = manage("import_wfinstance", str(file), "--json", *options, environment=site)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_command_runs_a_recording_on_a_site_that_is_not_even_set_up(file: Path, site: dict[str, str]):
    found = _imported(file, site)
    assert found["status"] == "completed"
    assert found["faults"] == []
    assert (found["workflow"], found["revision"], found["steps"]) == ("wf-small-one", 1, 4)
    assert found["critical_path_us"] == found["virtual_makespan_us"] == 160_000
    assert 160_000 <= found["makespan_us"] < 2_000_000
    again = _imported(file, site, "--time-scale", "0.002")
    assert (again["revision"], again["critical_path_us"]) == (2, 320_000)


def test_the_command_works_beside_a_worker(file: Path, site: dict[str, str]):
    assert _imported(file, site, "--no-run")["revision"] == 1
    with running("manage.py", "worker", environment=site):
        assert _imported(file, site)["status"] == "completed"


@pytest.mark.django_db(transaction=True)
def test_a_limit_on_parallel_tasks_makes_it_longer(file: Path):
    out = StringIO()
    call_command("import_wfinstance", file, parallel_limit=1, no_run=True, json=True, stdout=out)
    found = json.loads(out.getvalue())
    assert (found["critical_path_us"], found["virtual_makespan_us"]) == (160_000, 180_000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ('{"schemaVersion": "1.4"}', "not a WfFormat 1.5 file"),
        ('{"schemaVersion": "1.5", "workflow": {}}', "workflow.specification.tasks: must be a list of tasks"),
    ],
)
def test_the_command_refuses_a_file_that_is_no_recording(tmp_path: Path, text: str, said: str):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(CommandError, match=said):
        call_command("import_wfinstance", path)


def test_the_command_refuses_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_wfinstance", tmp_path / "none.json")


@pytest.mark.parametrize("options", [("--time-scale", "-1"), ("--time-scale", "nan"), ("--parallel-limit", "0")])
def test_the_command_refuses_a_number_that_makes_no_sense(file: Path, options: tuple[str, str]):
    with pytest.raises(CommandError):
        call_command("import_wfinstance", str(file), *options)


@pytest.mark.django_db(transaction=True)
def test_the_command_fails_where_the_execution_does(file: Path):
    out = StringIO()
    unregister_local(team_id=None, name=SERVICE)
    try:
        with pytest.raises(SystemExit) as ended:
            call_command("import_wfinstance", file, json=True, stdout=out)
    finally:
        register_local(team_id=None, name=SERVICE, method=METHOD, function=services.run)
    found = json.loads(out.getvalue())
    assert ended.value.code == 1
    assert (found["status"], found["error"]["code"]) == ("failed", "service_not_found")
    assert "a was completed 0 times" in found["faults"]
