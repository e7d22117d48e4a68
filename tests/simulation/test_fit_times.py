"""Models of times: the known ones come back, also where many times are only bounds, and what is not known is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.fit.families import FAMILIES, fit, fit_all
from simulation.fit.goodness import goodness
from simulation.fit.survival import kaplan_meier
from simulation.fit.times import BeyondTheData, fit_times
from simulation.scenarios.building import times_of
from simulation.scenarios.language import ServiceOf
from simulation.service_models import distributions as d
from simulation.service_models.distributions import sample
from simulation.streams import Streams

NOTHING = np.empty(0)
KNOWN = {
    "exponential": d.Exponential(0.2),
    "gamma": d.Gamma(0.2, 0.3),
    "weibull": d.Weibull(0.6, 0.2),
    "lognormal": d.Lognormal(0.2, 1.5),
    "hyper-exponential": d.HyperExponential(0.8, 0.05, 1.0),
}


def chance(seed=5):
    return Streams(seed).generator("test")


def bounded(distribution, count, share, seed=5):
    """Return times of which those beyond the `share` quantile were given up there, and which were seen to their end."""
    times = sample(distribution, chance(seed), count)
    limit = np.quantile(times, share)
    return np.minimum(times, limit), times <= limit


def rebuilt(document):
    """Return the distribution that a scenario makes of a fit."""
    return times_of(ServiceOf.model_validate({"times": document}).times)


@pytest.mark.parametrize("name", KNOWN)
def test_it_finds_each_family_again_although_a_tenth_is_only_bounded(name):
    times, seen = bounded(KNOWN[name], 4000, 0.9)
    found = fit(FAMILIES[name], times[seen], times[~seen]).distribution
    assert found.mean == pytest.approx(KNOWN[name].mean, rel=0.15)
    assert found.scv == pytest.approx(KNOWN[name].scv, rel=0.25)


@pytest.mark.parametrize("name", ["gamma", "lognormal", "hyper-exponential"])
def test_it_chooses_the_family_that_the_times_came_from(name):
    assert fit_all(sample(KNOWN[name], chance(), 1000), NOTHING)[0].family.name == name


def test_it_would_be_wrong_to_leave_out_what_was_given_up():
    times, seen = bounded(d.Exponential(0.2), 4000, 0.7)
    assert times[seen].mean() < 0.1
    assert fit(FAMILIES["exponential"], times[seen], times[~seen]).distribution.mean == pytest.approx(0.2, rel=0.05)


def test_it_estimates_survival_as_the_textbook_does():
    # Kaplan and Meier's own example: deaths at 0.8, 3.1, 5.4, 9.2 of eight, losses at 1.0, 2.7, 7.0, 12.1.
    found = kaplan_meier(
        np.array([0.8, 1.0, 2.7, 3.1, 5.4, 7.0, 9.2, 12.1]),
        np.array([True, False, False, True, True, False, True, False]),
    )
    assert (1 - found.cumulative()).tolist() == pytest.approx([7 / 8, 7 / 10, 21 / 40, 21 / 80])
    assert found.rest == pytest.approx(21 / 80)
    assert found.quantile(0.5) == 9.2
    assert found.quantile(0.9) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=200), st.integers(1, 60))
def test_it_keeps_the_mean_and_the_order_whatever_the_times(times, count):
    array = np.array(times)
    values = kaplan_meier(array, np.ones(array.size, dtype=bool)).values(count)
    assert values.mean() == pytest.approx(array.mean(), abs=1e-9 * max(1, array.max()))
    assert (np.diff(values) >= 0).all()
    assert values[-1] <= array.max() * (1 + 1e-9) + 1e-12


def test_it_takes_few_times_as_they_are_and_warns():
    found = fit_times("s.m", np.linspace(0.1, 0.3, 12), np.ones(12, dtype=bool), streams=Streams(1))
    assert found.how == "empirical"
    assert any("only 12 times" in each for each in found.warnings)
    assert rebuilt(found.document).mean == pytest.approx(0.2)


def test_it_takes_a_family_for_some_and_the_times_for_many():
    some = fit_times("s.m", *bounded(d.Lognormal(0.2, 1.5), 150, 1.0), streams=Streams(1))
    many = fit_times("s.m", *bounded(d.Lognormal(0.2, 1.5), 400, 1.0), streams=Streams(1))
    assert (some.how, many.how) == ("lognormal", "empirical")
    assert rebuilt(some.document).mean == pytest.approx(0.2, rel=0.25)
    assert rebuilt(many.document).mean == pytest.approx(many.mean)
    assert min(some.candidates, key=some.candidates.get) == "lognormal"


def test_it_gives_a_tail_only_where_p99_is_asked_and_a_thousand_were_measured():
    times = sample(d.Lognormal(0.2, 2.0), chance(), 2000)
    seen = np.ones(times.size, dtype=bool)
    asked = fit_times("s.m", times, seen, streams=Streams(1), p99_asked=True)
    assert asked.how == "empirical with tail"
    assert any("extrapolated" in each for each in asked.warnings)
    assert rebuilt(asked.document).quantile(np.array([0.9999]))[0] > times.max() * 0.5
    assert fit_times("s.m", times, seen, streams=Streams(1)).how == "empirical"
    few = fit_times("s.m", times[:500], seen[:500], streams=Streams(1), p99_asked=True)
    assert few.how == "empirical"
    assert any("nothing beyond" in each for each in few.warnings)


def test_it_refuses_to_say_what_lies_beyond_the_times():
    found = fit_times("s.m", *bounded(d.Exponential(0.2), 400, 0.9), streams=Streams(1))
    assert found.quantile(0.5) == pytest.approx(0.2 * np.log(2), rel=0.2)
    with pytest.raises(BeyondTheData, match=r"s\.m: 360 times do not reach"):
        found.quantile(0.95)
    assert any("how long they really take is not known" in each for each in found.warnings)


def test_it_has_timeouts_time_out_again():
    times, seen = bounded(d.Exponential(1.0), 1000, 0.9)
    values = rebuilt(fit_times("s.m", times, seen, streams=Streams(1)).document).values
    assert (values > times.max()).mean() == pytest.approx(0.1, abs=0.01)


def test_it_accepts_the_true_family_and_rejects_a_wrong_one():
    times, seen = bounded(d.Lognormal(0.2, 8.0), 150, 0.95)
    right = goodness(fit(FAMILIES["lognormal"], times[seen], times[~seen]), times, seen, chance())
    wrong = goodness(fit(FAMILIES["exponential"], times[seen], times[~seen]), times, seen, chance())
    assert right.ks_p >= 0.1
    assert wrong.ks_p < 0.05
    assert right.anderson_darling is None


def test_it_tests_whole_samples_by_anderson_and_darling_too():
    times = sample(d.Lognormal(0.2, 3.0), chance(), 150)
    found = goodness(fit(FAMILIES["exponential"], times, NOTHING), times, np.ones(150, dtype=bool), chance())
    assert found.anderson_darling_p < 0.05


def test_it_notices_that_times_drifted():
    times = np.concatenate([sample(d.Exponential(0.2), chance(), 300), sample(d.Exponential(0.4), chance(6), 300)])
    found = fit_times("s.m", times, np.ones(600, dtype=bool), streams=Streams(1))
    assert any("second half differs" in each for each in found.warnings)


def test_it_takes_one_time_for_what_always_takes_that():
    found = fit_times("s.m", np.full(50, 0.25), np.ones(50, dtype=bool), streams=Streams(1))
    assert found.document == {"kind": "fixed", "time": 0.25}
