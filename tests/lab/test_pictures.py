"""The curve as numbers of a picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.lab.pictures import HEIGHT, WIDTH, curve_of, span_of, ticks


def load(times: list[float], knee: float | None = None) -> dict:
    def figure(value: float) -> dict:
        return {"mean": value, "low": value * 0.9, "high": value * 1.1}

    points = [
        {"offered": place + 1.0, "factor": place + 1.0, "workloads": {"orders": {"figures": {"mean": figure(each)}}}}
        for place, each in enumerate(times)
    ]
    return {"unit": "per_second", "points": points, "knee": None if knee is None else {"load": knee, "mean": 1.0}}


def test_it_rises_to_the_right_and_marks_the_knee_and_now():
    curve = curve_of(load([1, 1.1, 1.5, 4], knee=2.5), "orders", 2.0, {"mean": 2.0})
    assert curve is not None
    pairs = [tuple(map(float, each.split(","))) for each in curve.line.split()]
    assert pairs == sorted(pairs)
    assert [y for _, y in pairs] == sorted((y for _, y in pairs), reverse=True)
    assert curve.knee is not None
    assert curve.now is not None
    assert pairs[1][0] == float(curve.now.at) < float(curve.knee.at) < pairs[2][0]
    assert curve.promise is not None
    assert "the knee is at 2.5" in curve.said


def test_it_draws_no_curve_of_one_point():
    assert curve_of(load([1]), "orders", 1.0, {}) is None


@given(st.lists(st.floats(1e-4, 1e4), min_size=2, max_size=12), st.floats(0.01, 100))
def test_it_stays_within_its_frame(times: list[float], now: float):
    curve = curve_of(load(times), "orders", now, {})
    assert curve is not None
    for dot in curve.dots:
        assert 0 <= float(dot.x) <= WIDTH
        assert 0 <= float(dot.y) <= HEIGHT
    assert curve.now is not None
    assert 0 <= float(curve.now.at) <= WIDTH


@pytest.mark.parametrize(("highest", "marks"), [(10, [0, 2, 4, 6, 8, 10]), (0.3, [0, 0.1, 0.2, 0.3]), (0, [0])])
def test_it_marks_round_numbers(highest: float, marks: list[float]):
    assert ticks(highest, 5 if highest == 10 else 3) == marks


def test_it_keeps_an_interval_on_its_scale():
    span = span_of({"mean": 2, "low": -1, "high": 30}, 10, mark=5)
    assert (span.low, span.width, span.mean, span.mark) == ("0.00%", "100.00%", "20.00%", "50.00%")
