"""Warm-up, intervals, stopping and comparison, each against a case whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.statistics.batch_means import batch_means, lag1
from simulation.statistics.comparison import (
    CANNOT_TELL,
    FAIL,
    PASS,
    compare_with,
    equivalence,
    more_to_tell,
    paired_difference,
    variance_reduction,
    verdict,
)
from simulation.statistics.intervals import (
    Interval,
    mean_interval,
    percentile,
    percentile_interval,
    pooled_percentile,
    t_quantile,
)
from simulation.statistics.stopping import StoppingRule, replicate
from simulation.statistics.warmup import mser5, without_warm_up
from simulation.streams import Streams


@pytest.fixture
def chance(request):
    """Return a stream of the test's own, so that no test's luck hangs on another's."""
    return Streams(20).generator(request.node.name)


def slow_mser5(series):
    """Return the cut as the rule is written down, without any shortcut."""
    count = len(series) // 5
    batches = [sum(series[5 * i : 5 * i + 5]) / 5 for i in range(count)]

    def error(cut):
        rest = batches[cut:]
        mean = sum(rest) / len(rest)
        return sum((each - mean) ** 2 for each in rest) / len(rest) ** 2

    return 5 * min(range(count // 2), key=error)


@given(st.lists(st.integers(-50, 50), min_size=20, max_size=120))
def test_it_cuts_where_the_rule_says(values):
    series = np.array(values, dtype=float)
    found, wanted = mser5(series).dropped, slow_mser5(values)
    if found != wanted:  # two cuts that are equally good but for rounding
        assert math.isclose(_error(series, found), _error(series, wanted), rel_tol=1e-9, abs_tol=1e-9)


def _error(series, dropped):
    batches = series[: len(series) // 5 * 5].reshape(-1, 5).mean(axis=1)[dropped // 5 :]
    return ((batches - batches.mean()) ** 2).sum() / len(batches) ** 2


def test_it_cuts_a_start_that_is_unlike_the_rest(chance):
    series = np.concatenate([np.linspace(0, 10, 100), 10 + chance.normal(0, 0.5, 900)])
    found = mser5(series)
    assert 60 <= found.dropped <= 120
    assert found.steady


def test_it_says_that_it_found_no_steady_state():
    assert not mser5(np.linspace(0, 100, 500)).steady
    assert not mser5(np.ones(10)).steady


def test_it_cuts_all_replications_alike(chance):
    runs = [np.concatenate([np.zeros(50), 1 + chance.normal(0, 0.1, 450)]) for _ in range(5)]
    cut, found = without_warm_up(runs)
    assert found.dropped >= 50
    assert {len(each) for each in cut} == {500 - found.dropped}


def test_it_knows_students_quantiles():
    assert t_quantile(0.975, 19) == pytest.approx(2.093024)
    assert t_quantile(0.975, 9) == pytest.approx(2.262157)
    assert t_quantile(0.995, 9) == pytest.approx(3.249836)


def test_it_gives_the_mean_its_interval():
    interval = mean_interval([9.0, 10.0, 11.0])
    assert interval.mean == 10
    assert interval.half_width == pytest.approx(4.302653 / math.sqrt(3))
    assert interval.relative == pytest.approx(0.2484138)


def test_it_gives_no_interval_of_one_replication():
    with pytest.raises(ValueError, match="at least two"):
        mean_interval([1.0])


def test_it_holds_the_truth_as_often_as_it_says(chance):
    held = sum(mean_interval(chance.normal(5, 2, 20)).holds(5) for _ in range(2000))
    assert 0.935 <= held / 2000 <= 0.965


def test_it_takes_a_percentile_from_each_replication(chance):
    runs = [chance.exponential(1, 10_000) for _ in range(20)]
    interval = percentile_interval(runs, 0.99)
    assert interval.holds(-math.log(0.01))
    assert interval.relative < 0.03
    assert pooled_percentile(runs, 0.99).holds(-math.log(0.01))
    assert percentile([1, 2, 3, 4], 0.5) == 2


def test_it_refuses_a_percentile_of_too_few():
    runs = [np.ones(9_999)] * 10
    with pytest.raises(ValueError, match="needs 10000 observations"):
        percentile_interval(runs, 0.99)


def test_it_takes_a_long_run_apart_into_batches(chance):
    found = [batch_means(chance.normal(3, 1, 3_000)) for _ in range(200)]
    assert {each.interval.count for each in found} == {15, 30}
    assert sum(each.independent for each in found) >= 170
    assert 0.91 <= sum(each.interval.holds(3) for each in found) / 200 <= 0.98


def test_it_doubles_batches_that_hang_together(chance):
    slow = np.repeat(chance.normal(0, 1, 300), 100)
    slow = np.convolve(slow, np.ones(2000) / 2000, mode="valid")
    found = batch_means(slow)
    assert found.length > len(slow) // 30
    assert batch_means(np.linspace(0, 1, 3000)).independent is False


def test_it_knows_how_a_series_hangs_together():
    assert lag1(np.array([1.0, -1.0] * 50)) == pytest.approx(-0.99)
    assert lag1(np.ones(5)) == 0


def test_it_stops_when_the_interval_is_narrow():
    found = replicate(lambda replication: 100 + (replication % 2))
    assert (len(found.values), found.narrow) == (10, True)


def test_it_stops_at_the_cap_and_says_so():
    found = replicate(lambda replication: 100 * (replication % 2), StoppingRule(most=30))
    assert (len(found.values), found.narrow) == (30, False)


def test_it_stops_when_time_is_up_and_says_so():
    found = replicate(float, in_time=lambda: False)
    assert (len(found.values), found.narrow) == (2, False)


def test_it_says_how_many_more_it_needs():
    rule = StoppingRule(target=0.05)
    assert rule.more(Interval(100, 90, 110, 20)) == 60
    assert rule.more(Interval(100, 96, 104, 20)) == 0
    assert rule.more(Interval(100, 99, 101, 4)) == 6


def test_it_sees_a_small_difference_by_pairs(chance):
    luck = chance.normal(0, 10, 30)
    ones, others = 100 + luck, 101 + luck + chance.normal(0, 0.1, 30)
    assert paired_difference(ones, others).holds(1)
    assert paired_difference(ones, others).half_width < 0.1
    assert variance_reduction(ones, others) > 1000
    with pytest.raises(ValueError, match="30 and 29"):
        paired_difference(ones, others[1:])


def test_it_asks_more_of_several_comparisons_at_once(chance):
    base = chance.normal(0, 1, 20)
    others = {str(place): chance.normal(0, 1, 20) for place in range(5)}
    together = compare_with(base, others)
    alone = paired_difference(base, others["0"])
    assert together["0"].confidence == pytest.approx(0.99)
    assert together["0"].half_width > alone.half_width


def test_it_calls_the_same_what_lies_within_the_margin(chance):
    measured = chance.normal(100, 1, 30)
    near, far = measured * 1.01, measured * 1.08
    assert equivalence(near, measured, 0.05).equivalent
    assert not equivalence(far, measured, 0.05).equivalent
    assert equivalence(far, measured, 0.10).equivalent
    assert equivalence(near, measured, 0.05).difference.mean == pytest.approx(0.01, rel=0.01)


def test_it_does_not_take_a_wide_interval_for_sameness(chance):
    measured = chance.normal(100, 1, 10)
    assert not equivalence(measured + chance.normal(0, 40, 10), measured, 0.05).equivalent


def test_it_passes_fails_or_cannot_tell():
    interval = Interval(10, 9, 11, 20)
    assert verdict(interval, at_most=11) == PASS
    assert verdict(interval, at_most=8) == FAIL
    assert verdict(interval, at_most=10.5) == CANNOT_TELL
    assert more_to_tell(interval, at_most=10.5) == 60
    assert more_to_tell(interval, at_most=12) == 0
    assert more_to_tell(interval, at_most=10) == 1024 * 20
