"""Every scenario, over the real engine in real time, as `manage.py conformance --shell engine` plays them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from orchestration.management.conformance.scenario import load_scenario
from tests.conformance.files import FILES, FOLDERS

SECONDS = 600

# One process plays them all, so one worker of the tests must take them all.
pytestmark = [pytest.mark.xdist_group("conformance-engine"), pytest.mark.slow]


@pytest.fixture(scope="module")
def results():
    command = [sys.executable, "manage.py", "conformance", *map(str, FOLDERS), "--shell", "engine", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.stdout, done.stderr[-2000:]
    answer = json.loads(done.stdout)
    assert done.returncode == (1 if answer["failed"] else 0), done.stderr[-2000:]
    return {result["scenario"]: result for result in answer["results"]}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_keeps_the_scenario(file, results):
    scenario = load_scenario(file)
    if scenario.virtual_only:
        assert scenario.name not in results
        return
    assert results[scenario.name]["passed"], results[scenario.name]["reason"]
