"""The fast path: the same answers however they are worked out, and what must hold of every queue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.pools.pool import Luck, Pool, PoolRules
from simulation.pools.waiting import in_pieces, waits

TIMES = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30)), min_size=1, max_size=60)


def jobs_of(drawn):
    gaps, services = zip(*drawn, strict=True)
    return np.cumsum(np.array(gaps, dtype=float)), np.array(services, dtype=float)


def served(arrivals, services, servers, **rules):
    luck = Luck(lambda job, number: float(services[job]))
    return Pool(PoolRules(servers, **rules), luck).run(arrivals.tolist())


@given(TIMES, st.integers(1, 4))
def test_it_finds_the_same_waits_on_both_ways(drawn, servers):
    arrivals, services = jobs_of(drawn)
    fast = waits(arrivals, services, servers)
    slow = served(arrivals, services, servers)
    assert sorted(fast.tolist()) == pytest.approx(sorted(slow.waits))
    assert sorted((fast + services).tolist()) == pytest.approx(sorted(slow.visits))


@given(TIMES, st.integers(1, 4), st.integers(0, 60))
def test_it_finds_the_same_in_pieces(drawn, servers, cut):
    arrivals, services = jobs_of(drawn)
    pieces = list(in_pieces(((arrivals[:cut], services[:cut]), (arrivals[cut:], services[cut:])), servers))
    assert np.concatenate([each for each, _ in pieces]) == pytest.approx(waits(arrivals, services, servers))
    assert np.concatenate([each for _, each in pieces]).tolist() == services.tolist()


@given(TIMES)
def test_it_finds_the_same_for_one_server_all_at_once_and_one_by_one(drawn):
    arrivals, services = jobs_of(drawn)
    free = 0.0
    for arrival, service, wait in zip(arrivals, services, waits(arrivals, services, 1), strict=True):
        assert wait == pytest.approx(max(0.0, free - arrival))
        free = max(free, arrival) + service


@given(TIMES, st.integers(1, 4))
def test_it_never_waits_longer_with_one_more_server(drawn, servers):
    arrivals, services = jobs_of(drawn)
    assert (waits(arrivals, services, servers + 1) <= waits(arrivals, services, servers) + 1e-9).all()


@given(TIMES, st.integers(1, 4))
def test_it_scales_with_time(drawn, servers):
    arrivals, services = jobs_of(drawn)
    assert waits(3 * arrivals, 3 * services, servers) == pytest.approx(3 * waits(arrivals, services, servers))


@given(TIMES, st.integers(1, 3))
def test_it_holds_littles_law(drawn, servers):
    arrivals, services = jobs_of(drawn)
    found = served(arrivals, services, servers)
    assert found.area == pytest.approx(sum(found.visits))


@given(TIMES)
def test_it_is_never_idle_while_somebody_waits(drawn):
    arrivals, services = jobs_of(drawn)
    found = served(arrivals, services, 1)
    # The end of the busy time is the same in whichever order the work is done.
    backwards = Pool(PoolRules(1, preempt=True), Luck(lambda job, number: float(services[job])))
    classes = [place % 3 for place in range(len(drawn))]
    other = backwards.run(arrivals.tolist(), classes)
    assert other.until == pytest.approx(found.until)


def test_it_takes_the_urgent_first_and_lets_them_interrupt_where_they_may():
    arrivals, services = [0.0, 1.0, 2.0], [10.0, 1.0, 1.0]
    luck = Luck(lambda job, number: services[job])
    waiting = Pool(PoolRules(1), luck).run(arrivals, [1, 1, 0])
    assert waiting.visits == [10, 9, 11]
    interrupting = Pool(PoolRules(1, preempt=True), luck).run(arrivals, [1, 1, 0])
    assert interrupting.visits == [1, 11, 11]


def test_it_turns_away_who_finds_no_room():
    found = served(np.zeros(5), np.ones(5), 1, room=3)
    assert (found.offered, found.blocked, len(found.waits)) == (5, 2, 3)


def test_it_counts_who_left_before_being_served():
    luck = Luck(lambda job, number: 10.0, patience=lambda job, number: 5.0)
    found = Pool(PoolRules(1), luck).run([0.0, 1.0, 2.0])
    assert found.abandoned == 2
    assert found.waits == [0, 5, 5]
    assert found.area == pytest.approx(10 + 5 + 5)
    with pytest.raises(ValueError, match="not both"):
        Pool(PoolRules(1, room=3), luck)
