"""How long each job waits for one of c equal servers, first come first served.

One server: Lindley's recursion W' = max(0, W + S - A), all jobs at once, as the distance of a walk from its lowest
point so far. Several: Kiefer's and Wolfowitz' recursion, a heap of the instants at which servers come free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapreplace

import numpy as np

from simulation.streams import Floats

PIECE = 65_536


def waits(arrivals: Floats, services: Floats, servers: int) -> Floats:
    """Return each job's wait (seconds). `arrivals` are ascending instants, `services` times, both one per job."""
    if servers == 1:
        return _lindley(arrivals, services)
    free = [0.0] * servers
    waited = np.empty(arrivals.size)
    for start in range(0, arrivals.size, PIECE):
        end = start + PIECE
        # A piece at a time: lists of Python's floats are fast, and far larger than arrays.
        waited[start:end] = _one_by_one(arrivals[start:end].tolist(), services[start:end].tolist(), free)
    return waited


def in_pieces(pieces: Iterable[tuple[Floats, Floats]], servers: int) -> Iterator[tuple[Floats, Floats]]:
    """Yield waits and service times (seconds) piece by piece, of (arrivals, services): a run may be longer than memory.

    A piece finds the servers as the one before left them.
    """
    free = [0.0] * servers
    for arrivals, services in pieces:
        yield np.array(_one_by_one(arrivals.tolist(), services.tolist(), free)), services


def _lindley(arrivals: Floats, services: Floats) -> Floats:
    steps = np.empty(arrivals.size)
    if arrivals.size:
        steps[0] = 0.0
        np.subtract(services[:-1], np.diff(arrivals), out=steps[1:])
    walk = np.cumsum(steps)
    return walk - np.minimum(np.minimum.accumulate(walk), 0.0)


def _one_by_one(arrivals: Iterable[float], services: Iterable[float], free: list[float]) -> list[float]:
    waited: list[float] = []
    add = waited.append
    for arrival, service in zip(arrivals, services, strict=True):
        soonest = free[0]
        if soonest <= arrival:
            heapreplace(free, arrival + service)
            add(0.0)
        else:
            heapreplace(free, soonest + service)
            add(soonest - arrival)
    return waited
