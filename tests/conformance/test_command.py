"""`manage.py conformance`: what it prints, and how it exits."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest
from django.core.management import call_command

from orchestration.management.conformance.command_line import run_without_django
from tests.conformance.files import FOLDERS
from tests.conformance.test_scenario_files import GOOD

BAD = GOOD.replace("elapsed: 20ms", "elapsed: 30ms").replace("scenario: good", "scenario: bad")


def run(*arguments: object) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("conformance", *map(str, arguments), stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


@pytest.fixture
def files(tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    return tmp_path


def test_it_prints_a_line_per_scenario(files):
    out, code = run(files / "good.yaml")
    assert out.splitlines() == ["ok      good", "1 passed, 0 failed"]
    assert code == 0


def test_it_exits_with_1_if_one_failed(files):
    out, code = run(files)
    assert out.splitlines() == ["FAILED  bad: elapsed: expected 30ms, got 20ms", "ok      good", "1 passed, 1 failed"]
    assert code == 1


def test_it_prints_one_json_object(files):
    out, code = run(files, "--json")
    assert json.loads(out) == {
        "passed": 1,
        "failed": 1,
        "results": [
            {"scenario": "bad", "passed": False, "reason": "elapsed: expected 30ms, got 20ms"},
            {"scenario": "good", "passed": True, "reason": ""},
        ],
    }
    assert code == 1


def test_it_fails_where_there_is_nothing(tmp_path):
    out, code = run(tmp_path, tmp_path / "missing.yaml", "--json")
    assert json.loads(out)["failed"] == 1
    assert code == 1


def test_it_runs_all_scenarios_in_virtual_time():
    out, code = run(*FOLDERS, "--shell", "virtual", "--json")
    answer = json.loads(out)
    assert answer["failed"] == 0
    assert answer["passed"] == len(answer["results"]) >= 100
    assert code == 0


def test_it_needs_no_framework_in_virtual_time(files):
    watch = "import sys, runpy; sys.argv = ['manage.py', 'conformance', *sys.argv[1:]]\n"
    watch += "try: runpy.run_path('manage.py', run_name='__main__')\n"
    watch += "finally: print('django' in sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", watch, str(files / "good.yaml"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["passed"] == 1
    assert done.stderr.splitlines() == ["False"]
    assert done.returncode == 0


def test_it_leaves_what_it_does_not_know_to_the_framework():
    for arguments in (["--shell", "engine", "x"], ["x", "--verbosity", "0"], ["--help"], []):
        assert run_without_django(arguments) is None
