"""Queues that two simulators are asked about, and the jobs that both are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulation.service_models.distributions import Exponential, sample
from simulation.streams import Floats, Streams

from .worlds import TIMES

JOBS = 1500
URGENT = 0.4
"""The share of the urgent where there are two classes."""


@dataclass(frozen=True, slots=True)
class Rules:
    """One queue: arrivals a second, servers (service times are exponential, 1 s on average), and what else holds.

    `shifts` are (seconds, servers), again and again; `room` bounds those inside. `ranked`: two classes, the urgent
    first; `preempt`: they interrupt the others. `impatient`: who waits longer than an exponential time of 2 s leaves.
    """

    rate: float
    servers: int
    shifts: tuple[tuple[float, int], ...] = ()
    room: int | None = None
    ranked: bool = False
    preempt: bool = False
    impatient: bool = False

    @property
    def whole(self) -> bool:
        """Say whether a whole world is asked, rather than the fast path."""
        return not self.ranked and not self.impatient


@dataclass(frozen=True, slots=True)
class Drawn:
    """What chance has in store for each job (seconds); `classes` 0 is urgent."""

    arrivals: Floats
    services: Floats
    patience: Floats
    classes: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """The mean wait of all, of the urgent and of the others, and the share of jobs that was not served."""

    wait: float
    urgent: float
    other: float
    lost: float

    @classmethod
    def of(cls, waits: Sequence[float] | Floats, jobs: Sequence[int], lost: int, rules: Rules, drawn: Drawn) -> Found:
        """Return the figures of waits (seconds) of `jobs`."""
        found = np.asarray(waits)
        classes = drawn.classes[np.asarray(jobs)]
        urgent, other = (float(found[classes == place].mean()) if rules.ranked else math.nan for place in (0, 1))
        return cls(float(found.mean()), urgent, other, lost / drawn.arrivals.size)


def draw(rules: Rules, seed: int) -> Drawn:
    """Return what chance has in store for the jobs of one seed, to the microsecond, as a world takes it."""
    streams = Streams(seed)
    times = np.cumsum(sample(Exponential(1 / rules.rate), streams.generator("arrivals"), JOBS))
    return Drawn(
        arrivals=np.round(times - times[0], 6),
        services=np.round(streams.keyed(TIMES, Exponential(1.0).quantile).first(JOBS), 6),
        patience=sample(Exponential(2.0), streams.generator("patience"), JOBS),
        classes=(streams.generator("class").random(JOBS) >= URGENT).astype(np.int64),
    )
