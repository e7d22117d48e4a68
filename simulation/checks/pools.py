"""Pools with a limited room, priorities, impatience, retries and closed users against their closed forms.

`share` is how much of the usual length is simulated: where only the interval is asked for, not that it is narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from orchestration.domain.errors import StepError
from orchestration.domain.retry import RetryPolicy, is_retryable, next_attempt_at
from simulation import formulas
from simulation.pools.pool import Luck, Pool, PoolRules, Served
from simulation.pools.waiting import waits
from simulation.service_models.distributions import Exponential, sample
from simulation.streams import Streams

from .queues import REPLICATIONS
from .table import Check, against, exactly

AT_ONCE = RetryPolicy(max_attempts=None, delay=0, backoff="fixed", multiplier=1.0, max_delay=0, jitter=0.0)


def _served(
    rules: PoolRules, arrivals: float, jobs: int, seed: int, *, priorities: Any = None, **luck: Any
) -> Iterator[Served]:
    """Yield 20 replications of a pool with Poisson arrivals and exponential service of mean 1, once it has filled."""
    for replication in range(REPLICATIONS):
        streams = Streams(seed, replication)
        times = np.cumsum(sample(Exponential(1 / arrivals), streams.generator("arrivals"), jobs))
        classes = None if priorities is None else (streams.generator("class").random(jobs) >= priorities).astype(int)
        service = streams.keyed("service", Exponential(1.0).quantile).draw
        patience = luck.get("patience")
        pool = Pool(
            rules,
            Luck(
                service,
                patience=None if patience is None else streams.keyed("patience", patience.quantile).draw,
                fails=streams.keyed("failures").draw if "failure_share" in luck else None,
                failure_share=luck.get("failure_share", 0.0),
            ),
        )
        yield _settled(pool, times.tolist(), None if classes is None else classes.tolist())


def _settled(pool: Pool, times: list[float], classes: list[int] | None) -> Served:
    """Run a pool and return what it served after the first tenth of the arrivals: it begins empty, as none ever is."""
    begin = len(times) // 10
    pool.run(times[:begin], None if classes is None else classes[:begin], until=times[begin])
    pool.served = Served()
    found = pool.run(times[begin:], None if classes is None else classes[begin:])
    found.until -= times[begin]
    return found


def limited_rooms(seed: int, *, share: float = 1.0) -> Iterator[Check]:
    """Cases 7 and 8: M/M/c/K."""
    for number, servers, room, arrivals, jobs in (
        ("7", 1, 10, 0.9, 150_000), ("7", 1, 10, 1.2, 100_000), ("8", 5, 20, 4.5, 400_000), ("8", 5, 20, 6.0, 80_000)
    ):  # fmt: skip
        found = list(_served(PoolRules(servers, room=room), arrivals, int(jobs * share), seed))
        blocked, inside, wait = formulas.limited_room(servers, room, arrivals, 1)
        name = f"{number} M/M/{servers}/{room} {arrivals:g}/s"
        yield against(f"{name} turned away", blocked, [each.blocked / each.offered for each in found])
        yield against(f"{name} mean number inside", inside, [each.area / each.until for each in found])
        yield against(f"{name} mean wait", wait, [float(np.mean(each.waits)) for each in found])
        yield against(f"{name} mean time", wait + 1, [float(np.mean(each.visits)) for each in found])


def lost_calls(seed: int, *, share: float = 1.0) -> Iterator[Check]:
    """Case 9: no room to wait."""
    for servers, load, jobs in ((5, 4.0, 40_000), (10, 8.0, 60_000), (20, 15.0, 150_000), (100, 90.0, 500_000)):
        found = _served(PoolRules(servers, room=servers), load, int(jobs * share), seed)
        lost = [each.blocked / each.offered for each in found]
        yield against(f"9 Erlang B {servers} servers, load {load:g}", formulas.erlang_b(servers, load), lost)


def immediate_retries(seed: int, *, share: float = 1.0) -> Iterator[Check]:
    """Case 11: what fails goes to the end of the queue at once, as often as it takes."""
    found = list(_served(PoolRules(1, retry=AT_ONCE), 0.5, int(150_000 * share), seed, failure_share=0.3))
    yield against("11 feedback effective rate", 0.5 / 0.7, [each.attempts / each.until for each in found])
    yield against("11 feedback mean visit", 3.5, [float(np.mean(each.visits)) for each in found])
    yield against("11 feedback mean total", 5.0, [float(np.mean(each.totals)) for each in found])


def retry_counts(seed: int, *, share: float = 1.0) -> Iterator[Check]:
    """Case 12: how often is tried, by the domain's own retry decision, over ten million jobs."""
    jobs = int(500_000 * share)
    for failure, most in ((0.1, 3), (0.2, 3), (0.3, 4), (0.5, 5)):
        attempts, failed = [], []
        for replication in range(REPLICATIONS):
            made, left = _attempts_made(Streams(seed, replication), failure, most, jobs)
            attempts.append(made / jobs)
            failed.append(left / jobs)
        expected = formulas.attempts_of(failure, most)
        yield against(f"12 attempts, {failure:g} fail, at most {most}", expected[0], attempts)
        yield against(f"12 final failures, {failure:g} fail, at most {most}", expected[1], failed)


def _attempts_made(streams: Streams, failure: float, most: int, jobs: int) -> tuple[int, int]:
    policy = RetryPolicy(max_attempts=most, delay=1, backoff="fixed", multiplier=1.0, max_delay=1, jitter=0.0)
    draws, open_jobs, made, number = streams.keyed("failures"), np.ones(jobs, dtype=bool), 0, 1
    while True:
        made += int(open_jobs.sum())
        open_jobs &= draws.first(jobs, number) < failure
        again = is_retryable(policy, StepError("http_503")) and next_attempt_at(
            policy, failed_attempt=number, max_attempts=most, first_started_at=0, now=0, draw=0.0
        )
        if not again:
            return made, int(open_jobs.sum())
        number += 1


def items_at_once(seed: int, *, share: float = 1.0) -> Iterator[Check]:
    """Case 13: n items, c at once."""
    for items, limit, most in ((10, 10, 1000), (10, 3, 500), (100, 10, 120), (1000, 50, 20)):
        makespans, times = [], max(2, int(most * share))
        for replication in range(REPLICATIONS):
            draws = sample(Exponential(1.0), Streams(seed, replication).generator("items"), items * times)
            ends = [float((waits(np.zeros(items), each, limit) + each).max()) for each in draws.reshape(times, items)]
            makespans.append(float(np.mean(ends)))
        expected = formulas.makespan_of_items(items, limit)
        yield against(f"13 makespan of {items} items, {limit} at once", expected, makespans)
        alike = np.ones(items)
        makespan = float((waits(np.zeros(items), alike, limit) + alike).max())
        yield exactly(f"13 makespan of {items} items of 1 s, {limit} at once", math.ceil(items / limit), makespan)


def closed_users(seed: int, *, share: float = 1.0) -> Iterator[Check]:
    """Case 14: users who think."""
    for users, think, service, servers in ((10, 9.0, 1.0, 1), (20, 9.0, 1.0, 1), (50, 1.0, 0.1, 4), (100, 1.0, 0.1, 8)):
        rates, responses = [], []
        for replication in range(REPLICATIONS):
            streams = Streams(seed, replication)
            thinks = streams.keyed("think", Exponential(think).quantile).draw
            serves = streams.keyed("service", Exponential(service).quantile).draw
            pool = Pool(PoolRules(servers), Luck(serves), lambda job, thinks=thinks: thinks(job, 1))  # type: ignore[misc]
            begins = sorted(thinks(10_000_000 + user, 1) for user in range(users))
            until = 30_000 * share * service / servers
            found = pool.run(begins, until=until)
            late = [(at, spent) for at, spent in zip(found.ended_at, found.totals, strict=True) if at > until / 10]
            rates.append(len(late) / (until * 0.9))
            responses.append(sum(spent for _, spent in late) / len(late))
        throughput, response = formulas.closed_users(users, think, service, servers)
        name = f"14 {users} users, think {think:g} s, service {service:g} s, {servers} servers"
        yield against(f"{name} throughput", throughput, rates)
        yield against(f"{name} mean time", response, responses)
        present = [rate * (spent + think) for rate, spent in zip(rates, responses, strict=True)]
        yield against(f"{name} rate times round", users, present)


def priorities(seed: int, *, share: float = 1.0) -> Iterator[Check]:
    """Case 15: two priorities on one server."""
    for preempt, name, exact in (
        (False, "non-pre-emptive", formulas.two_priorities((0.3, 0.5), 1)),
        (True, "pre-emptive", formulas.two_priorities_preempting((0.3, 0.5), 1)),
    ):
        found = list(_served(PoolRules(1, preempt=preempt), 0.8, int(300_000 * share), seed, priorities=0.3 / 0.8))
        for place, word in enumerate(("urgent", "other")):
            spent = [_mean_of_class(each.visits, each, place) for each in found]
            yield against(f"15 {name} priority, {word} mean time", exact[place] + 1, spent)
            waited = [_mean_of_class(each.waits, each, place) for each in found]
            yield against(f"15 {name} priority, {word} mean wait", exact[place], waited)


def _mean_of_class(values: list[float], served: Served, priority: int) -> float:
    return float(np.array(values)[np.array(served.priorities) == priority].mean())


def impatience(seed: int, *, share: float = 1.0) -> Iterator[Check]:
    """Case 16: who waits too long leaves."""
    for arrivals, jobs in ((10.0, 150_000), (12.0, 100_000)):
        found = list(_served(PoolRules(10), arrivals, int(jobs * share), seed, patience=Exponential(2.0)))
        leaves, wait = formulas.abandonment(10, arrivals, 1, 0.5)
        yield against(f"16 abandonment {arrivals:g}/s", leaves, [each.abandoned / each.offered for each in found])
        yield against(f"16 abandonment {arrivals:g}/s mean wait", wait, [float(np.mean(each.waits)) for each in found])
