"""A service that has just recovered gets its load back little by little.

While it was away calls gathered, and all of them at once would fell it again, or keep it just so busy that none is
answered in time. So calls begin at a rate that grows within T from a tenth of the usual rate u to all of it; then,
while more still wait, by a twentieth of u each T, and falls by a tenth with every failure, not below a tenth of u
(additive increase, multiplicative decrease: Chiu and Jain, 1989). The first handful goes through at once: it is where
little waits that people wait for it. The ramp ends when for a T nobody had to wait.
"""

from __future__ import annotations

from .policy import SECOND, Ramp

FIRST_SHARE = 0.1
GROWTH_BEYOND = 0.05
DECREASE = 0.9
LEAST_USUAL = 50.0
"""Calls a second below which a service counts as this busy: so few need no ramp."""

BURST = 5.0


class SlowStart:
    """The ramp of one service after its last recovery."""

    __slots__ = ("_at", "_over", "_rate", "_tokens", "_usual", "_waited_at", "active")

    def __init__(self, ramp: Ramp) -> None:
        self._over = ramp.over
        self.active = False
        self._usual = self._rate = LEAST_USUAL
        self._tokens = 0.0
        self._at = self._waited_at = 0

    def begin(self, now: int, *, usual_per_second: float) -> None:
        """Start at `now` for a service that usually gets so many calls a second."""
        self._usual = max(LEAST_USUAL, usual_per_second)
        self._rate = FIRST_SHARE * self._usual
        self._tokens = BURST
        self._at = self._waited_at = now
        self.active = self._over > 0

    def wait(self, now: int) -> int:
        """Return 0 if a call may begin at `now`, else how long to wait (microseconds)."""
        if not self.active:
            return 0
        self._pass(now)
        if self._rate >= self._usual and now - self._waited_at >= self._over:
            self.active = False
            return 0
        if self._tokens >= 1:
            return 0
        self._waited_at = now
        return max(1, round((1 - self._tokens) * SECOND / self._rate))

    def take(self) -> None:
        """Count a call that begins."""
        if self.active:
            self._tokens -= 1

    def failed(self) -> None:
        """Take in that a call failed."""
        if self.active:
            self._rate = max(FIRST_SHARE * self._usual, self._rate * DECREASE)

    @property
    def between(self) -> int:
        """Return how far apart calls begin now (microseconds)."""
        return round(SECOND / self._rate)

    def _pass(self, now: int) -> None:
        elapsed = max(0, now - self._at)
        self._at = max(now, self._at)
        growth = 1 - FIRST_SHARE if self._rate < self._usual else GROWTH_BEYOND
        self._rate += growth * self._usual * min(elapsed, self._over) / self._over
        self._tokens = min(BURST, self._tokens + self._rate * elapsed / SECOND)
