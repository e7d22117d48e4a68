"""The retry policy: what is retried, after how long, and when no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.errors import StepError
from orchestration.domain.retry import RetryPolicy, is_retryable, next_attempt_at, wait_after

SECOND = 1_000_000


def policy(**changes: object) -> RetryPolicy:
    values: dict[str, object] = {
        "max_attempts": None,
        "delay": SECOND,
        "backoff": "exponential",
        "multiplier": 2.0,
        "max_delay": 300 * SECOND,
        "jitter": 0.0,
        **changes,
    }
    return RetryPolicy(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [("fixed", [1, 1, 1, 1]), ("linear", [1, 2, 3, 4]), ("exponential", [1, 2, 4, 8])],
)
def test_it_waits_as_the_backoff_says(backoff: str, waits: list[int]) -> None:
    assert [wait_after(policy(backoff=backoff), n, 0.5) for n in (1, 2, 3, 4)] == [w * SECOND for w in waits]


def test_it_never_waits_longer_than_the_longest_delay_however_many_attempts_failed() -> None:
    assert wait_after(policy(max_delay=5 * SECOND), 100_000, 0.999) == 5 * SECOND


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True), st.floats(0, 1), st.booleans())
def test_it_keeps_jitter_within_its_share_of_the_wait(n: int, draw: float, jitter: float, full: bool) -> None:
    jittered = policy(jitter=jitter, full=full)
    plain = wait_after(policy(), n, draw)
    wait = wait_after(jittered, n, draw)
    low, high = (0, plain) if full else (plain * (1 - jitter), plain * (1 + jitter))
    assert low - 1 <= wait <= min(high, jittered.max_delay) + 1


def test_it_lets_never_win_over_on_and_on_over_the_service_and_that_over_the_default() -> None:
    says_yes, says_no = StepError("http_409", retryable=True), StepError("http_503", retryable=False)
    assert is_retryable(policy(), says_yes)
    assert not is_retryable(policy(), says_no)
    assert not is_retryable(policy(on=frozenset({"http_500"})), says_yes)
    assert is_retryable(policy(on=frozenset({"http_503"})), says_no)
    assert not is_retryable(policy(on=frozenset({"a"}), never=frozenset({"a"})), StepError("a", retryable=True))


@pytest.mark.parametrize(
    ("code", "retried"),
    [
        ("http_500", True),
        ("http_599", True),
        ("http_50", False),
        ("http_5000", False),
        ("http_5xx", False),
        ("http_404", False),
    ],
)
def test_it_retries_every_server_error_by_default(code: str, retried: bool) -> None:
    assert is_retryable(policy(), StepError(code)) is retried


def test_it_does_not_repeat_what_may_have_happened_once_unless_told_to() -> None:
    lost = StepError("timeout")
    assert not is_retryable(policy(), lost, at_most_once=True)
    assert is_retryable(policy(on=frozenset({"timeout"})), lost, at_most_once=True)


def test_it_gives_a_service_the_time_that_it_asks_for_within_the_deadline() -> None:
    common = {"failed_attempt": 1, "max_attempts": 3, "first_started_at": 0, "now": 10 * SECOND, "draw": 0.5}
    assert next_attempt_at(policy(), retry_after=600 * SECOND, **common) == 610 * SECOND
    assert next_attempt_at(policy(deadline=11 * SECOND), **common) == 11 * SECOND
    assert next_attempt_at(policy(deadline=11 * SECOND - 1), **common) is None
    assert next_attempt_at(policy(), **{**common, "failed_attempt": 3}) is None
