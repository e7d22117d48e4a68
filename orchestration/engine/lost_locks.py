"""Shifts without their advisory lock: how a process that is no more is told from a connection that just broke."""

from __future__ import annotations

from collections.abc import Callable, Iterable

# Less than a sweep, so that the second look after the death finds it, and more than two looks in quick succession.
UNLOCKED_SECONDS = 0.9


class LostLocks:
    """Remembers since when which shift has been seen without its lock, by a clock that nobody sets (seconds)."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since: dict[int, float] = {}

    def dead(self, found: Iterable[tuple[int, bool, bool]]) -> list[int]:
        """Return the shifts that are dead, of (id, surely dead, without its lock) of all that are awake.

        A moment without the lock may be a shift that has just begun, or a connection that is just being opened anew.
        """
        now = self._monotonic()
        shifts = list(found)
        self._since = {shift_id: self._since.get(shift_id, now) for shift_id, _, unlocked in shifts if unlocked}
        lost = {shift_id for shift_id, since in self._since.items() if now - since >= UNLOCKED_SECONDS}
        return [shift_id for shift_id, surely, _ in shifts if surely or shift_id in lost]
