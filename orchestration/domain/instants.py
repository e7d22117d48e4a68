"""Instants as text: whole microseconds since the Unix epoch on our side, RFC 3339 on the other."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from .limits import MICROSECONDS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$",
    re.ASCII,
)


def to_datetime(instant: int) -> datetime:
    """Return the instant as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=instant)


def from_datetime(moment: datetime) -> int:
    """Return an aware datetime as an instant; a naive one raises ValueError."""
    if moment.tzinfo is None:
        raise ValueError("a timestamp needs a time zone")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def format_instant(instant: int) -> str:
    """Return RFC 3339 text in UTC, with as many fractional digits as are needed."""
    moment = to_datetime(instant)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") if moment.year >= 1000 else moment.isoformat()[:19]
    part = instant % MICROSECONDS
    return f"{text}.{part:06d}".rstrip("0") + "Z" if part else f"{text}Z"


def parse_instant(text: str) -> int:
    """Return the instant that an RFC 3339 text names; anything else raises ValueError."""
    if not _RFC3339.match(text):
        raise ValueError(f"{text[:40]!r} is no timestamp such as 2030-01-31T12:00:00Z")
    try:
        return from_datetime(datetime.fromisoformat(text.upper().replace(" ", "T")))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:40]!r} is no timestamp: {error}") from None
