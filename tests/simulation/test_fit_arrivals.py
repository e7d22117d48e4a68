"""Models of arrivals: what is Poisson's, with a rate that changes, is found to be so, and bursts are refused."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.arrivals.dispersion import PIECES, dispersion, relative_dispersion
from simulation.arrivals.processes import Batches, Modulated, PiecewiseRates, Poisson, all_times
from simulation.fit.arrivals import fit_arrivals, going_on
from simulation.fit.modulated import TwoStates
from simulation.streams import Streams
from tests.simulation.outside import azure_trace


def arrivals(process, seconds=3000.0):
    return all_times(process, Streams(4).generator("arrivals"), seconds)


def test_it_finds_a_constant_rate():
    found = fit_arrivals("w", arrivals(Poisson(5.0)), 3000.0)
    assert found.how == "poisson"
    assert found.document["per_second"] == pytest.approx(5, rel=0.03)


def test_it_finds_a_rate_that_changes():
    starts = tuple(300.0 * place for place in range(10))
    rates = tuple(4.0 + 3.0 * np.sin(place) for place in range(10))
    found = fit_arrivals("w", arrivals(PiecewiseRates(starts, rates)), 3000.0)
    assert found.how == "piecewise"
    assert not found.dispersion.like_poisson or found.dispersion.piece is not None
    steps = {each["at"]: each["per_second"] for each in found.document["steps"]}
    assert [steps[start] for start in starts] == pytest.approx(rates, rel=0.15)


def test_it_has_an_index_of_one_whatever_the_rates_of_the_pieces():
    counts = np.random.default_rng(1).poisson(np.repeat([1.0, 50.0, 3.0, 20.0] * 10, 60)).astype(float)
    assert counts.var() / counts.mean() > 10
    index, left = relative_dispersion(counts, 60)
    assert index == pytest.approx(1, abs=0.08)
    assert abs(left) < 0.1


def test_it_never_takes_pieces_shorter_than_a_minute():
    assert min(PIECES) >= 60


def test_it_finds_two_modulated_rates_again():
    found = fit_arrivals("w", arrivals(Modulated((5.0, 60.0), (30.0, 10.0))), 3000.0)
    assert found.how == "modulated"
    assert found.poisson_refused
    quiet, busy = found.document["states"]
    assert (quiet["per_second"], busy["per_second"]) == (pytest.approx(5, rel=0.15), pytest.approx(60, rel=0.15))
    assert (quiet["stays"], busy["stays"]) == (pytest.approx(30, rel=0.35), pytest.approx(10, rel=0.35))


def test_it_knows_how_bursty_two_modulated_rates_are():
    states = TwoStates((5.0, 60.0), (30.0, 10.0))
    found = dispersion(arrivals(Modulated(states.rates, states.stays), 40_000.0))
    for window, index in zip((1.0, 10.0, 60.0), found.indices, strict=True):
        assert states.index(window) == pytest.approx(index, rel=0.15)


def test_it_replays_what_neither_explains():
    found = fit_arrivals("w", arrivals(Batches(Poisson(2.0), 5)), 3000.0)
    assert (found.how, found.poisson_refused) == ("trace", True)
    assert any("Poisson is refused" in each for each in found.warnings)


def test_it_replays_too_few_to_test_and_says_so():
    found = fit_arrivals("w", np.linspace(0, 3000, 12), 3000.0)
    assert found.how == "trace"
    assert found.dispersion is None
    assert "too few" in found.warnings[0]
    with pytest.raises(ValueError, match="nothing was started"):
        fit_arrivals("w", np.empty(0), 3000.0)


def test_it_goes_on_at_the_last_rate():
    times = arrivals(PiecewiseRates((0.0, 600.0, 1200.0), (2.0, 8.0, 4.0)), 1800.0)
    document, said = going_on("w", times, 1800.0)
    assert document["kind"] == "poisson"
    assert document["per_second"] == pytest.approx(4, rel=0.15)
    assert said == ()


def test_it_goes_on_in_bursts_and_says_that_they_are_not_those_recorded():
    document, said = going_on("w", arrivals(Batches(Poisson(2.0), 5)), 3000.0)
    assert document["kind"] == "modulated"
    assert "less bursty" in said[0]
    assert going_on("w", np.empty(0), 60.0)[0]["steps"] == [{"at": 0, "per_second": 0}]


def test_it_takes_conversations_for_poisson_at_a_rate_in_pieces_and_refuses_code():
    conversations, code = azure_trace("conv"), azure_trace("code")
    found = fit_arrivals("conv", conversations - conversations[0], float(np.ptp(conversations)))
    assert found.how == "piecewise"
    assert found.dispersion.indices[0] == pytest.approx(1.39, abs=0.05)
    assert found.dispersion.relative <= 1.2
    refused = fit_arrivals("code", code - code[0], float(np.ptp(code)))
    assert refused.poisson_refused
    assert refused.dispersion.relative > 5
    assert refused.how == "trace"
