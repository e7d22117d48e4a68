"""The whole world, in which every job is an execution of the domain's, against the fast path, job by job.

Most cases are simulated by the fast path, millions of jobs at once. That is worth something only if the world comes to
the same: here both meet the same arrivals, times and failures, and the greatest difference of any job's time is nil.
Users who think and items of a loop are drawn for in another order there: `through_the_domain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from orchestration.domain.calling.buckets import TokenBucket
from orchestration.domain.calling.policy import Breaker, Rate, RetryBudget, ServicePolicy
from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph
from orchestration.domain.retry import RetryPolicy
from simulation.arrivals.processes import Trace
from simulation.pools.pool import Luck, Pool, PoolRules
from simulation.pools.waiting import waits
from simulation.service_models.distributions import (
    Distribution,
    Exponential,
    Fixed,
    HyperExponential,
    Lognormal,
    sample,
)
from simulation.streams import Floats, Streams
from simulation.world.load import APART, Workload
from simulation.world.models import Failures, ServiceModel
from simulation.world.world import WorldModel, simulate

from .limits import delayed
from .table import Check, exactly
from .worlds import FAILURES, SERVICE, TIMES, WORKFLOW, one_call, world

JOBS = 4_000
LONG = 5_000.0
"""Seconds after the last arrival in which everybody is served."""


_EXPONENTIAL = Exponential(1.0)


@dataclass(frozen=True, slots=True)
class _Queue:
    """A queue that both have: servers, arrivals a second, times, room, and the share of attempts that fail."""

    servers: int
    arrivals: float
    times: Distribution = _EXPONENTIAL
    room: int | None = None
    failing: float = 0.0
    retry: Mapping[str, Any] | None = None


_AT_ONCE = {"max_attempts": 50, "delay": 0, "backoff": "fixed", "jitter": 0}
_LATER = {"max_attempts": 4, "delay": "2s", "backoff": "fixed", "jitter": 0}

_QUEUES = {
    "1 M/M/1 load 0.8": _Queue(1, 0.8),
    "2 M/M/2 1.6/s": _Queue(2, 1.6),
    "3 M/M/5 4/s": _Queue(5, 4.0),
    "4 M/M/10 9.5/s": _Queue(10, 9.5),
    "5 M/M/100 90/s": _Queue(100, 90.0),
    "6 M/G/1 fixed": _Queue(1, 0.8, Fixed(1.0)),
    "6 M/G/1 lognormal scv 4": _Queue(1, 0.8, Lognormal(1.0, 4.0)),
    "6 M/G/1 hyper-exponential scv 16": _Queue(1, 0.8, HyperExponential.balanced(1.0, 16.0)),
    "7 M/M/1/10 0.9/s": _Queue(1, 0.9, room=10),
    "7 M/M/1/10 1.2/s": _Queue(1, 1.2, room=10),
    "8 M/M/5/20 4.5/s": _Queue(5, 4.5, room=20),
    "8 M/M/5/20 6/s": _Queue(5, 6.0, room=20),
    "9 Erlang B 5 servers, load 4": _Queue(5, 4.0, room=5),
    "11 feedback": _Queue(1, 0.5, failing=0.3, retry=_AT_ONCE),
    "12 retries, 0.3 fail, at most 4": _Queue(3, 1.0, failing=0.3, retry=_LATER),
}


def whole(seed: int) -> Iterator[Check]:
    """Say by how many seconds at most a job's time differs between the world and the fast path."""
    for name, queue in _QUEUES.items():
        apart, lost = _apart(queue, seed)
        yield exactly(f"{name}: seconds between the world and the fast path", 0.0, apart, digits=6)
        if queue.room is not None or queue.failing:
            yield exactly(f"{name}: jobs lost in one and not in the other", 0, lost)
    yield exactly("10 tandem: seconds between the world and the fast path", 0.0, _in_a_row(seed), digits=6)
    yield exactly("15 priorities: seconds between the world and the fast path", 0.0, _priorities(seed), digits=6)
    yield from tokens(seed)
    yield from quota(seed)


def _arrivals(streams: Streams, per_second: float) -> Floats:
    times = np.cumsum(sample(Exponential(1 / per_second), streams.generator("calls"), JOBS))
    return np.round(times - times[0], 6)


def _apart(queue: _Queue, seed: int) -> tuple[float, int]:
    """Return the greatest difference of completed jobs' times, in the order of their length, and of how many failed."""
    streams = Streams(seed)
    arrivals = _arrivals(streams, queue.arrivals)
    failures = Failures(queue.failing) if queue.failing else None
    service = ServiceModel(
        SERVICE, queue.times, capacity=queue.servers, room=queue.room, failures=failures, policy=None
    )  # fmt: skip
    load = Workload("callers", WORKFLOW, Trace(arrivals))
    model = world(service, load, horizon=float(arrivals[-1]) + LONG, graphs=one_call(retry=queue.retry))
    found = simulate(model, seed=seed).workloads["callers"]
    served = _pool(queue, streams).run(arrivals.tolist())
    done = found.good > 0
    lost = abs(int((~done).sum()) - served.blocked - served.failed)
    # In the fast path a job that failed for good ends like any other; in the world it is not good.
    one = np.sort(found.times if queue.failing else found.times[done])
    other = np.sort(served.totals)
    return float(np.abs(one - other).max()) if one.size == other.size else float("inf"), lost


def _pool(queue: _Queue, streams: Streams) -> Pool:
    times, fails = streams.keyed(TIMES, queue.times.quantile), streams.keyed(FAILURES)
    retry = None
    if queue.retry is not None:
        delay = 2_000_000 if queue.retry is _LATER else 0
        most = queue.retry["max_attempts"]
        retry = RetryPolicy(
            max_attempts=most, delay=delay, backoff="fixed", multiplier=1.0, max_delay=delay, jitter=0.0
        )
    luck = Luck(
        lambda job, number: round(times.draw(job, number), 6),
        fails=fails.draw if queue.failing else None,
        failure_share=queue.failing,
    )
    return Pool(PoolRules(queue.servers, room=queue.room, retry=retry), luck)


def _priorities(seed: int) -> float:
    """Return the greatest difference where executions wait for their turn by priority: case 15, in the domain."""
    streams = Streams(seed)
    rates = {"urgent": 0.3, "other": 0.5}
    arrivals = {
        name: np.round(np.cumsum(sample(Exponential(1 / rate), streams.generator(f"calls of {name}"), JOBS)), 6)
        for name, rate in rates.items()
    }
    begin = {name: each - each[0] for name, each in arrivals.items()}
    loads = [Workload(name, WORKFLOW, Trace(begin[name]), priority=place) for place, name in enumerate(rates)]
    horizon = max(float(each[-1]) for each in begin.values()) + LONG
    graphs = one_call(config={"max_concurrent": 1})
    service = ServiceModel(SERVICE, Exponential(1.0), policy=None)
    found = simulate(world(service, *loads, horizon=horizon, graphs=graphs), seed=seed).workloads
    keyed = streams.keyed(TIMES, Exponential(1.0).quantile)
    jobs = sorted(
        (float(at), place, crc32(name.encode()) * APART + number)
        for place, name in enumerate(rates)
        for number, at in enumerate(begin[name])
    )
    luck = Luck(lambda job, _: round(keyed.draw(jobs[job][2]), 6))
    served = Pool(PoolRules(1), luck).run([at for at, _, _ in jobs], [place for _, place, _ in jobs])
    classes, totals = np.asarray(served.priorities), np.asarray(served.totals)
    return max(
        float(np.abs(np.sort(found[name].times) - np.sort(totals[classes == place])).max())
        for place, name in enumerate(rates)
    )


def _in_a_row(seed: int) -> float:
    """Return the greatest difference where what leaves one service arrives at another: case 10's two steps."""
    streams = Streams(seed)
    arrivals = _arrivals(streams, 0.7)
    means = {"first": 1.0, "second": 1 / 0.9}
    steps = [
        {"id": name, "type": "service", "service_name": name, "method": "serve", "timeout": "1d", "dependencies": after}
        for name, after in (("first", []), ("second", ["first"]))
    ]
    config = {"max_concurrent": 100_000, "timeout": "1d"}
    definition = parse_definition({"id": WORKFLOW, "name": "Two", "config": config, "steps": steps, "output": {}})
    services = tuple(ServiceModel(name, Exponential(mean), policy=None) for name, mean in means.items())
    load = Workload("callers", WORKFLOW, Trace(arrivals))
    model = WorldModel({WORKFLOW: Graph.compile(definition)}, services, (load,), float(arrivals[-1]) + LONG)
    times = simulate(model, seed=seed).workloads["callers"].times
    at = arrivals
    for name, mean in means.items():
        draws = streams.keyed(f"service:{name}.:{WORKFLOW}:{name}", Exponential(mean).quantile).first(JOBS)
        at = at + waits(at, np.round(draws, 6), 1) + np.round(draws, 6)
    return float(np.abs(times - (at - arrivals)).max())


def tokens(seed: int) -> Iterator[Check]:
    """Case 17 in the world: calls stand in line before the gate, whose bucket is the domain's."""
    for burst in (1, 5, 10):
        arrivals = _arrivals(Streams(seed), 0.8)
        rate = Rate(1.0, burst)
        policy = ServicePolicy(rate=rate, breaker=Breaker(enabled=False))
        service = ServiceModel(SERVICE, Fixed(0.0), capacity=JOBS, line=LONG, policy=policy)
        model = world(service, Workload("callers", WORKFLOW, Trace(arrivals)), horizon=float(arrivals[-1]) + LONG)
        late = simulate(model, seed=seed).workloads["callers"].times > 0
        share = delayed(arrivals, TokenBucket(rate))
        yield exactly(f"17 token bucket, burst {burst}: delayed in the world and by itself", share, float(late.mean()))


def quota(seed: int) -> Iterator[Check]:
    """Case 20 in the world: every call fails, and the gate's budget pays for so many retries."""
    for cost, retries in ((5, 100), (14, 35)):
        budget = RetryBudget(ratio=1 / cost, minimum_per_second=0.0, cap=500 / cost)
        service = ServiceModel(
            SERVICE, Fixed(0.1), capacity=JOBS, failures=Failures(1.0),
            policy=ServicePolicy(breaker=Breaker(enabled=False), retry_budget=budget),
        )  # fmt: skip
        graphs = one_call(retry={"max_attempts": 20, "delay": "50ms", "backoff": "fixed", "jitter": 0})
        load = Workload("callers", WORKFLOW, Trace(np.arange(0.0, 200.0, 1.0)))
        outcome = simulate(world(service, load, horizon=300.0, graphs=graphs), seed=seed)
        made = outcome.services[SERVICE].attempts - outcome.workloads["callers"].offered
        yield exactly(f"20 retries in the world, full quota of 500 at {cost} each", retries, made)
