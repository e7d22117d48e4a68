"""How a limit is divided among the processes that call a service: places of a concurrency limit, tokens of a rate.

The arithmetic of one row that all of them see; whoever applies it holds that row, so that shares are given one after
the other. Never given: more places than the limit has, more tokens than the rate and its burst allow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .policy import SECOND, Rate


@dataclass(frozen=True, slots=True)
class Share:
    """What one process holds: `places`, and how many it `wanted` when it asked last."""

    places: int
    wanted: int


def places_for(wanted: int, *, held: int, limit: int, others: Iterable[Share]) -> int:
    """Return how many of `limit` places a process may use from now on that wants `wanted` and holds `held`.

    What others hold is not there until they give it back. When more are wanted than there are, each may have a share by
    what it wants, rounded down; what is over goes to whoever asks, but is given up again, with the next asking, where
    somebody has none at all: so that of three processes and one place each has its turn.
    """
    others = tuple(others)
    free = max(0, limit - sum(each.places for each in others))
    total = wanted + sum(each.wanted for each in others)
    if total <= limit:
        return min(wanted, free)
    share = limit * wanted // total
    if held > share and any(each.wanted and not each.places for each in others):
        return min(share, free)
    owed = sum(max(0, limit * each.wanted // total - each.places) for each in others)
    return min(max(share, free - owed), wanted, free)


def tokens_for(wanted: int, rate: Rate, *, due_at: int, now: int) -> tuple[int, int, int]:
    """Return how many of `wanted` calls may begin, the new `due_at`, and when to ask again (microseconds from now).

    `due_at` is when the bucket will be full again (the theoretical arrival time of the generic cell rate algorithm,
    ITU-T I.371): every call moves it on by one interval, and it may lie `burst` intervals ahead at most.
    """
    interval = SECOND / rate.per_second
    due_at = max(due_at, now)
    room = int((now + rate.burst * interval - due_at) / interval + 1e-9)
    tokens = max(0, min(wanted, room))
    due_at += round(tokens * interval)
    wait = max(0, round(due_at + interval - rate.burst * interval - now))
    return tokens, due_at, wait
