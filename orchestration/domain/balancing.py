"""Which instance of a service is called. Pure: turns and chance are the caller's.

Those that may be called are narrowed first (`usable`, `narrowed`), then one is chosen: in turn, the one with the fewest
calls under way, or the better of two that chance names. The last goes by what an instance did of late (`Load`): two
choices are nearly as good as looking at all, and unlike "the best of all" do not send everybody to the same one
(Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from .health import UNHEALTHY
from .lifecycle import ACTIVE

WEIGHT = 0.2
"""How much the latest answer counts in what an instance did of late."""

HALF_LIFE = 10_000_000
"""Microseconds in which what is known of an instance loses half of its weight, so that a slow one is tried again."""

_LEAST_LATENCY = 1_000.0
_ERRORS_WEIGH = 10.0


class Candidate(Protocol):
    """What is asked of an instance: its `status` and its `health`."""

    @property
    def status(self) -> str:
        """Return `active`, `inactive` or `draining`."""

    @property
    def health(self) -> str:
        """Return `healthy`, `unhealthy` or `unknown`."""


class Described(Candidate, Protocol):
    """What is asked of an instance beside: what it is and where."""

    @property
    def tags(self) -> Sequence[str]:
        """Return its tags."""

    @property
    def version(self) -> str:
        """Return its version, empty if it told none."""

    @property
    def locality(self) -> str:
        """Return where it is, empty if it told nothing."""


class Load:
    """What one process knows of how an instance does: calls under way, latency, errors, failures in a row.

    `latency` is microseconds, `errors` a share; both are moving averages in which the latest answer counts `WEIGHT`.
    `out_until` is until when it gets nothing, `told_at` when it was told last that its calls fail.
    """

    __slots__ = ("at", "errors", "failures", "latency", "out_until", "since", "told_at", "under_way")

    def __init__(self) -> None:
        self.under_way = 0
        self.latency = 0.0
        self.errors = 0.0
        self.failures = 0
        self.at = 0
        self.since = 0
        self.out_until = 0
        self.told_at = 0

    def begun(self, now: int) -> None:
        """Count a call that begins."""
        if not self.under_way:
            self.since = now
        self.under_way += 1

    def ended(self, *, failed: bool | None, took: int, now: int) -> None:
        """Count a call that ended after `took` microseconds; `failed` None: it says nothing."""
        self.under_way -= 1
        if failed is None:
            return
        self.latency = took if not self.at else self.latency + WEIGHT * (took - self.latency)
        self.errors += WEIGHT * (failed - self.errors)
        self.failures = self.failures + 1 if failed else 0
        self.at = self.since = now

    def cost(self, now: int) -> float:
        """Return what one more call costs here: the latency to be expected, dearer for calls under way and errors.

        That nothing was answered since the calls under way began, or since the last answer, is a latency too.
        """
        silent = now - self.since if self.under_way else 0
        fresh: float = 0.5 ** (max(0, now - self.at) / HALF_LIFE)
        expected = max(_LEAST_LATENCY, self.latency * fresh, silent) * (self.under_way + 1)
        return expected * (1 + _ERRORS_WEIGH * self.errors * fresh)


C = TypeVar("C", bound=Candidate)
D = TypeVar("D", bound=Described)
T = TypeVar("T")


def usable(candidates: Iterable[C]) -> tuple[C, ...]:
    """Return, in their order, those that may be called: active, and not proven unhealthy."""
    return tuple(each for each in candidates if each.status == ACTIVE and each.health != UNHEALTHY)


def narrowed(
    candidates: Iterable[D], *, tags: Iterable[str] = (), version: str = "", locality: str = ""
) -> tuple[D, ...]:
    """Return the usable ones with all of `tags` and of `version`, where there is such a word.

    Of these those in `locality` if there are any, else all of them.
    """
    wanted = frozenset(tags)
    fitting = tuple(
        each for each in usable(candidates) if wanted <= frozenset(each.tags) and version in ("", each.version)
    )
    near = tuple(each for each in fitting if each.locality == locality) if locality else ()
    return near or fitting


def in_turn(candidates: Sequence[T], index: int) -> T | None:
    """Return the one whose turn it is at `index` (0, 1, 2 …), or None if there is none."""
    if not candidates:
        return None
    return candidates[index % len(candidates)]


def least_loaded(candidates: Sequence[T], under_way: Callable[[T], int], index: int) -> T | None:
    """Return the one with the fewest calls under way; among equals the one whose turn it is at `index`."""
    count = len(candidates)
    if not count:
        return None
    start = index % count
    best, fewest = start, under_way(candidates[start])
    for step in range(1, count):
        if not fewest:
            break
        place = (start + step) % count
        load = under_way(candidates[place])
        if load < fewest:
            best, fewest = place, load
    return candidates[best]


def better_of_two(candidates: Sequence[T], cost: Callable[[T], float], chance: float) -> T | None:
    """Return the cheaper of two different ones that `chance`, from 0 to below 1, names; None if there is none."""
    count = len(candidates)
    if count < 2:
        return candidates[0] if count else None
    drawn = int(chance * count * (count - 1))
    first, second = divmod(min(drawn, count * (count - 1) - 1), count - 1)
    # The second is drawn from all but the first.
    second += second >= first
    one, other = candidates[first], candidates[second]
    return other if cost(other) < cost(one) else one


def left_out(loads: Iterable[Load], now: int) -> int:
    """Return how many are left out at `now` because their calls failed."""
    return sum(load.out_until > now for load in loads)
