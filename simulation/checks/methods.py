"""Whether the methods keep what they promise: intervals hold the truth, and pairs show small differences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from orchestration.domain.retry import RetryPolicy
from simulation.pools.pool import Luck, Pool, PoolRules
from simulation.pools.waiting import waits
from simulation.service_models.distributions import Exponential, sample
from simulation.statistics.batch_means import BATCHES
from simulation.statistics.comparison import variance_reduction
from simulation.statistics.intervals import mean_interval
from simulation.statistics.stopping import REPLICATIONS
from simulation.statistics.warmup import without_warm_up
from simulation.streams import Floats, Streams

from .table import Check, at_least, within

EXPERIMENTS = 400
JOBS = 10_000
LOW, HIGH = 0.91, 0.98
LOAD, EXACT = 0.8, 4.0


def coverage(seed: int) -> Iterator[Check]:
    """Say how often the 95 % interval of an M/M/1 queue that starts empty holds the exact mean wait."""
    held = 0
    for experiment in range(EXPERIMENTS):
        runs = [
            _waits(Streams(seed, experiment * REPLICATIONS + replication), JOBS) for replication in range(REPLICATIONS)
        ]
        kept, _ = without_warm_up(runs)
        held += mean_interval([float(each.mean()) for each in kept]).holds(EXACT)
    yield within(f"coverage of the 95 % interval, {EXPERIMENTS} experiments", LOW, HIGH, held / EXPERIMENTS)


def coverage_of_batch_means(seed: int) -> Iterator[Check]:
    """Say the same of thirty batch means of a single long run."""
    held = 0
    for experiment in range(EXPERIMENTS):
        series = _waits(Streams(seed, experiment), BATCHES * JOBS)[JOBS:]
        length = series.size // BATCHES
        means = series[: BATCHES * length].reshape(BATCHES, length).mean(axis=1)
        held += mean_interval(means).holds(EXACT)
    yield within(f"coverage of batch means, {EXPERIMENTS} experiments", LOW, HIGH, held / EXPERIMENTS)


def _waits(streams: Streams, jobs: int) -> Floats:
    times = np.cumsum(sample(Exponential(1 / LOAD), streams.generator("arrivals"), jobs))
    return waits(times, sample(Exponential(1.0), streams.generator("service"), jobs), 1)


def paired_luck(seed: int, *, replications: int = 30, jobs: int = 20_000) -> Iterator[Check]:
    """Say how much smaller the variance of a difference is with keyed draws: two backoffs, two failure shares."""
    half = [_mean_time(seed, each, jobs, delay=500_000) for each in range(replications)]
    whole = [_mean_time(seed, each, jobs, delay=1_000_000) for each in range(replications)]
    more = [_mean_time(seed, each, jobs, delay=500_000, failures=0.11) for each in range(replications)]
    yield at_least("variance reduction by pairs, backoff 0.5 s or 1 s", 50, variance_reduction(half, whole))
    yield at_least("variance reduction by pairs, 10 % or 11 % failures", 10, variance_reduction(half, more))


def _mean_time(seed: int, replication: int, jobs: int, *, delay: int, failures: float = 0.1) -> float:
    """Return the mean time (seconds) of jobs with at most 3 attempts on 5 servers at load 0.8, retries included."""
    streams = Streams(seed, replication)
    rate = 5 * LOAD / (1 + 0.1 + 0.01)
    policy = RetryPolicy(
        max_attempts=3, delay=delay, backoff="exponential", multiplier=2.0, max_delay=60_000_000, jitter=0.0
    )
    luck = Luck(
        streams.keyed("service", Exponential(1.0).quantile).draw,
        fails=streams.keyed("failures").draw,
        failure_share=failures,
    )
    times = np.cumsum(sample(Exponential(1 / rate), streams.generator("arrivals"), jobs))
    served = Pool(PoolRules(5, retry=policy), luck).run(times.tolist())
    return float(np.mean(served.totals))
