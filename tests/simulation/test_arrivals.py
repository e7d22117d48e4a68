"""Arrivals: as many as they say, when they say, in order and before the end."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from simulation.arrivals.dispersion import dispersion
from simulation.arrivals.processes import (
    PIECE,
    Batches,
    Modulated,
    PiecewiseRates,
    Poisson,
    Schedule,
    Trace,
    all_times,
)
from simulation.streams import Streams
from tests.simulation.outside import azure_trace

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
ALL = [
    Poisson(50.0),
    PiecewiseRates((0.0, 100.0), (10.0, 100.0)),
    PiecewiseRates((0.0, 10.0), (10.0, 100.0), period=20.0),
    Modulated((5.0, 200.0), (3.0, 1.0)),
    Batches(Poisson(5.0), 10),
    Batches(Poisson(5.0), 10, fixed=False),
    Schedule("* * * * *", BEGIN, each=20),
    Trace.of(np.linspace(0, 2000, 30_000)),
]


def chance():
    return Streams(4).generator("arrivals")


@pytest.mark.parametrize("arrivals", ALL, ids=lambda each: type(each).__name__)
def test_it_makes_as_many_as_it_says(arrivals):
    times = all_times(arrivals, chance(), 2000.0)
    assert times.size == pytest.approx(arrivals.rate(2000.0) * 2000.0, rel=0.06)
    assert (np.diff(times) >= 0).all()
    assert times.min() >= 0
    assert times.max() < 2000


@pytest.mark.parametrize("arrivals", ALL, ids=lambda each: type(each).__name__)
def test_it_hands_them_out_piece_by_piece(arrivals):
    assert max(piece.size for piece in arrivals.pieces(chance(), 2000.0)) <= 20 * PIECE
    assert all_times(arrivals, chance(), 2000.0).tolist() == all_times(arrivals, chance(), 2000.0).tolist()


def test_it_makes_gaps_without_memory():
    found = dispersion(all_times(Poisson(50.0), chance(), 2000.0))
    assert found.like_poisson
    assert found.gap_variation == pytest.approx(1, abs=0.02)
    assert abs(found.correlation) < 0.06


def test_it_changes_its_rate_when_it_says():
    times = all_times(PiecewiseRates((0.0, 100.0), (10.0, 100.0)), chance(), 200.0)
    assert (times < 100).sum() == pytest.approx(1000, rel=0.1)
    assert (times >= 100).sum() == pytest.approx(10_000, rel=0.05)


def test_it_repeats_a_day():
    times = all_times(PiecewiseRates((0.0, 10.0), (0.0, 100.0), period=20.0), chance(), 100.0)
    assert ((times % 20) >= 10).all()
    assert times.size == pytest.approx(5000, rel=0.05)


def test_it_refuses_rates_that_do_not_follow_one_another():
    with pytest.raises(ValueError, match="ascending"):
        PiecewiseRates((0.0, 10.0), (1.0, 2.0), period=10.0)
    with pytest.raises(ValueError, match="first start is 0"):
        PiecewiseRates((1.0,), (1.0,))


def test_it_is_burstier_when_modulated():
    found = dispersion(all_times(Modulated((5.0, 200.0), (3.0, 1.0)), chance(), 2000.0))
    assert not found.like_poisson
    assert found.correlation > 0.3


def test_it_follows_the_clock_over_a_change():
    berlin = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    times = all_times(Schedule("0 6 * * *", berlin), chance(), 3 * 86_400.0)
    assert (times / 3600).tolist() == [17, 41, 65]


def test_it_replays_faster():
    times = all_times(Trace.of([100.0, 101.0, 104.0], speed=2.0), chance(), 10.0)
    assert times.tolist() == [0, 0.5, 2]
    with pytest.raises(ValueError, match="no arrivals"):
        Trace.of([])


def test_it_takes_recorded_conversations_for_nearly_poisson_and_code_for_bursty():
    conversations, code = dispersion(azure_trace("conv")), dispersion(azure_trace("code"))
    assert conversations.indices[0] == pytest.approx(1.39, abs=0.05)
    assert conversations.gap_variation == pytest.approx(1.09, abs=0.02)
    assert code.indices[0] == pytest.approx(13.2, abs=0.3)
    assert code.gap_variation == pytest.approx(13.2, abs=0.3)
    assert code.correlation == pytest.approx(0.76, abs=0.02)
    assert conversations.nearly_poisson
    assert not code.nearly_poisson


def test_it_needs_a_recording_of_two_minutes():
    with pytest.raises(ValueError, match="needs a recording of 120 s"):
        dispersion(np.linspace(0, 60, 100))
