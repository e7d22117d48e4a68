"""Case 19: how many servers a promise needs, by formula, by what simulated pools keep, and by the search.

The search knows the exact answer of exponential times and simulates nothing for it (`experiments.promises`). So it is
asked twice: as it is, and with times that it does not know for exponential: a Weibull's of shape 1 are the very same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from simulation import formulas
from simulation.experiments.asking import answer
from simulation.experiments.promises import HOPELESS
from simulation.pools.waiting import in_pieces
from simulation.scenarios.experiments import CheapestOf
from simulation.service_models.distributions import Exponential, sample
from simulation.statistics.comparison import FAIL
from simulation.streams import Floats, Streams

from .queues import REPLICATIONS
from .searches import HERE, PLACE, pool
from .table import Check, against, at_least, exactly

PIECE = 500_000
"""Jobs that are in memory at once."""

WARM_UP = 100_000
"""Jobs that are left out at the beginning: far more than any of these pools needs to forget that it was empty."""

_PROMISES: tuple[tuple[str, int, int, Callable[[int], bool]], ...] = (
    ("95 % within 1 s at 100/s of 0.2 s", 21, 20, lambda c: formulas.response_beyond(c, 100, 5, 1.0) <= 0.05),
    ("99 % within 0.25 s at 200/s of 0.05 s", 12, 10, lambda c: formulas.response_beyond(c, 200, 20, 0.25) <= 0.01),
    ("99 % within 0.5 s at 1000/s of 0.1 s", 103, 100, lambda c: formulas.response_beyond(c, 1000, 10, 0.5) <= 0.01),
    ("80 % wait at most 0.1 s at 100/s of 0.2 s", 23, 20, lambda c: formulas.wait_beyond(c, 100, 5, 0.1) <= 0.2),
)

_TAILS = (
    (21, 100, 0.2, 1.0, 0.0324, 16_000_000),
    (12, 200, 0.05, 0.25, 0.009745, 1_500_000),
    (11, 200, 0.05, 0.25, 0.029718, 3_000_000),
    (103, 1000, 0.1, 0.5, 0.009031, 4_000_000),
    (102, 1000, 0.1, 0.5, 0.011939, 28_000_000),
)
"""Servers, calls a second, seconds of a call, seconds promised, the share that is late, jobs a replication."""

_SEARCHES: tuple[tuple[int, str, dict[str, str], int, str], ...] = (
    (100, "200ms", {"p95": "1s"}, 21, "3000s"),
    (200, "50ms", {"p99": "250ms"}, 12, "3000s"),
    (1000, "100ms", {"p99": "500ms"}, 103, "600s"),
)
"""Calls a second, the time of one, the promise, the servers, and how long each replication of the search simulates."""

_SECONDS = {"200ms": 0.2, "50ms": 0.05, "100ms": 0.1}

SEARCHED = 10
"""Replications of the search; the winner and its cheaper neighbour are confirmed with four times as many."""


def staffing(seed: int) -> Iterator[Check]:
    """Say the least number of servers for a promise by formula, and what simulated pools of that size and less keep."""
    for name, servers, load, enough in _PROMISES:
        yield exactly(f"19 servers for {name}, by formula", servers, formulas.servers_for(enough, load))
    for servers, arrivals, mean, promised, exact, jobs in _TAILS:
        late = _shares(servers, arrivals, mean, jobs, seed, lambda wait, time, most=promised: time > most)  # type: ignore[misc]
        yield against(f"19 later than {promised:g} s with {servers} servers at {arrivals}/s", exact, late)
    for servers, exact, jobs in ((23, 0.907236, 1_000_000), (22, 0.791076, 1_000_000)):
        kept = _shares(servers, 100, 0.2, jobs, seed, lambda wait, _: wait <= 0.1)
        yield against(f"19 wait at most 0.1 s with {servers} servers at 100/s", exact, kept)
    grown = _shares(20, 100, 0.2, 1_000_000, seed, lambda wait, time: time > 1.0, warm_up=750_000)
    yield at_least("19 later than 1 s with 20 servers at 100/s, no steady state", 0.5, float(np.mean(grown)))


def _shares(
    servers: int,
    arrivals: float,
    mean: float,
    jobs: int,
    seed: int,
    counts: Callable[[Floats, Floats], Any],
    *,
    warm_up: int = WARM_UP,
) -> list[float]:
    """Return of each replication the share of jobs, after the warm-up, that `counts` by their waits and whole times."""
    found = []
    for replication in range(REPLICATIONS):
        counted = seen = left_out = 0
        for wait, service in in_pieces(_pieces(arrivals, mean, jobs, Streams(seed, replication)), servers):
            skip = min(wait.size, warm_up - left_out)
            left_out += skip
            seen += wait.size - skip
            counted += int(counts(wait[skip:], (wait + service)[skip:]).sum())
        found.append(counted / seen)
    return found


def _pieces(arrivals: float, mean: float, jobs: int, streams: Streams) -> Iterator[tuple[Floats, Floats]]:
    """Yield Poisson arrivals and exponential service times, a piece at a time."""
    gaps, times = streams.generator("arrivals"), streams.generator("service")
    now = 0.0
    for start in range(0, jobs, PIECE):
        count = min(PIECE, jobs - start)
        instants = now + np.cumsum(sample(Exponential(1 / arrivals), gaps, count))
        now = float(instants[-1])
        yield instants, sample(Exponential(mean), times, count)


def cheapest(seed: int) -> Iterator[Check]:
    """Say where the search over a scenario file ends by formula, where it knows one."""
    for per_second, mean, promise, servers, _ in _SEARCHES:
        name, data = _searched(per_second, mean, promise, seed, horizon="300s")
        yield exactly(f"{name}, by formula", servers, _winner(data))


def cheapest_simulated(seed: int) -> Iterator[Check]:
    """Say where it ends by simulation, and how one server less, which it must try with fresh luck, was judged."""
    for per_second, mean, promise, servers, horizon in _SEARCHES:
        times = {"kind": "weibull", "shape": 1, "scale": mean}
        name, data = _searched(per_second, mean, promise, seed, horizon=horizon, times=times)
        yield exactly(f"{name}, simulated", servers, _winner(data))
        words = {each["values"][PLACE]: each["verdict"] for each in data["rejected"]}
        judged = words.get(servers - 1, "not tried")
        expected = HOPELESS if (servers - 1) <= per_second * _SECONDS[mean] else FAIL
        yield Check(f"{name}, one server less, simulated", expected, judged, None, judged == expected)


def _searched(per_second: int, mean: str, promise: dict[str, str], seed: int, **keys: Any) -> tuple[str, Any]:
    document = pool(per_second, mean, slos=[{"workload": "callers", **promise}], **keys)
    asked = CheapestOf(kind="cheapest", places={PLACE: "1..200"})
    (word, time), *_ = promise.items()
    found = answer(document, asked, folder=HERE, seed=seed, replications=SEARCHED)
    return f"19 cheapest for {word} {time} at {per_second}/s of {mean}", found.data


def _winner(data: Any) -> int:
    """Return the servers that the search found; 0 if it found none."""
    return 0 if data["winner"] is None else int(data["winner"]["values"][PLACE])
