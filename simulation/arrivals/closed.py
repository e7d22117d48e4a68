"""Closed arrivals: so many users, each of whom thinks for a while and waits for the answer before asking again.

A load that waits for answers slows down with what it loads, and so hides queues that an open one would show: what a
load test with users measured is compared with users only.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulation.service_models.distributions import Distribution


@dataclass(frozen=True, slots=True)
class ClosedUsers:
    """`users` of them, each of whom thinks for a time of `think` (seconds) between an answer and the next request."""

    users: int
    think: Distribution
