"""Calls that were not made because their service may not be called just now: why, and when they are asked for again.

A postponed attempt was not made, so it is still to be made: under the same number, with the same input and key. How
long it waits grows from `postponed_first`, doubling each time, to a bound that depends on the reason; what the caller
says in `after` counts where that is longer, up to `postponed_most`. A service that is away and one that is busy are
counted apart, so that what waited long for a service that is back soon gets its turn there. The wait is then drawn
longer by up to a quarter, so that those that were turned away together do not come back together.

What a day costs. A service that is away, or whose circuit is open, is asked for 9 times in the first 9.6 minutes (1 s,
2 s … 256 s, and half of the quarter), and from then on every 5 min 37 s: 264 times in a day. Each time writes two
entries (`step.postponed`, `step.started`) of about 150 bytes: 530 entries and 80 kB a day for one step run. A service
that is there and busy (its limits, its retry budget, its ramp) is asked for every 17 s at the rarest, 10,200 entries in
a day, if in a whole day not one call of this step run were let through.
"""

from __future__ import annotations

from .limits import Defaults

NO_HEALTHY_INSTANCE = "no_healthy_instance"
CIRCUIT_OPEN = "circuit_open"
RETRY_BUDGET = "retry_budget"
CONCURRENCY_LIMIT = "concurrency_limit"
RATE_LIMIT = "rate_limit"
RECOVERING = "recovering"

SENTENCES = {
    NO_HEALTHY_INSTANCE: "waits for a healthy instance of {service}",
    CIRCUIT_OPEN: "the circuit of {service} is open",
    RETRY_BUDGET: "the retry budget of {service} is spent",
    CONCURRENCY_LIMIT: "as many calls of {service} as may be are under way",
    RATE_LIMIT: "{service} was called as often as its rate allows",
    RECOVERING: "{service} is back and takes calls on by and by",
}
"""What each reason says to people."""

REASONS = frozenset(SENTENCES)
"""Why a call may not be made just now."""

BUSY = frozenset({RETRY_BUDGET, CONCURRENCY_LIMIT, RATE_LIMIT, RECOVERING})
"""The reasons of a service that answers: room comes with every call that ends, so it is asked for more often."""

SPREAD = 0.25
MOST_DOUBLINGS = 40


def wait_before_asking(defaults: Defaults, *, reason: str, times: int, after: int | None, draw: float) -> int:
    """Return how long a call waits that was turned away for `reason` or its like `times` times (from 1), microseconds.

    `after` is when it makes sense to ask again by the word of whoever turned it away; `draw` is in [0, 1).
    """
    bound = defaults.postponed_busy_most if reason in BUSY else defaults.postponed_most
    backoff = min(defaults.postponed_first << min(times - 1, MOST_DOUBLINGS), bound)
    wait = min(max(backoff, after or 0), defaults.postponed_most)
    return round(wait * (1 + SPREAD * draw))


def sentence(reason: str, service: str) -> str:
    """Return what a reason says of a service; a reason that nobody knows speaks for itself."""
    known = SENTENCES.get(reason)
    return known.format(service=service) if known is not None else f"{service}: {reason.replace('_', ' ')}"
