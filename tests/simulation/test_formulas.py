"""Closed forms against the numbers of the simulator's design, and of tables."""

from __future__ import annotations

import math

import pytest

from simulation import formulas as f


def near(*values, digits=6):
    return pytest.approx(values if len(values) > 1 else values[0], abs=0.6 * 10**-digits)


@pytest.mark.parametrize(("busy", "wait", "p95"), [(0.5, 1, 5.991465), (0.8, 4, 14.978661), (0.9, 9, 29.957323)])
def test_it_knows_one_server(busy, wait, p95):
    assert f.mean_wait(1, busy, 1) == near(wait)
    assert f.percentile_of(lambda time: f.response_beyond(1, busy, 1, time), 0.95) == near(p95)


@pytest.mark.parametrize(
    ("servers", "arrivals", "waits", "mean", "p95"),
    [
        (2, 1.6, 0.711111, 1.777778, 7.91068),
        (5, 4, 0.554113, 0.554113, 4.19746),
        (10, 8, 0.409180, 0.204590, 3.32827),
        (10, 9.5, 0.825586, 1.651171, 6.97011),
    ],
)
def test_it_knows_several_servers(servers, arrivals, waits, mean, p95):
    assert f.erlang_c(servers, arrivals) == near(waits)
    assert f.mean_wait(servers, arrivals, 1) == near(mean)
    assert f.percentile_of(lambda time: f.response_beyond(servers, arrivals, 1, time), 0.95) == near(p95, digits=5)


def test_it_knows_many_servers():
    assert f.mean_wait(20, 18, 1) == near(0.275385)
    assert f.mean_wait(100, 90, 1) == near(0.021694)
    assert f.percentile_of(lambda time: f.wait_beyond(5, 4, 1, time), 0.95) == near(2.40534, digits=5)


def test_it_never_ends_above_capacity():
    assert f.mean_wait(2, 2, 1) == math.inf
    assert f.pollaczek_khinchine(1.2, 1, 1) == math.inf
    assert (f.wait_beyond(1, 2, 1, 5), f.response_beyond(1, 2, 1, 5), f.erlang_c(1, 2)) == (1, 1, 1)


@pytest.mark.parametrize(("scv", "wait"), [(0, 2), (0.25, 2.5), (0.5, 3), (1, 4), (2, 6), (4, 10), (16, 34)])
def test_it_knows_times_of_any_kind(scv, wait):
    assert f.pollaczek_khinchine(0.8, 1, scv) == near(wait)


def test_it_knows_limited_rooms():
    assert f.limited_room(1, 10, 0.9, 1)[:2] == near(0.05081373, 3.969441)
    assert f.limited_room(1, 10, 1.2, 1)[:2] == near(0.19258650, 6.710709)
    assert f.limited_room(5, 20, 4.5, 1)[::2] == near(0.018282, 0.877847)
    assert f.limited_room(5, 20, 6, 1)[::2] == near(0.172692, 2.155137)


def test_it_knows_lost_calls():
    lost = [f.erlang_b(*case) for case in ((5, 4), (10, 8), (20, 15), (100, 90))]
    assert lost == near(0.199067, 0.121661, 0.045593, 0.026957)


@pytest.mark.parametrize(
    ("case", "throughput", "response"),
    [
        ((10, 9, 1, 1), 0.832037, 3.018700),
        ((20, 9, 1, 1), 0.999383, 11.012347),
        ((50, 1, 0.1, 4), 38.849823, 0.287007),
        ((100, 1, 0.1, 8), 79.108992, 0.264079),
    ],
)
def test_it_knows_closed_users(case, throughput, response):
    assert f.closed_users(*case) == near(throughput, response)


def test_it_knows_impatience_priorities_and_retries():
    assert f.abandonment(10, 10, 1, 0.5) == near(0.103913, 0.207826)
    assert f.abandonment(10, 12, 1, 0.5) == near(0.195656, 0.391312)
    assert f.two_priorities((0.3, 0.5), 1) == near(1.142857, 5.714286)
    assert f.two_priorities_preempting((0.3, 0.5), 1) == near(0.428571, 6.142857)
    assert f.attempts_of(0.3, 4) == near(1.417, 0.0081)
    assert f.attempts_of(0.5, 5) == near(1.9375, 0.03125)


def test_it_knows_limits_of_items():
    cases = ((10, 10), (10, 3), (100, 10), (1000, 50))
    assert [f.makespan_of_items(*case) for case in cases] == near(2.928968, 4.166667, 11.928968, 23.499205)


def test_it_staffs():
    assert f.servers_for(lambda c: f.response_beyond(c, 100, 5, 1.0) <= 0.05, 20) == 21
    assert f.response_beyond(21, 100, 5, 1.0) == near(0.0324, digits=4)
    assert f.servers_for(lambda c: f.response_beyond(c, 200, 20, 0.25) <= 0.01, 10) == 12
    assert f.servers_for(lambda c: f.response_beyond(c, 1000, 10, 0.5) <= 0.01, 100) == 103
    assert f.servers_for(lambda c: f.wait_beyond(c, 100, 5, 0.1) <= 0.2, 20) == 23


def test_it_guides_where_nothing_is_exponential():
    assert f.allen_cunneen(1, 0.8, 1, 1, 4) == near(f.pollaczek_khinchine(0.8, 1, 4))
