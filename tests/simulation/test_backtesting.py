"""What a backtest says: equal, not equal, or not shown; and which points lie in their bands."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.backtest import backtest
from simulation.scenarios.backtesting import SLICES, Backtest, Prediction, lines_of, points_of
from simulation.scenarios.language import ScenarioInvalid
from simulation.scenarios.scoring import Score
from simulation.statistics.intervals import mean_interval

DAY = "2030-01-{:02}T00:00:00Z"


def judged_by(errors, *, measure="p95", margin=0.15, points=()):
    """Return a backtest of one measure with an error in each window."""
    predictions = []
    for place, error in enumerate(errors, start=1):
        score = Score("work", measure, 1.0, mean_interval([1 + error, 1 + error]), error, margin, within=False)
        predictions.append(Prediction(DAY.format(place), DAY.format(place + 1), 100, 50, (score,), tuple(points)))
    return Backtest("work", tuple(predictions), ())


@pytest.mark.parametrize(
    ("errors", "verdict", "kept"),
    [
        ([0.02, -0.03, 0.05, 0.01], "equal", True),
        ([0.40, 0.42, 0.39, 0.41], "not equal", False),
        ([-0.40, -0.42, -0.39, -0.41], "not equal", False),
        ([0.02, -0.5, 0.6, 0.01], "not shown", True),
        ([0.0], "not shown", True),
    ],
)
def test_it_says_equal_only_where_that_is_shown(errors, verdict, kept):
    found = judged_by(errors)
    (judged,) = found.judgements
    assert judged.verdict == verdict
    assert found.kept is kept


def test_it_tells_the_worst_error_and_the_mean():
    told = judged_by([0.02, -0.2, 0.06]).as_json()["measures"]["p95"]
    assert told["worst_error"] == -0.2
    assert told["mean_error"] == pytest.approx(-0.04)


def window(count, *, seed, shift=0.0):
    """Return when executions ended in a hundred seconds, and how long they took."""
    chance = np.random.default_rng(seed)
    return np.sort(chance.uniform(0, 100, count)), chance.exponential(1.0, count) + shift


def test_it_has_points_of_the_same_kind_lie_in_their_bands():
    foretold = [window(1200, seed=seed) for seed in range(1, 101)]
    points = points_of(window(1200, seed=0), foretold, 100.0)
    assert len(points) == 2 * SLICES
    assert np.mean([each.inside for each in points]) > 0.8
    assert [each.at for each in points if each.measure == "ended"][1] == pytest.approx(100 / SLICES)


def test_it_has_points_of_another_kind_lie_outside():
    points = points_of(window(1200, seed=0, shift=3.0), [window(1200, seed=seed) for seed in range(1, 41)], 100.0)
    assert not any(each.inside for each in points if each.measure == "p50")


def test_it_makes_no_point_of_the_median_of_a_few():
    points = points_of(window(12, seed=0), [window(1200, seed=1), window(1200, seed=2)], 100.0)
    assert {each.measure for each in points} == {"ended"}


def test_it_prints_a_table_with_what_is_shown_and_the_worst_point():
    points = points_of(window(1200, seed=0), [window(1200, seed=seed) for seed in range(1, 41)], 100.0)
    text = "\n".join(lines_of(judged_by([0.01, 0.02, 0.03], points=points)))
    assert "2030-01-01T00:00:00Z to 00:00:00Z" in text
    assert "equal within ±15%" in text
    assert "in their 95 % bands (aim 90% to 98%)" in text
    assert "worst point: " in text


@pytest.mark.parametrize("windows", [1, 61])
def test_it_refuses_numbers_of_windows_that_cannot_be(windows):
    with pytest.raises(ScenarioInvalid, match="there are 2 to 60 windows"):
        backtest(team_id=1, workflow="w", since=0, until=10, windows=windows, seed=1, cap=10)
