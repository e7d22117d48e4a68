"""How many replications are enough: until the interval is narrow, at least ten, at most what time allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .intervals import CONFIDENCE, Interval, mean_interval

REPLICATIONS = 20
LEAST_REPLICATIONS = 10


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """Stop when the half-width is at most `target` of the mean, after `least` replications, in any case at `most`."""

    target: float = 0.05
    least: int = LEAST_REPLICATIONS
    most: int = 200
    confidence: float = CONFIDENCE

    def narrow(self, interval: Interval) -> bool:
        """Say whether the interval is narrow enough, and rests on enough replications."""
        return interval.count >= self.least and interval.relative <= self.target

    def more(self, interval: Interval) -> int:
        """Return about how many more replications make it narrow: the width falls with the root of their number."""
        if self.narrow(interval):
            return 0
        if not math.isfinite(interval.relative):
            return self.most - interval.count
        wanted = math.ceil(interval.count * (interval.relative / self.target) ** 2)
        return max(1, self.least - interval.count, wanted - interval.count)


@dataclass(frozen=True, slots=True)
class Replicated:
    """What replications came to. `narrow` False: the cap or the clock stopped them, and the interval says how wide."""

    values: tuple[float, ...]
    interval: Interval
    narrow: bool


def replicate(
    one: Callable[[int], float],
    rule: StoppingRule = StoppingRule(),
    in_time: Callable[[], bool] = lambda: True,
) -> Replicated:
    """Call `one(replication)` for 0, 1, 2 … until the rule is satisfied.

    `in_time` is asked before each one; once it says no, what there is is returned as it is (two at least are made).
    """
    values = [one(0), one(1)]
    while True:
        interval = mean_interval(values, rule.confidence)
        if rule.narrow(interval):
            return Replicated(tuple(values), interval, narrow=True)
        if len(values) >= rule.most or not in_time():
            return Replicated(tuple(values), interval, narrow=False)
        values.append(one(len(values)))
