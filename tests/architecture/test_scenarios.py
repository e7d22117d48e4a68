"""The conformance scenarios are the ones that the language was given with, word for word."""

from __future__ import annotations

import pytest

from tests.architecture.tree import ROOT

GIVEN = ROOT.parent / "shared" / "conformance"
KEPT = ROOT / "tests" / "conformance" / "scenarios"


def test_it_keeps_every_scenario_word_for_word():
    if not GIVEN.is_dir():
        pytest.skip("the given scenarios do not lie beside this copy of the project")
    given = {path.name: path.read_bytes() for path in GIVEN.glob("*.yaml")}
    kept = {path.name: path.read_bytes() for path in KEPT.glob("*.yaml")}
    assert given.items() <= kept.items()


def test_it_keeps_scenarios():
    assert len(list(KEPT.glob("*.yaml"))) > 80
