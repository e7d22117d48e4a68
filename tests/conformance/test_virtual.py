"""Every scenario, over the pure domain in virtual time."""

from __future__ import annotations

import subprocess
import sys

import pytest

from orchestration.management.conformance.runner import check_virtual
from orchestration.management.conformance.scenario import load_scenario
from tests.conformance.files import FILES, FOLDERS, GIVEN


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_keeps_the_scenario(file):
    result = check_virtual(load_scenario(file))
    assert result.passed, result.reason


def test_it_has_all_scenarios():
    assert len(list(FOLDERS[0].glob("*.yaml"))) == GIVEN
    assert len(FILES) > GIVEN
    assert [load_scenario(file).name for file in FILES] == [file.stem for file in FILES]


def test_it_plays_a_scenario_twice_alike():
    for file in FILES[::7]:
        assert check_virtual(load_scenario(file)) == check_virtual(load_scenario(file))


def test_it_needs_no_framework():
    words = "import sys, orchestration.management.conformance.runner; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0
