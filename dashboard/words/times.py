"""Durations and instants in words. Instants are microseconds since the epoch, as everywhere below the pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MILLISECOND = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def micros(value: datetime | None) -> int | None:
    """Return an aware datetime in microseconds since the epoch."""
    if value is None:
        return None
    delta = value - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def moment_of(us: int) -> datetime:
    """Return an instant as an aware datetime."""
    return datetime.fromtimestamp(us // SECOND, tz=UTC) + timedelta(microseconds=us % SECOND)


def duration_words(us: int) -> str:
    """Say how long something took: `350 ms`, `2.1 s`, `1 min 10 s`, `2 h 5 min`, `3 d 4 h`."""
    us = max(0, us)
    if us < SECOND - 500:
        return f"{round(us / MILLISECOND)} ms"
    if us < MINUTE - SECOND // 20:
        return f"{us / SECOND:.1f} s"
    return elapsed_words(us)


def elapsed_words(us: int) -> str:
    """Say how long something lasts by now, in whole seconds; live.js says the same, second by second."""
    seconds = max(0, us) // SECOND
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def countdown_words(us: int) -> str:
    """Say when something is due: `in 6 s`, `now`."""
    return f"in {elapsed_words(us + SECOND - 1)}" if us > 0 else "now"


_STEPS = (1, 2, 5, 10, 15, 20, 30)
_SCALES = sorted(
    [base * factor for base in (SECOND, MINUTE) for factor in (*_STEPS, 45)]
    + [HOUR * factor for factor in (1, 2, 3, 6, 12)]
    + [DAY * factor for factor in (1, 2, 3, 7, 14, 30, 60, 120, 365)]
    + [100 * MILLISECOND, 200 * MILLISECOND, 500 * MILLISECOND]
)


def round_scale(us: int) -> int:
    """Return the next round length of time that holds `us`, so that a growing timeline is redrawn rarely."""
    return next((scale for scale in _SCALES if scale >= us), max(us, 1))
