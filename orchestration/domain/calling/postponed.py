"""A call that is not made just now, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Postponed:
    """The call was not made: the service may not be called just now, for `reason`, one of `postponement.REASONS`.

    Nothing left this process, so the attempt is still to be made. `message` is for people; `after` is in how many
    microseconds it makes sense to ask again (None: nobody knows).
    """

    reason: str
    message: str
    after: int | None = None
