"""The shift's clock: right by the database, and not to be set."""

from __future__ import annotations

from orchestration import clock
from orchestration.engine.shift_clock import MOST_SKEW, clock_from

HOUR = 3_600_000_000


def test_it_goes_by_this_machine_where_that_is_about_right():
    before = clock.now_us()
    now = clock_from(before + MOST_SKEW // 2)
    assert before <= now() <= clock.now_us() + MOST_SKEW // 4


def test_it_goes_by_the_database_where_this_machine_is_wrong():
    for skew in (HOUR, -HOUR):
        right = clock.now_us() + skew
        now = clock_from(right)
        assert 0 <= now() - right < MOST_SKEW


def test_it_never_goes_backwards():
    now = clock_from(clock.now_us())
    seen = [now() for _ in range(1000)]
    assert seen == sorted(seen)
