"""How a limit is divided among the processes that call a service."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.calling.policy import SECOND, Rate
from orchestration.domain.calling.shares import Share, places_for, tokens_for

NOW = 1_900_000_000 * SECOND


def test_it_gives_what_is_wanted_while_there_is_enough():
    assert places_for(4, held=0, limit=10, others=[Share(5, 5)]) == 4


def test_it_gives_only_what_others_do_not_hold():
    assert places_for(8, held=0, limit=10, others=[Share(9, 9)]) == 1
    assert places_for(8, held=0, limit=10, others=[Share(10, 10)]) == 0


def test_it_gives_a_fair_share_up_to_those_that_have_none():
    assert places_for(10, held=10, limit=10, others=[Share(0, 10)]) == 5
    assert places_for(10, held=5, limit=10, others=[Share(5, 10)]) == 5


def test_it_leaves_nothing_unused_that_is_over():
    assert places_for(5, held=1, limit=10, others=[Share(1, 5)] * 7) == 3


def test_it_passes_the_only_place_round():
    assert places_for(1, held=0, limit=1, others=[Share(0, 9)]) == 1
    assert places_for(1, held=1, limit=1, others=[Share(0, 9)]) == 0


asks = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.floats(0, 1)), max_size=60)


@given(st.integers(1, 20), asks)
def test_it_never_lets_more_calls_be_under_way_than_there_are_places(limit: int, asked: list[tuple[int, int, float]]):
    held: dict[int, Share] = {}
    allowed: dict[int, int] = {}
    for process, wanted, busy in asked:
        mine = held.pop(process, Share(0, 0))
        under_way = round(mine.places * busy)
        allowed[process] = places_for(wanted, held=mine.places, limit=limit, others=held.values())
        held[process] = Share(max(allowed[process], under_way), wanted)
        assert sum(each.places for each in held.values()) <= limit


@given(st.integers(1, 20), st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_it_gives_everybody_a_turn_and_uses_the_limit_to_the_full(limit: int, wanted: list[int]):
    held = {process: Share(0, 0) for process in range(len(wanted))}
    had = set()
    for asking in range(12):
        for process, want in enumerate(wanted):
            others = [share for other, share in held.items() if other != process]
            held[process] = Share(places_for(want, held=held[process].places, limit=limit, others=others), want)
            had.update({process} if held[process].places else ())
        if asking == 11 and all(each.places for each in held.values()):
            assert sum(each.places for each in held.values()) == min(limit, sum(wanted))
    assert had == set(held)


@given(
    st.floats(0.5, 5000).map(lambda number: round(number, 2)),
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, SECOND)), max_size=100),
)
def test_it_never_gives_more_tokens_than_the_rate_allows(per_second: float, burst: int, asked: list[tuple[int, int]]):
    rate, due_at, now, given_out = Rate(per_second, burst), 0, NOW, 0
    for wanted, passed in asked:
        now += passed
        tokens, due_at, _ = tokens_for(wanted, rate, due_at=due_at, now=now)
        given_out += tokens
        assert given_out <= burst + per_second * (now - NOW + len(asked)) / SECOND + 1e-3


def test_it_says_when_the_next_token_is_there():
    rate = Rate(per_second=10, burst=2)
    tokens, due_at, wait = tokens_for(5, rate, due_at=0, now=NOW)
    assert (tokens, wait) == (2, SECOND // 10)
    assert tokens_for(5, rate, due_at=due_at, now=NOW + wait)[0] == 1
