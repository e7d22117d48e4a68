"""How much a team or a service may have of each resource in a period.

Periods are fixed windows, aligned to the period: window k begins k periods after 1970-01-01T00:00:00Z, so a period of
24 h is a day in UTC. An allocation counts with its whole amount in the window in which it is granted and in each later
one in which it is still held. Giving back does not refund: what was granted in a window counts until its end, so a
quota cannot be had twice by asking for it piece by piece. So in every window

    used = granted in it + held since before it,   remaining = max(0, limit - used),

and an amount may be granted where used + amount <= limit in every resource that the quota limits. What is granted
already stays when a limit is lowered below it; nothing new is granted then until there is room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import InvariantViolated
from ..instants import format_instant
from .vector import NOTHING, RESOURCES, Capacity, told

TEAM = "team"
SERVICE = "service"
KINDS = (TEAM, SERVICE)

EXCEEDED = "quota.exceeded"


@dataclass(frozen=True, slots=True)
class Quota:
    """What `owner` (a team or a service, as `kind` says) may have per `period` (microseconds).

    `limits` is an amount per resource; a resource that is not in it is not limited.
    """

    kind: str
    owner: str
    period: int
    limits: Mapping[str, int]

    def __post_init__(self) -> None:
        unknown = [each for each in self.limits if each not in RESOURCES]
        if self.kind not in KINDS or self.period <= 0 or unknown or any(each < 0 for each in self.limits.values()):
            said = f"a quota is of a {' or a '.join(KINDS)}, over a period above 0, with limits of {RESOURCES}: {self}"
            raise InvariantViolated(said)


@dataclass(frozen=True, slots=True)
class Usage:
    """What counts against a quota in the window that begins at `begins` (an instant).

    `held` is held now, whenever it was granted; `returned` was held in this window and given back in it.
    """

    begins: int
    held: Capacity = NOTHING
    returned: Capacity = NOTHING

    @property
    def used(self) -> Capacity:
        """Return all that counts in the window."""
        return self.held + self.returned


@dataclass(frozen=True, slots=True)
class Exceeded:
    """Why an amount may not be granted: the first resource that it would exceed, and when it would fit.

    `fits_at` is the end of the window if what is held by then leaves room; None: only when something held is returned,
    or (`ever` False) never, since the amount is above the limit by itself.
    """

    quota: Quota
    resource: str
    limit: int
    used: int
    asked: int
    fits_at: int | None
    ever: bool

    code = EXCEEDED

    @property
    def message(self) -> str:
        """Return the reason as a sentence."""
        limit, used, asked = (told(self.resource, each) for each in (self.limit, self.used, self.asked))
        said = (
            f"the quota of {self.quota.kind} {self.quota.owner} is {self.resource} {limit} per period; "
            f"{used} of it is used, {asked} was asked for"
        )
        if not self.ever:
            return f"{said}: that is more than the quota, it never fits"
        if self.fits_at is None:
            return f"{said}: it fits when something that is held has been returned"
        return f"{said}: it fits from {format_instant(self.fits_at)}"


def window_begins(period: int, now: int) -> int:
    """Return the instant at which the window of `now` began."""
    return now - now % period


def window_ends(period: int, now: int) -> int:
    """Return the instant at which the window of `now` ends and the next one begins."""
    return window_begins(period, now) + period


def usage_at(quota: Quota, usage: Usage, now: int) -> Usage:
    """Return the usage as it is at `now`: in a later window than its own, only what is still held counts.

    Raises InvariantViolated for an instant before the usage's window.
    """
    begins = window_begins(quota.period, now)
    if begins < usage.begins:
        said = f"usage since {format_instant(usage.begins)} is not that of {format_instant(now)}"
        raise InvariantViolated(said)
    return usage if begins == usage.begins else Usage(begins, usage.held)


def remaining(quota: Quota, usage: Usage, now: int) -> dict[str, int]:
    """Return what may still be granted in the window of `now`, per limited resource; 0 where too much is used."""
    used = usage_at(quota, usage, now).used
    return {name: max(0, limit - getattr(used, name)) for name, limit in quota.limits.items()}


def over_committed(quota: Quota, usage: Usage, now: int) -> dict[str, int]:
    """Return by how much more is used than the limit, per resource of which it is: the limit was lowered."""
    used = usage_at(quota, usage, now).used
    over = {name: getattr(used, name) - limit for name, limit in quota.limits.items()}
    return {name: amount for name, amount in over.items() if amount > 0}


def would_exceed(quota: Quota, usage: Usage, asked: Capacity, now: int) -> Exceeded | None:
    """Return why `asked` may not be granted at `now`, None if it may.

    What needs nothing of a resource never exceeds it. Of several resources that are exceeded, the one that keeps it
    waiting longest is told.
    """
    current = usage_at(quota, usage, now)
    found = [
        exceeded
        for name in RESOURCES
        if (exceeded := _exceeded(quota, current, name, getattr(asked, name), now)) is not None
    ]
    return max(found, key=_waits, default=None)


def granted(quota: Quota, usage: Usage, amount: Capacity, now: int) -> Usage:
    """Return the usage once `amount` was granted; the caller has asked `would_exceed`."""
    current = usage_at(quota, usage, now)
    return replace(current, held=current.held + amount)


def returned(quota: Quota, usage: Usage, amount: Capacity, now: int) -> Usage:
    """Return the usage once `amount` was given back. Raises InvariantViolated for more than is held."""
    current = usage_at(quota, usage, now)
    return replace(current, held=current.held - amount, returned=current.returned + amount)


def _exceeded(quota: Quota, current: Usage, name: str, asked: int, now: int) -> Exceeded | None:
    limit = quota.limits.get(name)
    used = getattr(current.used, name)
    if limit is None or not asked or used + asked <= limit:
        return None
    later = getattr(current.held, name) + asked <= limit
    fits_at = window_ends(quota.period, now) if later else None
    return Exceeded(quota, name, limit, used, asked, fits_at, ever=asked <= limit)


def _waits(exceeded: Exceeded) -> tuple[bool, bool]:
    return not exceeded.ever, exceeded.fits_at is None
