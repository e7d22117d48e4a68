"""Which instance is called."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.balancing import (
    HALF_LIFE,
    Load,
    better_of_two,
    in_turn,
    least_loaded,
    narrowed,
    usable,
)
from orchestration.domain.health import HEALTHY, UNHEALTHY, UNKNOWN
from orchestration.domain.lifecycle import ACTIVE, DRAINING, INACTIVE

NOW = 1_900_000_000_000_000


@dataclass(frozen=True, slots=True)
class Candidate:
    name: str
    status: str = ACTIVE
    health: str = HEALTHY
    tags: tuple[str, ...] = ()
    version: str = ""
    locality: str = ""


candidates = st.lists(
    st.builds(
        Candidate,
        st.text("abc", min_size=1),
        st.sampled_from([ACTIVE, DRAINING, INACTIVE]),
        st.sampled_from([HEALTHY, UNHEALTHY, UNKNOWN]),
        st.lists(st.sampled_from(["blue", "green"]), unique=True).map(tuple),
        st.sampled_from(["", "1", "2"]),
        st.sampled_from(["", "here", "there"]),
    ),
    max_size=12,
)
chances = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("status", "health", "called"),
    [
        (ACTIVE, HEALTHY, True),
        (ACTIVE, UNKNOWN, True),
        (ACTIVE, UNHEALTHY, False),
        (DRAINING, HEALTHY, False),
        (DRAINING, UNKNOWN, False),
        (INACTIVE, HEALTHY, False),
    ],
)
def test_it_calls_what_is_active_and_not_proven_unhealthy(status: str, health: str, called: bool):
    assert bool(usable([Candidate("a", status, health)])) is called


def test_it_keeps_the_order():
    given_ones = [Candidate("a"), Candidate("b", DRAINING), Candidate("c", health=UNKNOWN)]
    assert [each.name for each in usable(given_ones)] == ["a", "c"]


def test_it_gives_everybody_their_turn():
    given_ones = [Candidate("a"), Candidate("b"), Candidate("c")]
    picked = [in_turn(given_ones, index) for index in range(7)]
    assert [each.name for each in picked if each] == ["a", "b", "c", "a", "b", "c", "a"]


def test_it_has_nothing_to_give_where_there_is_nobody():
    assert in_turn((), 3) is None
    assert least_loaded((), lambda _: 0, 3) is None
    assert better_of_two((), lambda _: 0.0, 0.5) is None


@given(st.integers(1, 9), st.integers(0, 50), st.integers(1, 60))
def test_it_is_fair_in_turn(count: int, start: int, rounds: int):
    picked = Counter(in_turn(range(count), index) for index in range(start, start + rounds * count))
    assert set(picked.values()) == {rounds}


@given(candidates, st.sampled_from([(), ("blue",), ("blue", "green")]), st.sampled_from(["", "1", "2"]), chances)
def test_it_never_picks_what_may_not_be_called_or_was_not_asked_for(
    given_ones: list[Candidate], tags: tuple[str, ...], version: str, chance: float
):
    fitting = narrowed(given_ones, tags=tags, version=version, locality="here")
    for picked in (
        in_turn(fitting, int(chance * 100)),
        least_loaded(fitting, lambda _: 0, int(chance * 100)),
        better_of_two(fitting, lambda _: 1.0, chance),
    ):
        assert (picked is None) is (not fitting)
        if picked is not None:
            assert picked.status == ACTIVE
            assert picked.health != UNHEALTHY
            assert set(tags) <= set(picked.tags)
            assert version in ("", picked.version)


@given(candidates)
def test_it_stays_near_where_it_can_and_goes_far_where_it_must(given_ones: list[Candidate]):
    near = narrowed(given_ones, locality="here")
    there_are_near_ones = any(each.locality == "here" for each in usable(given_ones))
    assert {each.locality for each in near} == {"here"} if there_are_near_ones else near == usable(given_ones)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.integers(0, 100))
def test_it_picks_one_with_the_fewest_calls_under_way(loads: list[int], index: int):
    picked = least_loaded(range(len(loads)), lambda each: loads[each], index)
    assert picked is not None
    assert loads[picked] == min(loads)


def test_it_gives_idle_equals_their_turn():
    assert [least_loaded("abc", lambda _: 0, index) for index in range(4)] == ["a", "b", "c", "a"]


@given(st.lists(st.floats(1, 100), min_size=2, max_size=9, unique=True), chances)
def test_it_never_picks_the_dearest_of_all_by_two_choices(costs: list[float], chance: float):
    picked = better_of_two(range(len(costs)), lambda each: costs[each], chance)
    assert picked is not None
    assert costs[picked] != max(costs)


def test_it_draws_every_pair_alike_and_prefers_the_better():
    count, draws = 4, 1200
    picked = Counter(better_of_two(range(count), float, draw / draws) for draw in range(draws))
    assert [picked[each] for each in range(count)] == [600, 400, 200, 0]


def load(*answers: tuple[bool, int], under_way: int = 0) -> Load:
    known = Load()
    for failed, took in answers:
        known.begun(NOW)
        known.ended(failed=failed, took=took, now=NOW)
    known.under_way = under_way
    return known


def test_it_costs_more_to_call_what_is_slow_busy_or_failing():
    good = load((False, 20_000))
    assert load((False, 40_000)).cost(NOW) > good.cost(NOW)
    assert load((False, 20_000), under_way=3).cost(NOW) > good.cost(NOW)
    assert load((False, 20_000), (True, 20_000)).cost(NOW) > good.cost(NOW)


def test_it_costs_more_the_longer_nothing_is_answered():
    silent = Load()
    silent.begun(NOW)
    assert silent.cost(NOW + 9_000_000) > load((False, 20_000)).cost(NOW + 9_000_000)
    silent.ended(failed=False, took=9_000_000, now=NOW + 9_000_000)
    silent.begun(NOW + 9_000_000)
    assert silent.cost(NOW + 9_000_001) < 19_000_000


def test_it_learns_nothing_from_a_call_that_says_nothing():
    known = load((False, 20_000))
    known.begun(NOW)
    known.ended(failed=None, took=9_000_000, now=NOW)
    assert (known.latency, known.errors, known.under_way) == (20_000, 0, 0)


def test_it_forgives_with_time_so_that_the_slow_are_tried_again():
    later = NOW + 20 * HALF_LIFE
    assert load((True, 4_000_000)).cost(later) == pytest.approx(load((False, 20_000)).cost(later), rel=0.01)
