"""Whether a 95 % interval holds the exact figure as often as it says, seed by seed: in 19 of 20 at least.

The rule stands beside the tolerance of each figure: an interval that misses too often is too narrow, however small it
is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from simulation import formulas
from simulation.pools.waiting import waits
from simulation.service_models.distributions import Distribution, Exponential, Gamma, sample
from simulation.statistics.intervals import Interval, mean_interval
from simulation.statistics.warmup import without_warm_up
from simulation.streams import Streams

from . import pools
from .methods import HIGH, LOW
from .table import Check, at_least, within

SEEDS = 20
HELD = 19
REPLICATIONS = 20

_QUEUES: tuple[tuple[str, int, float, Distribution, int], ...] = (
    ("1 M/M/1 load 0.5", 1, 0.5, Exponential(1.0), 200_000),
    ("1 M/M/1 load 0.8", 1, 0.8, Exponential(1.0), 500_000),
    ("2 M/M/2 1.6/s", 2, 1.6, Exponential(1.0), 30_000),
    ("3 M/M/5 4/s", 5, 4.0, Exponential(1.0), 30_000),
    ("6 M/G/1 gamma scv 0.5", 1, 0.8, Gamma(1.0, 0.5), 400_000),
)


def single_seeds(seed: int) -> Iterator[Check]:
    """Say for how many of twenty seeds the interval of the mean wait holds the exact one."""
    for name, servers, arrivals, service, jobs in _QUEUES:
        if servers == 1:
            exact = formulas.pollaczek_khinchine(arrivals, service.mean, service.scv)
        else:
            exact = formulas.mean_wait(servers, arrivals, 1)
        held = sum(
            _interval(servers, arrivals, service, jobs, SEEDS * seed + place).holds(exact) for place in range(SEEDS)
        )
        yield at_least(f"{name}: of {SEEDS} seeds hold the mean wait", HELD, held)


GROUPS: tuple[Callable[..., Iterator[Check]], ...] = (
    pools.limited_rooms, pools.lost_calls, pools.immediate_retries, pools.retry_counts, pools.items_at_once,
    pools.closed_users, pools.priorities, pools.impatience,
)  # fmt: skip
"""Cases 7 to 9 and 11 to 16."""

SHORT = 0.04
"""What is simulated of their usual length: narrow intervals hold the truth no more often than wide ones."""

FEWEST = 15
"""A right interval holds the truth in fewer of twenty seeds about once in three thousand figures."""


def all_figures(seed: int) -> Iterator[Check]:
    """Say of how many intervals, of each figure of cases 7 to 16 for each of twenty seeds, the exact figure is inside.

    Were every interval exact, a figure would be held by 19 of 20 seeds or more three times in four only; so all of them
    together must be held as often as 400 experiments are asked to be.
    """
    held: Counter[str] = Counter()
    for place in range(SEEDS):
        for group in GROUPS:
            for check in group(SEEDS * seed + place, share=SHORT):
                if check.interval is not None and not isinstance(check.expected, str):
                    low, high = check.interval
                    held[check.name] += low <= check.expected <= high
    share = held.total() / (SEEDS * len(held))
    yield within(f"7 to 16: share of {SEEDS * len(held)} intervals, {SEEDS} seeds each, that hold", LOW, HIGH, share)
    worst = min(held, key=lambda each: held[each])
    yield at_least(f"7 to 16: of {SEEDS} seeds hold the figure held least ({worst})", FEWEST, held[worst])


def _interval(servers: int, arrivals: float, service: Distribution, jobs: int, seed: int) -> Interval:
    runs = []
    for replication in range(REPLICATIONS):
        streams = Streams(seed, replication)
        times = np.cumsum(sample(Exponential(1 / arrivals), streams.generator("arrivals"), jobs))
        runs.append(waits(times, sample(service, streams.generator("service"), jobs), servers))
    kept, _ = without_warm_up(runs)
    return mean_interval([float(each.mean()) for each in kept])
