"""Chance by purpose: the same numbers at the same places, whatever else happens."""

from __future__ import annotations

import numpy as np

from simulation.streams import BLOCK, KEPT_BLOCKS, Streams


def test_it_gives_the_same_numbers_on_every_machine():
    streams = Streams(7, 3)
    assert streams.generator("arrivals").integers(0, 10**9, 3).tolist() == [909260476, 485630823, 117152564]
    assert [streams.keyed("service").draw(job, attempt) for job, attempt in ((0, 1), (5000, 2))] == [
        0.26965213426997225,
        0.5098196243362196,
    ]


def test_it_gives_each_purpose_and_each_replication_its_own_numbers():
    seen = {
        Streams(root, replication).generator(source).random()
        for root in (1, 2)
        for replication in (0, 1)
        for source in ("arrivals", "service")
    }
    assert len(seen) == 8


def test_it_keeps_a_draw_whatever_was_asked_before():
    one, other = Streams(1).keyed("service"), Streams(1).keyed("service")
    places = [(job, attempt) for job in (0, 1, BLOCK, 7 * BLOCK + 3) for attempt in (1, 2, 5)]
    forwards = {place: one.draw(*place) for place in places}
    backwards = {place: other.draw(*place) for place in reversed(places)}
    assert forwards == backwards
    assert len(set(forwards.values())) == len(places)


def test_it_keeps_a_draw_after_its_block_was_forgotten():
    draws = Streams(1).keyed("service")
    first = draws.draw(0)
    for block in range(1, KEPT_BLOCKS + 2):
        draws.draw(block * BLOCK)
    assert draws.draw(0) == first


def test_it_gives_an_array_of_what_it_gives_one_by_one():
    draws = Streams(1).keyed("service")
    count = 2 * BLOCK + 5
    assert draws.first(count, 2).tolist() == [draws.draw(job, 2) for job in range(count)]


def test_it_draws_evenly_and_independently_over_attempts():
    draws = Streams(11).keyed("failures")
    one, two = draws.first(100_000, 1), draws.first(100_000, 2)
    assert one.min() >= 0
    assert one.max() < 1
    assert abs(one.mean() - 0.5) < 0.005
    assert abs(np.var(one) - 1 / 12) < 0.002
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.015
    assert abs(np.corrcoef(one[:-1], one[1:])[0, 1]) < 0.015


def test_it_turns_draws_into_what_is_asked_for():
    plain, turned = Streams(1).keyed("x"), Streams(1).keyed("x", lambda share: -np.log1p(-share))
    assert turned.draw(9) == -np.log1p(-plain.draw(9))
