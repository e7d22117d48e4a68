"""Distributions: their draws have the mean, the variation and the percentiles that they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulation.service_models.distributions import (
    Exponential,
    Fixed,
    Gamma,
    HyperExponential,
    Lognormal,
    Weibull,
    sample,
)
from simulation.service_models.empirical import Empirical, EmpiricalWithTail, pareto_tail
from simulation.streams import Streams

MEASURED = sample(Lognormal(0.2, 1.5), Streams(3).generator("measured"), 5000)
ALL = [
    Fixed(2.0),
    Exponential(2.0),
    Lognormal(2.0, 0.7),
    Gamma(2.0, 0.25),
    Weibull(0.8, 1.5),
    HyperExponential.balanced(1.0, 4.0),
    HyperExponential(0.1, 5.0, 1.0),
    Empirical.of(MEASURED),
    EmpiricalWithTail.of(MEASURED),
]


@pytest.mark.parametrize("model", ALL, ids=lambda model: type(model).__name__)
def test_it_draws_what_it_says(model):
    drawn = sample(model, Streams(9).generator("draws"), 400_000)
    assert drawn.min() >= 0
    assert np.isfinite(drawn).all()
    assert drawn.mean() == pytest.approx(model.mean, rel=0.02)
    assert drawn.var() / drawn.mean() ** 2 == pytest.approx(model.scv, rel=0.1, abs=1e-12)


@pytest.mark.parametrize("model", ALL, ids=lambda model: type(model).__name__)
def test_it_takes_the_least_and_the_greatest_draw(model):
    times = model.quantile(np.array([0.0, 1 - 2.0**-53]))
    assert np.isfinite(times).all()
    assert times.min() >= 0


def test_it_knows_quantiles_from_tables():
    assert Exponential(1).quantile(np.array([0.95]))[0] == pytest.approx(2.995732)
    assert Gamma(2, 0.5).quantile(np.array([0.95]))[0] == pytest.approx(4.743865)
    assert Weibull(2, 1).quantile(np.array([0.5]))[0] == pytest.approx(math.sqrt(math.log(2)))


def test_it_makes_a_lognormal_of_two_percentiles():
    model = Lognormal.by_percentiles(p50=0.1, p99=1.0)
    assert model.quantile(np.array([0.5, 0.99])).tolist() == pytest.approx([0.1, 1.0])
    with pytest.raises(ValueError, match="more than p50"):
        Lognormal.by_percentiles(p50=1.0, p99=0.5)


def test_it_balances_two_kinds_of_work():
    model = HyperExponential.balanced(1.0, 4.0)
    assert model.share == pytest.approx(0.887298, abs=1e-6)
    assert (1 / model.one, 1 / model.other) == pytest.approx((1.774597, 0.225403), abs=1e-6)
    assert (model.mean, model.scv) == pytest.approx((1, 4))
    with pytest.raises(ValueError, match="at least 1"):
        HyperExponential.balanced(1.0, 0.5)


def test_it_draws_each_measured_time_as_often_as_any_other():
    model = Empirical.of([3.0, 1.0, 2.0, 2.0])
    assert model.quantile(np.array([0, 0.25, 0.5, 0.75, 0.999])).tolist() == [1, 2, 2, 3, 3]
    assert model.mean == 2


def test_it_finds_the_tail_that_was_there():
    even = Streams(5).generator("tail").random(200_000)
    shape, scale = pareto_tail(np.sort(2.0 / 0.3 * ((1 - even) ** -0.3 - 1)))
    assert shape == pytest.approx(0.3, abs=0.03)
    assert scale == pytest.approx(2.0, rel=0.03)


def test_it_goes_beyond_what_was_measured_only_with_a_tail():
    highest = np.array([1 - 1e-6])
    assert Empirical.of(MEASURED).quantile(highest)[0] == MEASURED.max()
    assert EmpiricalWithTail.of(MEASURED).quantile(highest)[0] > MEASURED.max()
    assert EmpiricalWithTail.of(MEASURED).quantile(np.array([0.5]))[0] == pytest.approx(np.median(MEASURED), rel=0.01)


@pytest.mark.parametrize(
    ("values", "said"), [([], "no measured"), ([1.0, -1.0], "not negative"), ([float("inf")], "finite")]
)
def test_it_refuses_what_is_no_measurement(values, said):
    with pytest.raises(ValueError, match=said):
        Empirical.of(values)


def test_it_refuses_a_tail_of_too_few_or_of_none():
    with pytest.raises(ValueError, match="1000 measured times, there are 10"):
        EmpiricalWithTail.of(MEASURED[:10])
    with pytest.raises(ValueError, match="there are none"):
        EmpiricalWithTail.of(np.ones(2000))
