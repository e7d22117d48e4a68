"""The one file that reads a clock.

Wall time never goes backwards within a process: a clock that is set back stands still until it has caught up. Time
between two things is measured with `monotonic`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_latest = 0


def now_us() -> int:
    """Return the instant now: microseconds since the Unix epoch (UTC), never less than before in this process."""
    global _latest  # noqa: PLW0603 - the one clock of the process
    now = time.time_ns() // 1000
    _latest = max(_latest, now)
    return _latest


def now() -> datetime:
    """Return the instant now as an aware datetime in UTC."""
    return to_datetime(now_us())


def monotonic() -> float:
    """Return seconds of a clock that nobody sets, for measuring how long something takes."""
    return time.monotonic()


def to_datetime(instant: int) -> datetime:
    """Return an instant in microseconds as an aware datetime in UTC."""
    return EPOCH + timedelta(microseconds=instant)


def to_us(instant: datetime) -> int:
    """Return an aware datetime as microseconds since the Unix epoch."""
    return (instant - EPOCH) // MICROSECOND
