"""Whether a 95 % interval holds the exact figure as often as it says, seed by seed: in 19 of 20 at least.

The rule stands beside the tolerance of each figure: an interval that misses too often is too narrow, however small it
is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulation import formulas
from simulation.pools.waiting import waits
from simulation.service_models.distributions import Distribution, Exponential, Gamma, sample
from simulation.statistics.intervals import Interval, mean_interval
from simulation.statistics.warmup import without_warm_up
from simulation.streams import Streams

from .table import Check, at_least

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


def _interval(servers: int, arrivals: float, service: Distribution, jobs: int, seed: int) -> Interval:
    runs = []
    for replication in range(REPLICATIONS):
        streams = Streams(seed, replication)
        times = np.cumsum(sample(Exponential(1 / arrivals), streams.generator("arrivals"), jobs))
        runs.append(waits(times, sample(service, streams.generator("service"), jobs), servers))
    kept, _ = without_warm_up(runs)
    return mean_interval([float(each.mean()) for each in kept])
