"""Where latency turns up: the load with the most power, load / latency.

Below it, more load costs less than its share of latency, above it more: there the elasticity d ln latency / d ln load
passes 1 (Kleinrock, "Power and deterministic rules of thumb for probabilistic problems in computer communications",
1979). For M/M/1 that is half of the capacity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise


def knee_of(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Return the load and the latency at the knee of a curve of (load, latency), by ascending load, all above 0.

    Between points both are taken as powers of one another. None where the knee lies outside of what was looked at.
    """
    steep = [
        (math.sqrt(low * high), math.log(after / before) / math.log(high / low))
        for (low, before), (high, after) in pairwise(points)
    ]
    last = max((place for place, (_, rise) in enumerate(steep) if rise < 1), default=-1)
    if last < 0 or last + 1 >= len(steep):
        return None
    (low, flat), (high, rising) = steep[last], steep[last + 1]
    load = low * (high / low) ** ((1 - flat) / (rising - flat))
    return load, _latency_at(load, points)


def _latency_at(load: float, points: Sequence[tuple[float, float]]) -> float:
    for (low, before), (high, after) in pairwise(points):
        if load <= high:
            return before * (after / before) ** (math.log(load / low) / math.log(high / low))
    return points[-1][1]
