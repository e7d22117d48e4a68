"""How many calls a service serves at once, told from how its times grow with load.

What is recorded of a call is waiting and service together. If calls are served first come first served at `c` places,
call i begins service at max(aᵢ, the c-th latest end among the calls that came before it), as all but c - 1 of those
must have ended; the rest of its time is service (the same recursion that Kiefer and Wolfowitz gave in 1955 to
simulate such a queue, read backwards; Larson, "The queue inference engine", Management Science 36, 1990, has the
general question). With too few places times come out negative, with too many they still grow with load. The smallest
number of places at which neither is so is the service's, and the times that come out are its times without the
waiting.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from heapq import heappush, heappushpop

import numpy as np

from simulation.streams import Floats

from .dependence import NOTABLE, Correlation, Instants, correlation, loads

MOST_PLACES = 1024
MOST_TRACED = 4_000
"""Calls that numbers of places are tried on."""

MOST_TRIED = 16
"""Numbers of places that are tried from the smallest possible one on."""

MOST_IMPOSSIBLE = 0.02
"""Share of calls that may come out with no time of service: the instants are the platform's, not the service's."""

LEAST_BUSY = 0.1
"""Share of the calls that must have found all places taken, or nothing is known of how many there are."""


@dataclass(frozen=True, slots=True)
class Places:
    """How the times go with load, and the places found; `count` None: nothing says how many there are.

    `service` are the calls' times without waiting (seconds), in the order given; `most` is the highest load seen.
    """

    load: Correlation | None
    count: int | None
    most: int
    service: Floats


def infer_places(began: Instants, ended: Instants) -> Places:
    """Return what the instants (microseconds) at which calls began and ended say of how many are served at once."""
    whole = (ended - began) / 1e6
    load = loads(began, ended)
    most = int(load.max(initial=0)) + 1
    found = correlation(load, whole)
    if found is None or not found.notable or found.rho < 0:
        return Places(found, None, most, whole)
    count = _explaining(began, ended, whole, load, min(most, MOST_PLACES))
    service = whole if count is None else np.maximum(service_times(began, ended, count), 0.0)
    return Places(found, count, most, service)


def _explaining(began: Instants, ended: Instants, whole: Floats, load: Floats, most: int) -> int | None:
    """Return the smallest number of places, at most `most`, that explains how the times grow with load; None: none."""
    # Calls in a row from the middle: what their places are the others' are.
    order = np.argsort(began, kind="stable")
    first = max(0, (order.size - MOST_TRACED) // 2)
    chosen = order[first : first + MOST_TRACED]
    began, ended, whole, load = began[chosen], ended[chosen], whole[chosen], load[chosen]

    def possible(count: int) -> bool:
        return float((service_times(began, ended, count) <= 0.02 * whole).mean()) <= MOST_IMPOSSIBLE

    # With more places every time is longer, so what is possible stays so.
    least = bisect_left(range(1, most + 1), True, key=possible) + 1
    for count in range(least, min(least + MOST_TRIED, most + 1)):
        service = service_times(began, ended, count)
        left = correlation(load, service)
        if float((service < 0.98 * whole).mean()) >= LEAST_BUSY and (left is None or abs(left.rho) < NOTABLE):
            return count
    return None


def service_times(began: Instants, ended: Instants, places: int) -> Floats:
    """Return each call's time without waiting (seconds; negative where it could not have been so), for `places`."""
    order = np.argsort(began, kind="stable")
    latest: list[int] = []
    times = np.empty(began.size)
    for place in order.tolist():
        begin, end = int(began[place]), int(ended[place])
        free = latest[0] if len(latest) == places else begin
        times[place] = (end - max(begin, free)) / 1e6
        if len(latest) < places:
            heappush(latest, end)
        else:
            heappushpop(latest, end)
    return times
