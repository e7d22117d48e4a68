"""When an instance counts as healthy: only after several answers in a row that say so, in either direction.

A single answer proves little: a service that flaps would turn its instance with every check. So a state changes only
after `rise` good or `fall` bad answers in a row, and a newcomer is `unknown`, which counts as usable, until one of the
two is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEALTHY = "healthy"
UNHEALTHY = "unhealthy"
UNKNOWN = "unknown"

HEALTH_STATES = (HEALTHY, UNHEALTHY, UNKNOWN)
CONFIRM_SOONER = 5


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many answers in a row change the state: `rise` good ones to healthy, `fall` bad ones to unhealthy."""

    rise: int = 2
    fall: int = 3


@dataclass(frozen=True, slots=True)
class Health:
    """A state and the answers in a row that were heard last: `row` counts good ones upwards, bad ones downwards.

    `row` stops at the thresholds, so that an instance whose state is settled is the same after every further answer.
    """

    state: str = UNKNOWN
    row: int = 0


def judge(health: Health, *, passed: bool, thresholds: Thresholds) -> Health:
    """Return the health after one more answer, good if `passed`."""
    if passed:
        row = min(max(health.row, 0) + 1, thresholds.rise)
        return Health(HEALTHY if row >= thresholds.rise else health.state, row)
    row = max(min(health.row, 0) - 1, -thresholds.fall)
    return Health(UNHEALTHY if row <= -thresholds.fall else health.state, row)


def too_many_at_once(wrong: int, of: int, *, least: int) -> bool:
    """Say whether so many look wrong at once that the fault is more likely with the one who looks.

    That is more than half, and `least` in number: of one or two, all fail often enough by themselves.
    """
    return wrong >= least and 2 * wrong > of


def held(before: Health, after: Health, thresholds: Thresholds) -> Health:
    """Return `after` one bad answer short of being unhealthy, for one who looks and does not trust what it sees."""
    return after if after.state == before.state else Health(before.state, min(-(thresholds.fall - 1), 0))


SPREAD, FIRST_SPREAD = 0.1, 0.5


def next_check(*, now: int, interval: int, chance: float, first: bool = False) -> int:
    """Return the instant of the next check (microseconds), for checks that are `interval` microseconds apart.

    `chance`, from 0 to 1, moves it by up to a tenth to either side, so that instances that were checked together once
    are not for ever; after the `first` check by up to half, so that those that came together are spread at once.
    """
    spread = FIRST_SPREAD if first else SPREAD
    return now + round(interval * (1 - spread + 2 * spread * chance))


def spread_over(*, now: int, interval: int, chance: float) -> int:
    """Return an instant within an interval of `now` (microseconds): for checks that are all to be moved into it."""
    return now + round(interval * chance)


def confirming_check(health: Health, *, now: int, interval: int) -> int | None:
    """Return the instant of the next check of a newcomer that has just answered well, None for every other.

    It is confirmed sooner than others are asked; one that does not answer yet gets the time that it needs to come up.
    """
    return now + interval // CONFIRM_SOONER if health.state == UNKNOWN and health.row > 0 else None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which the health was the same: where it begins and how long it is, in parts of the whole (0 to 1)."""

    begins: float
    length: float
    state: str


def stretches(changes: Sequence[tuple[int, str]], *, begin: int, end: int) -> tuple[Stretch, ...]:
    """Return the stretches of health between two instants, from its changes (instant, state) in their order.

    Before the first change the health was `unknown`. Without any time between the instants there are none.
    """
    if end <= begin:
        return ()
    marks = [(begin, UNKNOWN)]
    for at, state in changes:
        if at > end:
            break
        since = marks.pop()[0] if at <= marks[-1][0] else at
        if not marks or state != marks[-1][1]:
            marks.append((since, state))
    ends = [at for at, _ in marks[1:]] + [end]
    whole = end - begin
    return tuple(
        Stretch((at - begin) / whole, (until - at) / whole, state)
        for (at, state), until in zip(marks, ends, strict=True)
        if until > at
    )
