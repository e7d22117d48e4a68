"""Token buckets, days and nights, retry quotas: with the domain's own code where it has some."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from orchestration.domain.calling.buckets import Retries, TokenBucket
from orchestration.domain.calling.policy import SECOND, Rate, RetryBudget
from simulation.arrivals.processes import PiecewiseRates, all_times
from simulation.service_models.distributions import Exponential, sample
from simulation.streams import Floats, Streams

from .queues import REPLICATIONS
from .table import Check, against, exactly

DAY = 24.0


def token_bucket(seed: int) -> Iterator[Check]:
    """Case 17: the domain's token bucket, one a second, Poisson calls that wait in order."""
    for burst, exact, jobs in ((1, 0.8, 60_000), (5, 0.154625, 150_000), (10, 0.017935, 1_200_000)):
        shares = []
        for replication in range(REPLICATIONS):
            gaps = sample(Exponential(1 / 0.8), Streams(seed, replication).generator("calls"), jobs)
            shares.append(delayed(np.cumsum(gaps), TokenBucket(Rate(1.0, burst))))
        yield against(f"17 token bucket, burst {burst}: delayed", exact, shares)


def delayed(calls: Floats, bucket: TokenBucket) -> float:
    """Return the share of calls (instants in seconds) that wait for a token, in order."""
    begun = late = 0
    for call in np.round(calls * SECOND).astype(np.int64).tolist():
        at = max(call, begun)
        # What is asked too early is a rounded microsecond early at most, and asked again.
        while wait := bucket.wait(at):
            at += wait
        bucket.take()
        begun = at
        late += at > call
    return late / calls.size


def day_and_night(seed: int) -> Iterator[Check]:
    """Case 18: arrivals that follow the day, any number of servers: how busy it is follows later and less."""
    steps = 240
    starts = tuple(DAY * place / steps for place in range(steps))
    rates = tuple(100 + 50 * math.sin(2 * math.pi * (start + DAY / steps / 2) / DAY) for start in starts)
    means, amplitudes, lags = [], [], []
    for replication in range(REPLICATIONS):
        streams = Streams(seed, replication)
        horizon = DAY * 22
        begins = all_times(PiecewiseRates(starts, rates, period=DAY), streams.generator("arrivals"), horizon)
        ends = np.sort(begins + sample(Exponential(2.0), streams.generator("service"), begins.size))
        hours = np.arange(2 * DAY, horizon, 0.1)
        busy = np.searchsorted(begins, hours, side="right") - np.searchsorted(ends, hours, side="right")
        turn = 2 * np.pi * hours / DAY
        sine, cosine = float((busy * np.sin(turn)).mean() * 2), float((busy * np.cos(turn)).mean() * 2)
        means.append(float(busy.mean()))
        amplitudes.append(math.hypot(sine, cosine))
        lags.append(math.atan2(-cosine, sine) * DAY / (2 * math.pi))
    yield against("18 day and night: mean busy", 200.0, means)
    yield against("18 day and night: amplitude", 88.590826, amplitudes)
    yield against("18 day and night: lag in hours", 1.842433, lags)


def retry_quota(seed: int) -> Iterator[Check]:
    """Case 20: retries that a full quota of 500 pays for in a full outage, by the domain's own budget."""
    for name, cost, retries in (("at 5 each", 5, 100), ("at 14 each", 14, 35), ("at 5 each, throttled", 5, 100)):
        budget = Retries(RetryBudget(ratio=1 / cost, minimum_per_second=0.0, cap=500 / cost))
        made = 0
        while not budget.wait(made):
            budget.take()
            made += 1
        yield exactly(f"20 retries of a full quota of 500 {name}", retries, made)
