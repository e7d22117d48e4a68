"""The circuit breaker: a service that fails is left alone for a while, then one call tries whether it is well again.

Always true: in `closed` every call passes; in `open` none does until `until`; after that one call, the trial, passes,
and no other until it is answered or `trial_until` is over (whoever made it died with it). A good answer to the trial
closes the circuit, a bad one opens it for twice as long as the last time. Answers to calls that began before the
circuit opened say nothing any more.

Several processes may share a circuit: `Verdict` is what they share. Every change raises `number`; a process takes over
a verdict with a higher number than its own, and makes its own known. Which of two changes with the same number stands
is the store's business, as is who gets the trial.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .policy import SECOND, Breaker
from .window import Window

CLOSED = "closed"
OPEN = "open"
HALF_OPEN = "half-open"

TRIAL_TIME = 60 * SECOND
"""How long the one trial may go unanswered before another is made."""

SOONEST = SECOND
"""When to ask again while a trial is under way."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all processes hold of a circuit. Instants are microseconds.

    `openings` counts openings in a row; `recovered_at` is when it was closed last, 0 if it never was open.
    """

    number: int = 0
    state: str = CLOSED
    until: int = 0
    openings: int = 0
    trial_until: int = 0
    recovered_at: int = 0


FIRST = Verdict()


class Circuit:
    """The circuit of one service as one process sees it."""

    __slots__ = ("_policy", "verdict", "window")

    def __init__(self, policy: Breaker, verdict: Verdict = FIRST) -> None:
        self._policy = policy
        self.window = Window(policy.window)
        self.verdict = verdict

    def wait(self, now: int) -> int:
        """Return 0 if a call may pass at `now` (in `half-open` as the trial), else how long to wait (microseconds)."""
        verdict = self.verdict
        if verdict.state == CLOSED or not self._policy.enabled:
            return 0
        if now < verdict.until:
            return verdict.until - now
        return SOONEST if now < verdict.trial_until else 0

    def begin(self, now: int, *, trial_time: int = TRIAL_TIME) -> bool:
        """Note that a call passes at `now`, of which `wait` was 0; return whether it is the trial."""
        if self.verdict.state == CLOSED or not self._policy.enabled:
            return False
        self.verdict = self._next(state=HALF_OPEN, trial_until=now + trial_time)
        return True

    def abandon_trial(self) -> None:
        """Let another call be the trial: this one was not made, or nobody heard its answer."""
        if self.verdict.state == HALF_OPEN:
            self.verdict = self._next(trial_until=0)

    def answered(self, *, failed: bool, trial: bool, now: int) -> bool:
        """Take in how a call ended; return whether the circuit changed."""
        if not self._policy.enabled:
            return False
        if trial:
            return self._tried(failed=failed, now=now)
        if self.verdict.state != CLOSED:
            return False
        self.window.add(failed=failed, now=now)
        if not failed or self.window.calls < self._policy.minimum_calls or self.window.share < self._policy.failures:
            return False
        self._open(now)
        return True

    def adopt(self, verdict: Verdict, now: int) -> bool:
        """Take over what another process found, unless this one knows better; return whether it did.

        Its instants are another host's clock, which may be wrong: none is believed that no circuit could have at `now`.
        """
        if verdict.number <= self.verdict.number:
            return False
        if verdict.state == CLOSED and self.verdict.state != CLOSED:
            self.window.clear()
        self.verdict = replace(
            verdict,
            until=min(verdict.until, now + self._policy.open_at_most),
            trial_until=min(verdict.trial_until, now + TRIAL_TIME),
            recovered_at=min(verdict.recovered_at, now),
        )
        return True

    def _tried(self, *, failed: bool, now: int) -> bool:
        if self.verdict.state != HALF_OPEN:
            return False
        if failed:
            self._open(now)
            return True
        self.window.clear()
        self.verdict = self._next(state=CLOSED, until=0, trial_until=0, recovered_at=now)
        return True

    def _open(self, now: int) -> None:
        policy, verdict = self._policy, self.verdict
        # One that stayed closed for a while begins anew; one that broke again at once goes on doubling.
        again = verdict.state != CLOSED or (verdict.recovered_at and now - verdict.recovered_at < policy.window)
        openings = verdict.openings + 1 if again else 1
        time = min(policy.open_for << min(openings - 1, 30), policy.open_at_most)
        self.verdict = self._next(state=OPEN, until=now + time, openings=openings, trial_until=0)

    def _next(self, **changes: object) -> Verdict:
        return replace(self.verdict, number=self.verdict.number + 1, **changes)  # type: ignore[arg-type]
