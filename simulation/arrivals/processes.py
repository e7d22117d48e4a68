"""Open arrivals: work comes whether or not what came before is done. Times are seconds from the beginning.

Each process hands its instants out in ascending order, a bounded piece at a time, so that a long run needs no more
memory than a short one. `rate` is the mean number of arrivals a second over `horizon`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from cronsim import CronSim
from numpy.random import Generator

from simulation.streams import Floats

PIECE = 4096
"""Arrivals that are made at once."""


class Arrivals(Protocol):
    """What may be asked of open arrivals."""

    def rate(self, horizon: float) -> float:
        """Return the expected arrivals a second until `horizon`."""

    def pieces(self, chance: Generator, horizon: float) -> Iterator[Floats]:
        """Yield the instants before `horizon`, ascending, in arrays of a bounded size."""


def all_times(arrivals: Arrivals, chance: Generator, horizon: float) -> Floats:
    """Return all instants before `horizon` in one array."""
    return np.concatenate([*arrivals.pieces(chance, horizon), np.empty(0)])


@dataclass(frozen=True, slots=True)
class Poisson:
    """Arrivals that know nothing of one another, `per_second` of them on average."""

    per_second: float

    def rate(self, horizon: float) -> float:
        """Return `per_second`."""
        return self.per_second

    def pieces(self, chance: Generator, horizon: float) -> Iterator[Floats]:
        """Yield sums of exponential gaps."""
        return _evenly(chance, self.per_second, 0.0, horizon)


@dataclass(frozen=True, slots=True)
class PiecewiseRates:
    """Poisson arrivals whose rate changes: `rates[i]` a second from `starts[i]` (seconds, from 0, ascending) on.

    With `period` the pattern repeats. Raises ValueError for starts and rates that do not go together.
    """

    starts: tuple[float, ...]
    rates: tuple[float, ...]
    period: float | None = None

    def __post_init__(self) -> None:
        """Check that the parts begin at 0 and follow one another."""
        if len(self.starts) != len(self.rates) or not self.starts or self.starts[0] != 0:
            raise ValueError("as many rates as starts are needed, and the first start is 0")
        ends = (*self.starts[1:], math.inf if self.period is None else self.period)
        if any(end <= start for start, end in zip(self.starts, ends, strict=True)):
            raise ValueError("starts are ascending, and all before the period's end")

    def rate(self, horizon: float) -> float:
        """Return the expected number until `horizon`, divided by it."""
        return sum(rate * (end - start) for start, end, rate in self._parts(horizon)) / horizon

    def pieces(self, chance: Generator, horizon: float) -> Iterator[Floats]:
        """Yield Poisson arrivals part by part: their independence makes the parts independent."""
        for start, end, rate in self._parts(horizon):
            yield from _evenly(chance, rate, start, end)

    def _parts(self, horizon: float) -> Iterator[tuple[float, float, float]]:
        base = 0.0
        while base < horizon:
            ends = (*self.starts[1:], horizon - base if self.period is None else self.period)
            for start, end, rate in zip(self.starts, ends, self.rates, strict=True):
                if base + start < horizon:
                    yield base + start, min(base + end, horizon), rate
            base = horizon if self.period is None else base + self.period


@dataclass(frozen=True, slots=True)
class Modulated:
    """A Markov-modulated Poisson process: in turn each state's rate, for exponential times of mean `stays[i]` seconds.

    With two states this is MMPP(2): quiet and busy.
    """

    rates: tuple[float, ...]
    stays: tuple[float, ...]

    def rate(self, horizon: float) -> float:
        """Return the rates' mean, weighted by the time spent in each."""
        return sum(rate * stay for rate, stay in zip(self.rates, self.stays, strict=True)) / sum(self.stays)

    def pieces(self, chance: Generator, horizon: float) -> Iterator[Floats]:
        """Yield Poisson arrivals stay by stay, beginning in a state by the share of time that it has."""
        weights = np.cumsum(self.stays) / sum(self.stays)
        state, now = int(np.searchsorted(weights, chance.random(), side="right")), 0.0
        while now < horizon:
            end = now + float(chance.exponential(self.stays[state]))
            yield from _evenly(chance, self.rates[state], now, min(end, horizon))
            now, state = end, (state + 1) % len(self.rates)


@dataclass(frozen=True, slots=True)
class Batches:
    """Arrivals in groups: each arrival of `groups` is `size` at once, or geometric with that mean."""

    groups: Arrivals
    size: float
    fixed: bool = True

    def rate(self, horizon: float) -> float:
        """Return the groups' rate times their size."""
        return self.groups.rate(horizon) * self.size

    def pieces(self, chance: Generator, horizon: float) -> Iterator[Floats]:
        """Yield each group's instant as often as it has members."""
        for piece in self.groups.pieces(chance, horizon):
            sizes = round(self.size) if self.fixed else chance.geometric(1 / self.size, piece.size)
            yield np.repeat(piece, sizes)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Arrivals by a cron schedule: `each` of them at every instant that it names, time zone and clock changes included.

    `begin` is the date, with its time zone, at which the simulation begins.
    """

    cron: str
    begin: datetime
    each: int = 1

    def rate(self, horizon: float) -> float:
        """Return the number of arrivals until `horizon`, divided by it."""
        return sum(1 for _ in self._instants(horizon)) * self.each / horizon

    def pieces(self, chance: Generator, horizon: float) -> Iterator[Floats]:
        """Yield the schedule's instants; there is no chance in them."""
        for instant in self._instants(horizon):
            yield np.full(self.each, instant)

    def _instants(self, horizon: float) -> Iterator[float]:
        for moment in CronSim(self.cron, self.begin):
            passed = moment.timestamp() - self.begin.timestamp()
            if passed >= horizon:
                return
            yield passed


@dataclass(frozen=True, slots=True)
class Trace:
    """Recorded arrivals again, `speed` times as fast; they end with the recording."""

    times: Floats
    speed: float = 1.0

    @classmethod
    def of(cls, times: Sequence[float] | Floats, speed: float = 1.0) -> Trace:
        """Return the replay of recorded instants (seconds), the first of them at 0. Raises ValueError for none."""
        recorded = np.sort(np.asarray(times, dtype=np.float64))
        if not recorded.size:
            raise ValueError("the recording has no arrivals")
        return cls(recorded - recorded[0], speed)

    def rate(self, horizon: float) -> float:
        """Return the number of arrivals until `horizon`, divided by it."""
        return int(np.searchsorted(self.times, horizon * self.speed)) / horizon

    def pieces(self, chance: Generator, horizon: float) -> Iterator[Floats]:
        """Yield the recorded instants; there is no chance in them."""
        until = int(np.searchsorted(self.times, horizon * self.speed))
        for start in range(0, until, PIECE):
            yield self.times[start : min(start + PIECE, until)] / self.speed


def _evenly(chance: Generator, per_second: float, start: float, end: float) -> Iterator[Floats]:
    if per_second <= 0:
        return
    now = start
    while now < end:
        expected = per_second * (end - now)
        count = min(PIECE, math.ceil(expected + 4 * math.sqrt(expected)) + 4)
        times = now + np.cumsum(chance.exponential(1 / per_second, count))
        now = float(times[-1])
        yield times[: np.searchsorted(times, end)]
