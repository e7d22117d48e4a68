"""What may be spent on calls: tokens, retries, places; and how load comes back after a recovery."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.calling.buckets import GrantedTokens, Places, Retries, TokenBucket
from orchestration.domain.calling.policy import SECOND, Ramp, Rate, RetryBudget
from orchestration.domain.calling.ramp import BURST, SlowStart

NOW = 1_900_000_000 * SECOND


def taken(bucket: TokenBucket | Retries | GrantedTokens | SlowStart, now: int) -> int:
    """Take all that there is at `now` and return how much it was."""
    count = 0
    while bucket.wait(now) == 0:
        bucket.take()
        count += 1
        assert count < 100_000
    return count


def test_it_gives_the_burst_at_once_and_then_the_rate():
    bucket = TokenBucket(Rate(per_second=10, burst=5))
    assert taken(bucket, NOW) == 5
    assert bucket.wait(NOW) == SECOND // 10
    assert taken(bucket, NOW + SECOND // 10) == 1
    assert taken(bucket, NOW + 60 * SECOND) == 5


@given(
    st.floats(0.5, 500).map(lambda number: round(number, 2)),
    st.integers(1, 50),
    st.lists(st.integers(0, 2 * SECOND), min_size=1, max_size=200),
)
def test_it_never_gives_more_than_burst_and_rate_allow(per_second: float, burst: int, steps: list[int]):
    bucket, now, given_out = TokenBucket(Rate(per_second, burst)), NOW, 0
    for step in steps:
        now += step
        if bucket.wait(now) == 0:
            bucket.take()
            given_out += 1
        assert given_out <= burst + per_second * (now - NOW) / SECOND + 1e-3


@given(st.floats(0.5, 500).map(lambda number: round(number, 2)), st.integers(0, 3 * SECOND))
def test_it_has_a_token_at_the_instant_that_it_named(per_second: float, passed: int):
    bucket = TokenBucket(Rate(per_second, 1))
    taken(bucket, NOW)
    later = NOW + passed
    assert bucket.wait(later + bucket.wait(later)) in (0, 1)


def test_it_gives_granted_tokens_until_they_run_out_or_are_too_old():
    tokens = GrantedTokens(Rate(per_second=10))
    assert tokens.wait(NOW) == SECOND // 10
    tokens.grant(3, until=NOW + SECOND)
    assert taken(tokens, NOW) == 3
    tokens.grant(3, until=NOW + SECOND)
    assert tokens.wait(NOW + SECOND) > 0


def test_it_pays_for_one_retry_in_five_successes():
    budget = Retries(RetryBudget(ratio=0.2, minimum_per_second=0, cap=10))
    assert taken(budget, NOW) == 10
    for _ in range(50):
        budget.succeeded()
    assert taken(budget, NOW) == 10
    for _ in range(7):
        budget.succeeded()
    assert taken(budget, NOW) == 1


def test_it_never_saves_more_than_its_cap():
    budget = Retries(RetryBudget(cap=4, minimum_per_second=100))
    for _ in range(1000):
        budget.succeeded()
    assert taken(budget, NOW) == 4
    assert taken(budget, NOW + 3600 * SECOND) == 4


def test_it_pays_for_some_retries_a_second_in_any_case():
    budget = Retries(RetryBudget(ratio=0.2, minimum_per_second=2, cap=2))
    taken(budget, NOW)
    assert budget.wait(NOW) == SECOND // 2
    assert taken(budget, NOW + SECOND // 2) == 1


def test_it_pays_for_everything_when_it_is_switched_off():
    budget = Retries(RetryBudget(enabled=False, cap=1, ratio=0))
    for _ in range(100):
        assert budget.wait(NOW) == 0
        budget.take()


@given(st.lists(st.sampled_from(["retry", "success"]), max_size=300))
def test_it_bounds_retries_by_successes(steps: list[str]):
    budget, retries, successes = Retries(RetryBudget(ratio=0.2, minimum_per_second=0, cap=10)), 0, 0
    for step in steps:
        if step == "success":
            budget.succeeded()
            successes += 1
        elif budget.wait(NOW) == 0:
            budget.take()
            retries += 1
        assert retries <= 10 + 0.2 * successes + 1e-6


def test_it_has_as_many_places_as_are_allowed():
    places = Places(1)
    assert places.is_free(NOW)
    places.taken += 1
    assert not places.is_free(NOW)
    assert Places(None).is_free(NOW)
    assert not Places(0).is_free(NOW)


def test_it_has_no_places_any_more_when_their_time_is_over():
    places = Places(1)
    places.until = NOW
    assert places.is_free(NOW - 1)
    assert not places.is_free(NOW)


def begun_each_second(ramp: SlowStart, seconds: range) -> list[int]:
    """Return how many calls begin in each of these seconds after NOW when there are always some that want to."""
    step = SECOND // 100
    return [
        sum(taken(ramp, NOW + second * SECOND + part) for part in range(step, SECOND + step, step))
        for second in seconds
    ]


def test_it_brings_load_back_from_a_tenth_to_all_and_then_slowly_beyond():
    ramp = SlowStart(Ramp(over=10 * SECOND))
    assert ramp.wait(NOW) == 0
    ramp.begin(NOW, usual_per_second=100)
    rising = begun_each_second(ramp, range(10))
    assert rising == sorted(rising)
    assert rising[0] - round(BURST) in range(13, 17)
    assert rising[-1] in range(94, 98)
    beyond = begun_each_second(ramp, range(10, 30))
    assert beyond[0] in range(99, 102)
    assert beyond[-1] in range(108, 112)


def test_it_brings_so_few_back_within_seconds():
    """A service that is called now and then, with twenty executions that waited for it."""
    ramp = SlowStart(Ramp(over=10 * SECOND))
    ramp.begin(NOW, usual_per_second=0.1)
    assert sum(begun_each_second(ramp, range(3))) >= 20


def test_it_gives_way_when_calls_fail_but_never_to_nothing():
    ramp = SlowStart(Ramp(over=10 * SECOND))
    ramp.begin(NOW, usual_per_second=100)
    before = begun_each_second(ramp, range(8))[-1]
    for _ in range(10):
        ramp.failed()
    after = begun_each_second(ramp, range(8, 9))[0]
    assert after in range(before // 3, before // 2)
    for _ in range(1000):
        ramp.failed()
    assert begun_each_second(ramp, range(9, 10))[0] >= 10


def test_it_ends_when_nobody_had_to_wait_for_a_while():
    ramp = SlowStart(Ramp(over=10 * SECOND))
    ramp.begin(NOW, usual_per_second=100)
    for second in range(1, 22):
        assert ramp.wait(NOW + second * SECOND) == 0
        ramp.take()
    assert not ramp.active


def test_it_brings_everything_back_at_once_without_a_ramp():
    ramp = SlowStart(Ramp(over=0))
    ramp.begin(NOW, usual_per_second=1)
    for _ in range(1000):
        assert ramp.wait(NOW) == 0
        ramp.take()
