"""Plain queues against their closed forms: one server and many, service times of every kind, in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from simulation import formulas
from simulation.pools.waiting import waits
from simulation.service_models.distributions import (
    Distribution,
    Exponential,
    Fixed,
    Gamma,
    HyperExponential,
    Lognormal,
    sample,
)
from simulation.statistics.intervals import percentile
from simulation.statistics.warmup import without_warm_up
from simulation.streams import Floats, Streams

from .table import Check, against

REPLICATIONS = 20


@dataclass(frozen=True, slots=True)
class Figures:
    """Waits and whole times (seconds) of each replication, without the warm-up; `spans`: in how long they arrived."""

    waits: list[Floats]
    times: list[Floats]
    spans: list[float]

    def of(self, figure: Callable[[Floats], float], *, whole: bool = False) -> list[float]:
        """Return a figure of each replication's waits, or of its whole times."""
        return [figure(each) for each in (self.times if whole else self.waits)]

    def number(self, *, whole: bool = False) -> list[float]:
        """Return the mean number that wait, or that are inside: the integral of it over time, divided by the time."""
        series = self.times if whole else self.waits
        return [float(each.sum()) / span for each, span in zip(series, self.spans, strict=True)]


def simulate(servers: int, arrivals: float, service: Distribution, *, jobs: int, seed: int) -> Figures:
    """Return the figures of 20 replications of a pool with Poisson arrivals, `jobs` each."""
    waited, served, arrived = [], [], []
    for replication in range(REPLICATIONS):
        streams = Streams(seed, replication)
        times = np.cumsum(sample(Exponential(1 / arrivals), streams.generator("arrivals"), jobs))
        services = sample(service, streams.generator("service"), jobs)
        waited.append(waits(times, services, servers))
        served.append(services)
        arrived.append(times)
    cut, warm_up = without_warm_up(waited)
    whole = [wait + service[warm_up.dropped :] for wait, service in zip(cut, served, strict=True)]
    spans = [float(each[-1] - each[warm_up.dropped]) for each in arrived]
    return Figures(cut, whole, spans)


def mean(values: Floats) -> float:
    """Return the mean."""
    return float(values.mean())


def at(share: float) -> Callable[[Floats], float]:
    """Return the function that gives a percentile."""
    return lambda values: percentile(values, share)


def one_server(seed: int) -> Iterator[Check]:
    """Case 1: M/M/1."""
    for busy, jobs in ((0.5, 200_000), (0.8, 500_000), (0.9, 1_500_000)):
        found = simulate(1, busy, Exponential(1.0), jobs=jobs, seed=seed)
        name = f"1 M/M/1 load {busy}"
        yield against(f"{name} mean wait", formulas.mean_wait(1, busy, 1), found.of(mean))
        yield against(f"{name} mean time", 1 / (1 - busy), found.of(mean, whole=True))
        exact = formulas.percentile_of(lambda time, busy=busy: formulas.response_beyond(1, busy, 1, time), 0.95)  # type: ignore[misc]
        yield against(f"{name} p95 of time", exact, found.of(at(0.95), whole=True))
        if busy == 0.8:
            yield against(f"{name} p99 of time", 23.025851, found.of(at(0.99), whole=True))


_SEVERAL = (
    (2, 1.6, 300_000, "2"),
    (5, 4.0, 500_000, "3"),
    (10, 8.0, 500_000, "4"),
    (10, 9.5, 3_000_000, "4"),
    (20, 18.0, 800_000, "5"),
    (100, 90.0, 1_500_000, "5"),
)


def several_servers(seed: int) -> Iterator[Check]:
    """Cases 2 to 5: M/M/c."""
    for servers, arrivals, jobs, number in _SEVERAL:
        found = simulate(servers, arrivals, Exponential(1.0), jobs=jobs, seed=seed)
        name = f"{number} M/M/{servers} {arrivals:g}/s"
        yield against(f"{name} mean wait", formulas.mean_wait(servers, arrivals, 1), found.of(mean))
        yield against(f"{name} share that waits", formulas.erlang_c(servers, arrivals), found.of(_share_waiting))
        if servers <= 5:
            yield from _numbers(name, servers, arrivals, found)
        if servers <= 10:
            yield from _percentiles(name, servers, arrivals, found)


def _numbers(name: str, servers: int, arrivals: float, found: Figures) -> Iterator[Check]:
    """Say the mean time and how many there are, which is not worked out from it."""
    wait = formulas.mean_wait(servers, arrivals, 1)
    yield against(f"{name} mean time", wait + 1, found.of(mean, whole=True))
    yield against(f"{name} mean number inside", arrivals * (wait + 1), found.number(whole=True))
    yield against(f"{name} mean number that waits", arrivals * wait, found.number())


def _percentiles(name: str, servers: int, arrivals: float, found: Figures) -> Iterator[Check]:
    def time(share: float) -> float:
        return formulas.percentile_of(lambda each: formulas.response_beyond(servers, arrivals, 1, each), share)

    yield against(f"{name} p95 of time", time(0.95), found.of(at(0.95), whole=True))
    if servers == 5:
        wait = formulas.percentile_of(lambda each: formulas.wait_beyond(servers, arrivals, 1, each), 0.95)
        yield against(f"{name} p99 of time", time(0.99), found.of(at(0.99), whole=True))
        yield against(f"{name} p95 of wait", wait, found.of(at(0.95)))


def _share_waiting(values: Floats) -> float:
    return float((values > 1e-12).mean())


_KINDS: tuple[tuple[str, Distribution, int], ...] = (
    ("fixed", Fixed(1.0), 400_000),
    ("gamma scv 0.25", Gamma(1.0, 0.25), 400_000),
    ("gamma scv 0.5", Gamma(1.0, 0.5), 400_000),
    ("exponential", Exponential(1.0), 400_000),
    ("hyper-exponential scv 2", HyperExponential.balanced(1.0, 2.0), 1_000_000),
    ("hyper-exponential scv 4", HyperExponential.balanced(1.0, 4.0), 1_000_000),
    ("lognormal scv 4", Lognormal(1.0, 4.0), 2_000_000),
    ("hyper-exponential scv 16", HyperExponential.balanced(1.0, 16.0), 4_000_000),
)


def kinds_of_service(seed: int) -> Iterator[Check]:
    """Case 6: M/G/1 at load 0.8 against Pollaczek and Khinchine."""
    for name, service, jobs in _KINDS:
        found = simulate(1, 0.8, service, jobs=jobs, seed=seed)
        exact = formulas.pollaczek_khinchine(0.8, service.mean, service.scv)
        yield against(f"6 M/G/1 {name} mean wait", exact, found.of(mean))


def in_a_row(seed: int) -> Iterator[Check]:
    """Case 10: two queues in a row; what leaves the first arrives at the second."""
    first, second = [], []
    for replication in range(REPLICATIONS):
        streams = Streams(seed, replication)
        times = np.cumsum(sample(Exponential(1 / 0.7), streams.generator("arrivals"), 600_000))
        one = sample(Exponential(1.0), streams.generator("first"), times.size)
        other = sample(Exponential(1 / 0.9), streams.generator("second"), times.size)
        spent = waits(times, one, 1) + one
        first.append(spent)
        # First come, first served: they leave in the order in which they came.
        second.append(waits(times + spent, other, 1) + other)
    both = without_warm_up([one + other for one, other in zip(first, second, strict=True)])[0]
    yield against("10 tandem first mean time", 1 / 0.3, [mean(each) for each in first])
    yield against("10 tandem second mean time", 5.0, [mean(each) for each in second])
    yield against("10 tandem mean time", 1 / 0.3 + 5, [mean(each) for each in both])
