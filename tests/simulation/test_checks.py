"""The table of checks, and those checks that take no time."""

from __future__ import annotations

import pytest

from simulation.checks import laws, seeds, staffing, whole
from simulation.checks.catalogue import run
from simulation.checks.methods import paired_luck
from simulation.checks.table import against, as_lines, as_markdown, exactly, left_out


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["in-a-row", "retry-counts", "items-at-once", "day-and-night", "retry-quota", "whole-world", "laws"]
)
def test_it_agrees_with_what_is_known_exactly(name):
    checks = run(name)
    assert checks
    assert [each for each in checks if not each.passed] == []


def test_it_waits_in_line_for_tokens_exactly_as_long_as_the_bucket_says():
    assert all(each.passed for each in whole.tokens(3))


def test_it_retries_in_a_full_outage_as_often_as_the_quota_pays_for():
    assert [each.got for each in whole.quota(3)] == [100, 35]


def test_it_leaves_the_same_trace_to_the_byte_in_another_process_and_on_another_machine():
    assert laws.same_trace(3).passed
    assert laws.figures_of(1) == laws.FIGURES


@pytest.mark.slow
def test_it_finds_the_least_servers_by_simulation_and_rejects_one_less(monkeypatch):
    monkeypatch.setattr(staffing, "_SEARCHES", staffing._SEARCHES[:1])
    winner, less = staffing.cheapest_simulated(3)
    assert (winner.got, less.got) == (21, "impossible")


def test_it_counts_a_figure_whose_interval_misses(monkeypatch):
    def wrong(seed, *, share):
        yield against("wrong", 10, [11.0, 11.001, 11.002])

    monkeypatch.setattr(seeds, "GROUPS", (wrong,))
    assert [each.passed for each in seeds.all_figures(3)] == [False, False]


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
