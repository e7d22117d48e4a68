"""Silence: whom it costs the place, and when it proves nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.expiry import LEAST, Judgement, Verdict, Watched, judge_owners, judge_silence
from orchestration.domain.lifecycle import ACTIVE, DRAINING, INACTIVE

SECOND = 1_000_000
TTL = 90 * SECOND
KEPT = 300 * SECOND
LONG_AGO = -100 * TTL


def instance(id: str, seen: int, **changes: object) -> Watched:
    return replace(Watched(id, ACTIVE, seen, TTL, KEPT), **changes)  # type: ignore[arg-type]


def ids(watched: tuple[Watched, ...]) -> list[str]:
    return [each.id for each in watched]


def others(count: int, now: int) -> list[Watched]:
    return [instance(f"other-{number}", now - number % 30 * SECOND) for number in range(count)]


def test_a_silent_one_among_many_is_found_when_its_time_is_over():
    at = TTL
    assert ids(judge_silence([instance("a", 0), *others(9, at)], now=at, since=LONG_AGO).silent) == []
    assert ids(judge_silence([instance("a", 0), *others(9, at + 1)], now=at + 1, since=LONG_AGO).silent) == ["a"]


def test_one_alone_is_found_too():
    assert ids(judge_silence([instance("a", 0)], now=TTL + 1, since=LONG_AGO).silent) == ["a"]


def test_a_draining_one_falls_silent_like_any_other():
    silent = instance("a", 0, status=DRAINING)
    assert ids(judge_silence([silent], now=TTL + 1, since=LONG_AGO).silent) == ["a"]


def test_an_inactive_one_is_kept_for_its_time_and_then_gone():
    inactive = instance("a", 0, status=INACTIVE, inactive_since=TTL)
    assert judge_silence([inactive], now=TTL + KEPT, since=LONG_AGO) == Verdict()
    assert ids(judge_silence([inactive], now=TTL + KEPT + 1, since=LONG_AGO).gone) == ["a"]


def test_nobody_is_silent_before_it_was_listened_for_two_windows():
    silent, gone = instance("a", LONG_AGO), instance("b", LONG_AGO, status=INACTIVE, inactive_since=LONG_AGO)
    assert judge_silence([silent, gone], now=2 * TTL - 1, since=0) == Verdict()
    after = judge_silence([silent, gone], now=2 * TTL, since=0)
    assert (ids(after.silent), ids(after.gone)) == (["a"], ["b"])


def test_all_that_are_cut_off_at_once_are_late_when_the_first_is_silent():
    cut = 1_000 * SECOND
    spread = [instance(str(number), cut - number * SECOND) for number in range(30)]
    first = min(each.seen for each in spread) + TTL + 1
    verdict = judge_silence(spread, now=first, since=LONG_AGO)
    assert (verdict.doubt, verdict.silent, verdict.late, verdict.of) == (True, (), 30, 30)


def test_nothing_is_taken_out_in_doubt():
    cut = [instance(str(number), 0) for number in range(5)]
    gone = instance("gone", LONG_AGO, status=INACTIVE, inactive_since=LONG_AGO)
    verdict = judge_silence([*cut, gone], now=TTL + 1, since=LONG_AGO)
    assert (verdict.doubt, verdict.silent, verdict.gone) == (True, (), ())


def test_those_that_fell_silent_just_before_count_still():
    now = TTL + 1
    before = [instance(f"b{n}", -SECOND, status=INACTIVE, inactive_since=now - SECOND) for n in range(4)]
    rest = [instance("silent", 0), *others(3, now)]
    assert judge_silence([*before, *rest], now=now, since=LONG_AGO).doubt
    long_before = [replace(each, inactive_since=now - TTL) for each in before]
    assert not judge_silence([*long_before, *rest], now=now, since=LONG_AGO).doubt


instances = st.builds(
    Watched,
    id=st.uuids().map(str),
    status=st.sampled_from([ACTIVE, DRAINING, INACTIVE]),
    seen=st.integers(-1_000, 1_000),
    ttl=st.integers(1, 500),
    deregister_after=st.integers(0, 500),
    inactive_since=st.none() | st.integers(-1_000, 1_000),
)


@given(st.lists(instances, max_size=30), st.integers(0, 2_000), st.integers(-2_000, 2_000))
def test_the_promises_hold(watched: list[Watched], now: int, since: int):
    verdict = judge_silence(watched, now=now, since=since)
    assert not (verdict.doubt and (verdict.silent or verdict.gone))
    for each in verdict.silent:
        assert each.status != INACTIVE
        assert now - each.seen > each.ttl
    for each in verdict.gone:
        assert each.status == INACTIVE
    for each in (*verdict.silent, *verdict.gone):
        assert now - since >= 2 * each.ttl
    # However it came about: more than half never lose their place at one look.
    there = [each for each in watched if each.status != INACTIVE and now - since >= 2 * each.ttl]
    assert len(verdict.silent) < LEAST or 2 * len(verdict.silent) <= len(there) + sum(
        1 for each in watched if each.status == INACTIVE
    )
    if verdict.doubt:
        assert verdict.late >= LEAST
        assert 2 * verdict.late > verdict.of


@given(st.lists(st.integers(0, TTL // 2), min_size=1, max_size=40), st.integers(0, 40))
def test_one_that_is_heard_in_time_never_loses_its_place(ages: list[int], silent: int):
    now = 10 * TTL
    heard = [instance(f"heard-{number}", now - age) for number, age in enumerate(ages)]
    quiet = [instance(f"quiet-{number}", 0) for number in range(silent)]
    verdict = judge_silence([*heard, *quiet], now=now, since=LONG_AGO)
    assert set(verdict.silent) <= set(quiet)
    assert verdict.doubt == (silent >= LEAST and silent > len(ages))


def cut(count: int) -> list[Watched]:
    return [instance(f"cut-{number}", 0) for number in range(count)]


def judged(now: int, **owners: list[Watched]) -> Judgement:
    by_number = dict(enumerate(owners.values(), start=1))
    return judge_owners(by_number, now=now, since=dict.fromkeys(by_number, LONG_AGO))


def test_a_large_owner_that_is_cut_off_holds_up_nobody_else():
    now = 2 * TTL
    found = judged(now, large=cut(90), small=[instance("silent", 0), *others(9, now)])
    assert not found.doubt
    assert (found.verdicts[1].doubt, found.verdicts[1].silent) == (True, ())
    assert (found.verdicts[2].doubt, ids(found.verdicts[2].silent)) == (False, ["silent"])


def test_when_most_owners_are_cut_off_nobody_is_judged():
    now = 2 * TTL
    # One instance alone is too few to doubt its silence; that of all of them together is not.
    found = judged(now, large=cut(20), one=cut(1), another=cut(1), well=others(5, now))
    assert (found.doubt, found.late, found.of) == (True, 22, 27)


def test_a_few_owners_of_one_instance_each_are_judged_as_one_would_be():
    now = 2 * TTL
    found = judged(now, one=cut(1), another=cut(1), well=others(30, now))
    assert not found.doubt
    assert [len(each.silent) for each in found.verdicts.values()] == [1, 1, 0]


def test_an_only_owner_is_everybody():
    found = judged(2 * TTL, only=cut(5))
    assert (found.doubt, found.late, found.of) == (True, 5, 5)
    assert judged(2 * TTL, only=[]).doubt is False


@given(st.dictionaries(st.integers(1, 4), st.lists(instances, max_size=6), max_size=4), st.integers(0, 2_000))
def test_an_owners_verdict_depends_on_nobody_else(watched: dict[int, list[Watched]], now: int):
    found = judge_owners(watched, now=now, since=dict.fromkeys(watched, -2_000))
    for owner, theirs in watched.items():
        assert found.verdicts[owner] == judge_silence(theirs, now=now, since=-2_000)
    if found.doubt:
        assert found.late >= LEAST
        assert 2 * found.late > found.of
