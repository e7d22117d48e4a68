"""Closed forms: what simulations are checked against, and guides that are shown beside their results.

λ arrivals and μ services a second, a = λ/μ the load in servers, c servers, ρ = a/c. All times are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable


def erlang_b(servers: int, load: float) -> float:
    """Return the share of calls lost by `servers` without a queue (Erlang, 1917), by its recursion."""
    lost = 1.0
    for count in range(1, servers + 1):
        lost = load * lost / (count + load * lost)
    return lost


def erlang_c(servers: int, load: float) -> float:
    """Return the probability of having to wait in M/M/c; 1 where the load is more than the servers bear."""
    if load >= servers:
        return 1.0
    lost = erlang_b(servers, load)
    return lost / (1 - load / servers * (1 - lost))


def mean_wait(servers: int, arrivals: float, services: float) -> float:
    """Return the mean wait of M/M/c, C / (cμ - λ); infinite at or above capacity."""
    spare = servers * services - arrivals
    return erlang_c(servers, arrivals / services) / spare if spare > 0 else math.inf


def wait_beyond(servers: int, arrivals: float, services: float, time: float) -> float:
    """Return the probability that M/M/c makes a job wait longer than `time`: C exp(-(cμ - λ) t)."""
    spare = servers * services - arrivals
    return erlang_c(servers, arrivals / services) * math.exp(-spare * time) if spare > 0 else 1.0


def response_beyond(servers: int, arrivals: float, services: float, time: float) -> float:
    """Return the probability that wait and service in M/M/c take longer than `time`."""
    spare = servers * services - arrivals
    if spare <= 0:
        return 1.0
    waits = erlang_c(servers, arrivals / services)
    alone = math.exp(-services * time)
    if abs(spare - services) < 1e-12 * services:
        return alone * (1 + waits * services * time)
    return alone + waits * services / (services - spare) * (math.exp(-spare * time) - alone)


def percentile_of(beyond: Callable[[float], float], share: float) -> float:
    """Return the time that only 1 - `share` take longer than, from `beyond(time)`, by bisection."""
    low, high = 0.0, 1.0
    while beyond(high) > 1 - share:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle) > 1 - share else (low, middle)
    return high


def pollaczek_khinchine(arrivals: float, mean: float, scv: float) -> float:
    """Return the mean wait of M/G/1: ρ/(1 - ρ) · (1 + scv)/2 · mean."""
    busy = arrivals * mean
    return busy / (1 - busy) * (1 + scv) / 2 * mean if busy < 1 else math.inf


def allen_cunneen(servers: int, arrivals: float, mean: float, arrival_scv: float, service_scv: float) -> float:
    """Return about the mean wait of G/G/c: that of M/M/c times (ca² + cs²)/2."""
    return mean_wait(servers, arrivals, 1 / mean) * (arrival_scv + service_scv) / 2


def limited_room(servers: int, room: int, arrivals: float, services: float) -> tuple[float, float, float]:
    """Return of M/M/c/K: the share that is turned away, the mean number inside, and the mean wait of those let in."""
    weights = [1.0]
    for inside in range(1, room + 1):
        weights.append(weights[-1] * arrivals / (services * min(inside, servers)))
    total = math.fsum(weights)
    shares = [weight / total for weight in weights]
    within = math.fsum(place * share for place, share in enumerate(shares))
    waiting = math.fsum(max(0, place - servers) * share for place, share in enumerate(shares))
    return shares[-1], within, waiting / (arrivals * (1 - shares[-1]))


def closed_users(users: int, think: float, service: float, servers: int) -> tuple[float, float]:
    """Return throughput and mean response time of `users` who think, then use one of `servers` (exponential both)."""
    weights = [1.0]
    for inside in range(1, users + 1):
        weights.append(weights[-1] * (users - inside + 1) / think * service / min(inside, servers))
    total = math.fsum(weights)
    busy = math.fsum(min(place, servers) * weight for place, weight in enumerate(weights)) / total
    throughput = busy / service
    return throughput, users / throughput - think


def abandonment(servers: int, arrivals: float, services: float, patience_rate: float) -> tuple[float, float]:
    """Return of M/M/c with patience of rate θ (Erlang A): the share that leaves, and the mean wait of all."""
    weight = total = 1.0
    waiting = 0.0
    place = 0
    while weight > 1e-18 * total or place < arrivals / services:
        place += 1
        weight *= arrivals / (min(place, servers) * services + max(0, place - servers) * patience_rate)
        total += weight
        waiting += max(0, place - servers) * weight
    mean = waiting / total
    return patience_rate * mean / arrivals, mean / arrivals


def two_priorities(rates: tuple[float, float], services: float) -> tuple[float, float]:
    """Return the mean waits of two classes on one exponential server that does not interrupt (Cobham, 1954)."""
    first, both = rates[0] / services, sum(rates) / services
    left = both / services
    return left / (1 - first), left / ((1 - first) * (1 - both))


def two_priorities_preempting(rates: tuple[float, float], services: float) -> tuple[float, float]:
    """Return the mean time of two classes beside their service where the first interrupts the second."""
    first, both = rates[0] / services, sum(rates) / services
    urgent = 1 / services / (1 - first)
    other = 1 / services / (1 - first) + both / services / ((1 - first) * (1 - both))
    return urgent - 1 / services, other - 1 / services


def makespan_of_items(items: int, limit: int) -> float:
    """Return the expected makespan of exponential items of mean 1, `limit` at once: (n - c)/c + H_c."""
    return (items - limit) / limit + math.fsum(1 / place for place in range(1, limit + 1))


def attempts_of(failure: float, most: int) -> tuple[float, float]:
    """Return the expected attempts of at most `most`, and the probability that all of them fail."""
    return (1 - failure**most) / (1 - failure), failure**most


def servers_for(enough: Callable[[int], bool], load: float) -> int:
    """Return the least number of servers above the load that is `enough`."""
    servers = math.floor(load) + 1
    while not enough(servers):
        servers += 1
    return servers
