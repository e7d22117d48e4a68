"""When an instance counts as healthy."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.health import (
    HEALTHY,
    UNHEALTHY,
    UNKNOWN,
    Health,
    Thresholds,
    confirming_check,
    held,
    judge,
    next_check,
    stretches,
    too_many_at_once,
)

SECOND = 1_000_000
NOW = 1_900_000_000 * SECOND
THRESHOLDS = Thresholds(rise=2, fall=3)


NEW = Health()


def after(answers: str, health: Health = NEW) -> list[str]:
    """Return the state after each answer: `+` is a good one, `-` a bad one."""
    states = []
    for answer in answers:
        health = judge(health, passed=answer == "+", thresholds=THRESHOLDS)
        states.append(health.state)
    return states


def test_it_is_unknown_until_enough_answers_agree():
    assert after("++") == [UNKNOWN, HEALTHY]
    assert after("---") == [UNKNOWN, UNKNOWN, UNHEALTHY]
    assert after("+-+-+-") == [UNKNOWN] * 6


def test_it_takes_a_row_of_bad_answers_to_fall():
    healthy = Health(HEALTHY, 2)
    assert after("--+--+---", healthy) == [HEALTHY] * 8 + [UNHEALTHY]


def test_it_takes_a_row_of_good_answers_to_rise_again():
    unhealthy = Health(UNHEALTHY, -3)
    assert after("+-++", unhealthy) == [UNHEALTHY, UNHEALTHY, UNHEALTHY, HEALTHY]


def test_it_stays_the_same_once_it_is_settled():
    healthy = judge(Health(HEALTHY, 2), passed=True, thresholds=THRESHOLDS)
    assert healthy == Health(HEALTHY, 2)
    unhealthy = judge(Health(UNHEALTHY, -3), passed=False, thresholds=THRESHOLDS)
    assert unhealthy == Health(UNHEALTHY, -3)


@given(st.text(alphabet="+-", max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_it_never_changes_but_by_a_full_row(answers: str, rise: int, fall: int):
    thresholds, health = Thresholds(rise, fall), Health()
    for place, answer in enumerate(answers, start=1):
        before, health = health, judge(health, passed=answer == "+", thresholds=thresholds)
        if health.state != before.state:
            row = rise if health.state == HEALTHY else fall
            assert answers[max(0, place - row) : place] == ("+" if health.state == HEALTHY else "-") * row


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (Health(UNKNOWN, 1), NOW + 2 * SECOND),
        (Health(UNKNOWN, 0), None),
        (Health(UNKNOWN, -1), None),
        (Health(HEALTHY, 2), None),
        (Health(UNHEALTHY, 1), None),
    ],
)
def test_it_confirms_a_newcomer_that_answers_sooner(health: Health, expected: int | None):
    assert confirming_check(health, now=NOW, interval=10 * SECOND) == expected


def test_it_spreads_checks_by_a_tenth():
    checks = [next_check(now=NOW, interval=10 * SECOND, chance=chance) - NOW for chance in (0.0, 0.5, 1.0)]
    assert checks == [9 * SECOND, 10 * SECOND, 11 * SECOND]


def test_it_spreads_the_first_checks_by_half():
    checks = [next_check(now=NOW, interval=10 * SECOND, chance=chance, first=True) - NOW for chance in (0.0, 0.5, 1.0)]
    assert checks == [5 * SECOND, 10 * SECOND, 15 * SECOND]


@pytest.mark.parametrize(
    ("wrong", "of", "expected"), [(2, 2, False), (3, 5, True), (3, 6, False), (4, 6, True), (0, 0, False)]
)
def test_more_than_half_and_a_few_are_too_many_at_once(wrong: int, of: int, expected: bool):
    assert too_many_at_once(wrong, of, least=3) is expected


@given(st.text(alphabet="+-", max_size=40), st.integers(1, 5), st.integers(1, 5))
def test_in_doubt_nobody_falls_and_everybody_can_rise_again(answers: str, rise: int, fall: int):
    thresholds, health = Thresholds(rise, fall), Health(HEALTHY, rise)
    for answer in answers:
        health = held(health, judge(health, passed=answer == "+", thresholds=thresholds), thresholds)
        assert health.state == HEALTHY
        assert -fall < health.row <= rise


def test_a_past_is_drawn_from_its_changes():
    drawn = stretches([(100, HEALTHY), (150, UNHEALTHY), (160, UNHEALTHY), (400, HEALTHY)], begin=50, end=250)
    assert [(each.begins, each.length, each.state) for each in drawn] == [
        (0.0, 0.25, UNKNOWN),
        (0.25, 0.25, HEALTHY),
        (0.5, 0.5, UNHEALTHY),
    ]
    assert stretches([], begin=5, end=5) == ()


@given(
    st.lists(st.tuples(st.integers(-50, 150), st.sampled_from([HEALTHY, UNHEALTHY, UNKNOWN])), max_size=20),
    st.integers(1, 100),
)
def test_a_drawing_has_no_gap_and_ends_as_it_is(changes: list[tuple[int, str]], end: int):
    changes = sorted(changes, key=lambda each: each[0])
    drawn = stretches(changes, begin=0, end=end)
    assert drawn[0].begins == 0
    assert sum(each.length for each in drawn) == pytest.approx(1)
    for before, after in itertools.pairwise(drawn):
        assert after.begins == pytest.approx(before.begins + before.length)
        assert after.state != before.state
    earlier = [state for at, state in changes if at < end]
    assert drawn[-1].state == (earlier[-1] if earlier else UNKNOWN)


def test_a_change_that_is_taken_back_at_the_same_instant_is_none():
    changes = [(1, UNHEALTHY), (3, HEALTHY), (3, UNHEALTHY)]
    assert [each.state for each in stretches(changes, begin=0, end=5)] == [UNKNOWN, UNHEALTHY]
