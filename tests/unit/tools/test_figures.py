"""The benchmark's arithmetic."""

from __future__ import annotations

from orchestration.management.bench.figures import Figures, percentile, summary


def test_it_says_the_median_and_how_far_the_runs_lie_apart():
    found = summary(runs=[Figures(seconds=value, steps_per_s=10 / value) for value in (2.0, 1.0, 4.0)])
    assert found["seconds"] == 2.0
    assert found["steps_per_s"] == 5.0
    assert found["spread"] == {"seconds": 1.5, "steps_per_s": 1.5}
    assert [run["seconds"] for run in found["runs"]] == [2.0, 1.0, 4.0]


def test_it_leaves_open_what_the_workload_does_not_measure():
    found = summary(runs=[Figures(seconds=1.0)])
    assert found["p50_ms"] is None
    assert "p50_ms" not in found["runs"][0]
    assert "p50_ms" not in found["spread"]


def test_a_percentile_is_one_of_the_values():
    values = [float(value) for value in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (51.0, 100.0, 100.0)
    assert percentile([7.0], 0.99) == 7.0
