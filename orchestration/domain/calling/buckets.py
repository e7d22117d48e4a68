"""What may be spent: tokens of a rate, retries of a budget, places of a concurrency limit. All O(1)."""

from __future__ import annotations

from typing import Protocol

from .policy import SECOND, Rate, RetryBudget

UNKNOWN_WAIT = 5 * SECOND
_SAME = 1e-9
"""Tokens are fractions; so little less than a whole one is a whole one."""


class Tokens(Protocol):
    """Leave to begin calls."""

    def wait(self, now: int) -> int:
        """Return 0 if a call may begin at `now`, else how long to wait (microseconds)."""

    def take(self) -> None:
        """Spend what one call costs, of which `wait` was 0."""


class TokenBucket:
    """Tokens that come back with time: `per_second` of them, at most `burst`. It starts full."""

    __slots__ = ("_at", "_burst", "_per_second", "_tokens")

    def __init__(self, rate: Rate) -> None:
        self._per_second = rate.per_second
        self._burst = float(rate.burst)
        self._tokens = self._burst
        self._at: int | None = None

    def wait(self, now: int) -> int:
        """Return 0 if there is a token at `now`, else when there will be one (microseconds from now)."""
        if self._at is not None and now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second / SECOND)
        self._at = now if self._at is None else max(now, self._at)
        if self._tokens >= 1 - _SAME:
            return 0
        return max(1, round((1 - self._tokens) * SECOND / self._per_second))

    def take(self) -> None:
        """Spend one token."""
        self._tokens -= 1


class GrantedTokens:
    """Tokens that somebody hands out in batches, each good until an instant: leave that several processes share."""

    __slots__ = ("_per_second", "_tokens", "_until")

    def __init__(self, rate: Rate) -> None:
        self._per_second = rate.per_second
        self._tokens = 0
        self._until = 0

    def grant(self, tokens: int, *, until: int) -> None:
        """Put `tokens` in, good until `until`; what is left of the batch before is as good."""
        self._tokens += tokens
        self._until = until

    def wait(self, now: int) -> int:
        """Return 0 if there is a token at `now`, else how long one takes to come (microseconds)."""
        if self._tokens and now < self._until:
            return 0
        self._tokens = 0
        return max(1, round(SECOND / self._per_second))

    def take(self) -> None:
        """Spend one token."""
        self._tokens -= 1


class Retries:
    """The retry budget: every success puts `ratio` retries in, every second `minimum_per_second`, at most `cap`.

    It starts full. After Finagle's budget (https://finagle.github.io/blog/2016/02/08/retry-budgets), filled by
    successes rather than by calls: a service that answers nothing pays for no retries beyond the minimum.
    """

    __slots__ = ("_at", "_policy", "_tokens")

    def __init__(self, policy: RetryBudget) -> None:
        self._policy = policy
        self._tokens = policy.cap
        self._at: int | None = None

    def succeeded(self) -> None:
        """Put in what one success pays for."""
        self._tokens = min(self._policy.cap, self._tokens + self._policy.ratio)

    def wait(self, now: int) -> int:
        """Return 0 if a retry may be made at `now`, else how long to wait (microseconds)."""
        policy = self._policy
        if not policy.enabled:
            return 0
        if self._at is not None and now > self._at:
            self._tokens = min(policy.cap, self._tokens + (now - self._at) * policy.minimum_per_second / SECOND)
        self._at = now if self._at is None else max(now, self._at)
        if self._tokens >= 1 - _SAME:
            return 0
        if not policy.minimum_per_second:
            return UNKNOWN_WAIT
        return max(1, round((1 - self._tokens) * SECOND / policy.minimum_per_second))

    def take(self) -> None:
        """Spend one retry."""
        if self._policy.enabled:
            self._tokens -= 1


FOR_EVER = 1 << 62


class Places:
    """Calls under way beside how many may be, until an instant; `allowed` None is any number."""

    __slots__ = ("allowed", "taken", "until")

    def __init__(self, allowed: int | None) -> None:
        self.allowed = allowed
        self.taken = 0
        self.until = FOR_EVER

    def is_free(self, now: int) -> bool:
        """Say whether one more call may be under way."""
        return self.allowed is None or (self.taken < self.allowed and now < self.until)
