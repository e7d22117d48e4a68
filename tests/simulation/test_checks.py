"""The table of checks, and those checks that take no time."""

from __future__ import annotations

import pytest

from simulation.checks.catalogue import run
from simulation.checks.methods import paired_luck
from simulation.checks.table import against, as_lines, as_markdown, exactly, left_out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in-a-row", "retry-counts", "items-at-once", "day-and-night", "retry-quota"])
def test_it_agrees_with_what_is_known_exactly(name):
    checks = run(name)
    assert checks
    assert [each for each in checks if not each.passed] == []


def test_it_sees_a_small_difference_with_fifty_times_less_variance():
    backoffs, failures = paired_luck(3, replications=12, jobs=3000)
    assert backoffs.passed
    assert failures.passed


def test_it_believes_no_wide_interval_and_no_wrong_figure():
    assert against("right", 10, [9.99, 10.01, 10.0, 10.02]).passed
    assert not against("wide", 10, [5, 15, 8, 12]).passed
    assert not against("wrong", 10, [11.0, 11.001, 11.002]).passed
    assert not exactly("exact", 3, 3.001).passed


def test_it_prints_a_table():
    checks = [exactly("one", 3, 3), against("two", 10, [5, 15, 8, 12]), left_out("three", "no file")]
    assert [each.as_json()["passed"] for each in checks] == [True, False, None]
    assert set(checks[1].as_json()) == {"name", "expected", "got", "interval", "passed"}
    assert [line.rpartition("  ")[2] for line in as_lines(checks)] == ["result", "passed", "FAILED", "left out"]
    assert as_markdown(checks).count("\n") == 5
