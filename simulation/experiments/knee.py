"""Where latency turns up: the knee of a latency-against-load curve.

The knee is the load with the most power, load / latency (Kleinrock, "Power and deterministic rules of thumb for
probabilistic problems in computer communications", 1979): below it more load costs less than its share of latency,
above it more. There the elasticity, d ln latency / d ln load, passes 1. That does not depend on how far the curve was
drawn, as the place of the greatest bend does (Satopää, Albrecht, Irwin and Raghavan, "Finding a Kneedle in a Haystack",
2011). For M/M/1 it is at half of the capacity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MARK = 1.0
"""The elasticity at the knee."""


@dataclass(frozen=True, slots=True)
class Knee:
    """The load at the knee, and the latency there (in the curve's units)."""

    load: float
    latency: float


def elasticities(loads: Sequence[float], latencies: Sequence[float]) -> list[tuple[float, float]]:
    """Return (load, elasticity) between neighbours: by how much per cent latency grows with one per cent of load."""
    found = []
    for place in range(len(loads) - 1):
        low, high = loads[place], loads[place + 1]
        rise = math.log(latencies[place + 1] / latencies[place]) / math.log(high / low)
        found.append((math.sqrt(low * high), rise))
    return found


def knee_of(loads: Sequence[float], latencies: Sequence[float]) -> Knee | None:
    """Return the knee of a curve; None where it lies outside of what was looked at, or there are fewer than 3 points.

    `loads` ascend, both are above 0. Of several crossings the last one counts: what comes after it stays steep.
    """
    steep = elasticities(loads, latencies)
    above = next((place for place in range(len(steep), 0, -1) if steep[place - 1][1] < MARK), 0)
    if len(steep) < 2 or not 0 < above < len(steep):
        return None
    (low, flat), (high, rising) = steep[above - 1], steep[above]
    share = (MARK - flat) / (rising - flat)
    load = math.exp(math.log(low) + share * math.log(high / low))
    return Knee(load, _latency_at(load, loads, latencies))


def _latency_at(load: float, loads: Sequence[float], latencies: Sequence[float]) -> float:
    place = max(1, next(place for place, each in enumerate(loads) if each >= load or place == len(loads) - 1))
    low, high = loads[place - 1], loads[place]
    share = math.log(load / low) / math.log(high / low)
    return math.exp(math.log(latencies[place - 1]) + share * math.log(latencies[place] / latencies[place - 1]))
