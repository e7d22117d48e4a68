"""How calls went of late: counts over a sliding window, kept in buckets, so that both adding and asking are O(1)."""

from __future__ import annotations

BUCKETS = 10


class Window:
    """Calls and failures of the last `length` microseconds, to within a tenth of it."""

    __slots__ = ("_bucket", "_calls", "_failures", "_now", "calls", "failures")

    def __init__(self, length: int) -> None:
        self._bucket = max(1, length // BUCKETS)
        self.clear()

    def clear(self) -> None:
        """Forget every call."""
        self._calls = [0] * BUCKETS
        self._failures = [0] * BUCKETS
        self._now = 0
        self.calls = self.failures = 0

    def add(self, *, failed: bool, now: int) -> None:
        """Count one call that ended at `now`."""
        self.advance(now)
        place = self._now % BUCKETS
        self._calls[place] += 1
        self.calls += 1
        if failed:
            self._failures[place] += 1
            self.failures += 1

    def advance(self, now: int) -> None:
        """Forget what is older than the window at `now`. A clock that went back forgets nothing."""
        current = now // self._bucket
        gone = current - self._now
        if gone <= 0:
            return
        if gone >= BUCKETS:
            self.clear()
        else:
            for number in range(self._now + 1, current + 1):
                place = number % BUCKETS
                self.calls -= self._calls[place]
                self.failures -= self._failures[place]
                self._calls[place] = self._failures[place] = 0
        self._now = current

    @property
    def share(self) -> float:
        """Return the share of the calls that failed, 0 where there are none."""
        return self.failures / self.calls if self.calls else 0.0
