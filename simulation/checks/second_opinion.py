"""A second opinion (case 22): the same jobs in Ciw, another simulator, with the same arrivals, times and patience.

Twenty paired seeds; what both find must be the same within ±2 % by two one-sided tests at 5 %. Plain queues, shifts and
limited rooms are those of a whole world, through the domain; the others those of the fast path.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import numpy as np

from simulation.arrivals.processes import Trace
from simulation.pools.pool import Luck, Pool, PoolRules
from simulation.service_models.distributions import Exponential
from simulation.statistics.comparison import equivalence
from simulation.world.load import Workload
from simulation.world.models import Outage, ServiceModel
from simulation.world.world import simulate

from .paired_queues import JOBS, Drawn, Found, Rules, draw
from .table import Check, left_out
from .worlds import SERVICE, WORKFLOW, world

SEEDS, MARGIN = 20, 0.02

CASES: dict[str, tuple[Rules, tuple[str, ...]]] = {
    "two servers": (Rules(1.6, 2), ("wait",)),
    "limited room": (Rules(2.2, 2, room=6), ("wait", "lost")),
    "shifts": (Rules(2.0, 4, shifts=((60.0, 4), (40.0, 1))), ("wait",)),
    "priorities": (Rules(0.7, 1, ranked=True), ("wait", "urgent", "other")),
    "pre-emptive priorities": (Rules(0.7, 1, ranked=True, preempt=True), ("wait", "urgent", "other")),
    "impatience": (Rules(2.2, 2, impatient=True), ("wait", "lost")),
}

_SAID = {
    "wait": "mean wait", "urgent": "mean wait of the urgent", "other": "mean wait of the others",
    "lost": "share not served",
}  # fmt: skip


def second_opinion(seed: int) -> Iterator[Check]:
    """Case 22: every queue of `CASES` here and in Ciw."""
    if find_spec("ciw") is None:
        yield left_out("22 the same in Ciw", "Ciw is not installed (it comes with the development dependencies)")
        return
    for name in CASES:
        yield from compared(name, seed)


def compared(name: str, seed: int, *, seeds: int = SEEDS) -> Iterator[Check]:
    """Yield what both find of one queue. Raises ImportError where Ciw is not installed."""
    from . import ciw_queues

    rules, figures = CASES[name]
    drawn = [draw(rules, seed + place) for place in range(seeds)]
    own = [ours(rules, each, seed + place) for place, each in enumerate(drawn)]
    others = [ciw_queues.run(rules, each) for each in drawn]
    for figure in figures:
        one, other = ([float(getattr(each, figure)) for each in found] for found in (own, others))
        yield _same(f"22 the same in Ciw, {name}: {_SAID[figure]}", one, other)


def _same(name: str, own: Sequence[float], others: Sequence[float]) -> Check:
    found = equivalence(own, others, MARGIN)
    scale = float(np.mean(others))
    interval = (scale * (1 + found.difference.low), scale * (1 + found.difference.high))
    return Check(name, scale, float(np.mean(own)), interval, found.equivalent)


def ours(rules: Rules, drawn: Drawn, seed: int) -> Found:
    """Return what a world finds of one seed's jobs, or the fast path where it is asked."""
    return _in_a_world(rules, drawn, seed) if rules.whole else _fast(rules, drawn)


def _in_a_world(rules: Rules, drawn: Drawn, seed: int) -> Found:
    horizon = float(drawn.arrivals[-1]) + 1000.0
    service = ServiceModel(
        SERVICE, Exponential(1.0), capacity=rules.servers, room=rules.room, policy=None,
        outages=tuple(_fewer(rules, horizon)),
    )  # fmt: skip
    load = Workload("callers", WORKFLOW, Trace(drawn.arrivals))
    found = simulate(world(service, load, horizon=horizon), seed=seed).workloads["callers"]
    good = np.flatnonzero(found.good)
    return Found.of(found.times[good] - drawn.services[good], good.tolist(), JOBS - good.size, rules, drawn)


def _fewer(rules: Rules, horizon: float) -> Iterator[Outage]:
    """Yield the times of a schedule in which there are fewer servers than at most."""
    now = 0.0
    while rules.shifts and now < horizon:
        for lasts, servers in rules.shifts:
            if servers < rules.servers:
                yield Outage(now, lasts, servers / rules.servers)
            now += lasts


def _fast(rules: Rules, drawn: Drawn) -> Found:
    luck = Luck(
        lambda job, _: float(drawn.services[job]),
        patience=(lambda job, _: float(drawn.patience[job])) if rules.impatient else None,
    )
    pool = Pool(PoolRules(rules.servers, preempt=rules.preempt), luck)
    served = pool.run(drawn.arrivals.tolist(), drawn.classes.tolist() if rules.ranked else None)
    places = np.asarray(served.priorities)
    waits = np.asarray(served.waits)
    urgent, other = (float(waits[places == place].mean()) if rules.ranked else math.nan for place in (0, 1))
    return Found(float(waits.mean()), urgent, other, served.abandoned / JOBS)
