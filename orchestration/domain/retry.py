"""When, and whether at all, a failed attempt is made again. Pure arithmetic over the policy; rules of WORKFLOWS.md."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import StepError

WORKER_LOST = "worker_lost"
RETRYABLE = frozenset(
    {
        "timeout",
        "connection",
        "http_408",
        "http_425",
        "http_429",
        "no_healthy_instance",
        "circuit_open",
        "resources_unavailable",
        WORKER_LOST,
    }
)
"""Codes that are retried where neither the definition nor the service says otherwise; every `http_5xx` too."""

_PERHAPS_DONE = frozenset({"timeout", "connection"})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a step is tried again. Durations are microseconds; `jitter` is a fraction of the wait.

    `max_attempts` None means the platform's default; `full` replaces `jitter` by a draw from the whole wait.
    """

    max_attempts: int | None
    delay: int
    backoff: str
    multiplier: float
    max_delay: int
    jitter: float
    full: bool = False
    deadline: int | None = None
    on: frozenset[str] | None = None
    never: frozenset[str] = frozenset()


def is_retryable(policy: RetryPolicy, error: StepError, *, at_most_once: bool = False) -> bool:
    """Tell whether the error may be tried again: `never` over `on`, over the service's word, over the default."""
    code = error.code
    if code in policy.never:
        return False
    if policy.on is not None:
        return code in policy.on
    if error.retryable is not None:
        return error.retryable
    if at_most_once and code in _PERHAPS_DONE:
        return False
    return code in RETRYABLE or (len(code) == 8 and code.startswith("http_5") and code[6:].isdigit())


def wait_after(policy: RetryPolicy, failed_attempt: int, draw: float) -> int:
    """Return how long to wait after the n-th failed attempt (n from 1), with `draw` in [0, 1) for the jitter.

    fixed: delay; linear: delay × n; exponential: delay × multiplier^(n-1). Capped, jittered, capped again.
    """
    base = float(policy.delay)
    if policy.backoff == "linear":
        base *= failed_attempt
    elif policy.backoff == "exponential":
        try:
            base *= policy.multiplier ** (failed_attempt - 1)
        except OverflowError:
            base = float(policy.max_delay)
    wait = min(base, policy.max_delay)
    if policy.full:
        wait *= draw
    elif policy.jitter:
        wait *= 1 - policy.jitter + 2 * policy.jitter * draw
    return round(min(wait, policy.max_delay))


def next_attempt_at(
    policy: RetryPolicy,
    *,
    failed_attempt: int,
    max_attempts: int,
    first_started_at: int,
    now: int,
    draw: float,
    retry_after: int | None = None,
) -> int | None:
    """Return the instant of the next attempt after a retryable failure, None where there is none any more.

    A service's `retry_after` may exceed `max_delay` but never the policy's deadline, which bounds when an attempt
    starts, counted from the start of the first.
    """
    if failed_attempt >= max_attempts:
        return None
    due = now + max(wait_after(policy, failed_attempt, draw), retry_after or 0)
    if policy.deadline is not None and due > first_started_at + policy.deadline:
        return None
    return due
