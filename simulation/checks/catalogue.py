"""All checks, in the order of the simulator's design. Each takes a seed and yields lines of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from . import (
    laws,
    limits,
    methods,
    pools,
    queues,
    searches,
    second_opinion,
    seeds,
    staffing,
    storms,
    through_the_domain,
    whole,
)
from .table import Check

SEED = 20261126
"""The seed that the documented table was made with."""

CHECKS: dict[str, Callable[[int], Iterator[Check]]] = {
    "one-server": queues.one_server,
    "several-servers": queues.several_servers,
    "kinds-of-service": queues.kinds_of_service,
    "limited-rooms": pools.limited_rooms,
    "lost-calls": pools.lost_calls,
    "in-a-row": queues.in_a_row,
    "immediate-retries": pools.immediate_retries,
    "retry-counts": pools.retry_counts,
    "items-at-once": pools.items_at_once,
    "closed-users": pools.closed_users,
    "priorities": pools.priorities,
    "impatience": pools.impatience,
    "token-bucket": limits.token_bucket,
    "day-and-night": limits.day_and_night,
    "staffing": staffing.staffing,
    "cheapest": staffing.cheapest,
    "cheapest-simulated": staffing.cheapest_simulated,
    "knee": searches.knee,
    "retry-quota": limits.retry_quota,
    "whole-world": whole.whole,
    "items-in-the-world": through_the_domain.items,
    "users-in-the-world": through_the_domain.users,
    "laws": laws.laws,
    "second-opinion": second_opinion.second_opinion,
    "single-seeds": seeds.single_seeds,
    "all-figures": seeds.all_figures,
    "coverage": methods.coverage,
    "coverage-of-batch-means": methods.coverage_of_batch_means,
    "paired-luck": methods.paired_luck,
    "storms": storms.storms,
    "storms-at-70": partial(storms.storms_at, 0.7),
    "storms-at-80": partial(storms.storms_at, 0.8),
    "storms-at-90": partial(storms.storms_at, 0.9),
}


def run(name: str, seed: int = SEED) -> list[Check]:
    """Make one group of checks."""
    return list(CHECKS[name](seed))
