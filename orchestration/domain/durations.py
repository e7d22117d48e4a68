"""Durations as authors write them (`1h30m`, a number of seconds) and as the domain counts them: microseconds."""

from __future__ import annotations

import math
import re

MAX_DURATION = 365_250 * 86_400 * 1_000_000
"""A thousand years: nothing may wait longer, so that an instant plus a duration is always a date."""

_UNITS = (
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
)
_DURATION = re.compile("".join(rf"(?:([0-9]{{1,18}}){unit}(?![a-z]))?" for unit, _ in _UNITS))


def parse_duration(value: object) -> int:
    """Return the microseconds of a duration text or of a number of seconds.

    Raise ValueError with a sentence for anything else: a negative number, a bool, a text without a unit.
    """
    if isinstance(value, str):
        microseconds = _parse_text(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a duration is a text like 250ms, 30s or 1h30m, or a number of seconds")
    elif not math.isfinite(value) or value < 0:
        raise ValueError("a duration is a finite number of seconds that is not negative")
    else:
        # Held against the most before it is multiplied: a float near its own end would become infinite.
        microseconds = round(value * 1_000_000) if value <= MAX_DURATION / 1_000_000 else MAX_DURATION + 1
    if microseconds > MAX_DURATION:
        raise ValueError("a duration is at most 365250d")
    return microseconds


def _parse_text(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(
            "a duration is whole numbers with the units d, h, m, s, ms, us, from large to small, each once: 1h30m"
        )
    return sum(int(number) * factor for number, (_, factor) in zip(match.groups(), _UNITS, strict=True) if number)


def format_duration(us: int) -> str:
    """Return microseconds as a duration text, largest unit first and without zero parts: `1m30s`, `100ms`, `0s`.

    A negative duration, which only arithmetic gives, has a minus sign in front.
    """
    if us == 0:
        return "0s"
    parts = ["-"] if us < 0 else []
    rest = abs(us)
    for unit, factor in _UNITS:
        count, rest = divmod(rest, factor)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
