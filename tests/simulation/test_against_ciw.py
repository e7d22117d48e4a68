"""A second opinion: the same jobs in Ciw, another simulator, with the same arrivals, services and patience.

Twenty paired seeds; what both find must be the same within ±2 % (two one-sided tests at 5 %).
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from simulation.pools.pool import Luck, Pool, PoolRules
from simulation.service_models.distributions import Exponential, sample
from simulation.statistics.comparison import equivalence
from simulation.streams import Streams

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ciw = pytest.importorskip("ciw")

SEEDS, JOBS, MARGIN = 20, 1500, 0.02


class Drawn(ciw.dists.Distribution):
    """Gives each individual what was drawn for it, in the order of its arrival."""

    def __init__(self, values):
        self.values = values

    def sample(self, t=None, ind=None):
        """Return the value of the individual, who are numbered from 1."""
        return self.values[ind.id_number - 1]


class Gaps(ciw.dists.Distribution):
    """Gives the gaps between the arrivals of one class, and then none any more."""

    def __init__(self, instants):
        self.gaps = iter([*np.diff([0.0, *instants]).tolist(), float("inf")])

    def sample(self, t=None, ind=None):
        """Return the next gap."""
        return next(self.gaps)


def drawn(seed, rate):
    streams = Streams(seed)
    arrivals = np.cumsum(sample(Exponential(1 / rate), streams.generator("arrivals"), JOBS))
    services = sample(Exponential(1.0), streams.generator("service"), JOBS)
    patience = sample(Exponential(2.0), streams.generator("patience"), JOBS)
    classes = (streams.generator("class").random(JOBS) < 0.6).astype(int)
    return arrivals, services, patience, classes


def ours(seed, rate, *, servers, impatient=False, ranked=False, room=None):
    arrivals, services, patience, classes = drawn(seed, rate)
    luck = Luck(
        lambda job, number: float(services[job]),
        patience=(lambda job, number: float(patience[job])) if impatient else None,
    )
    served = Pool(PoolRules(servers, room=room), luck).run(arrivals.tolist(), classes.tolist() if ranked else None)
    return {"wait": float(np.mean(served.waits)), "lost": (served.blocked + served.abandoned) / JOBS}


def theirs(seed, rate, *, servers, impatient=False, ranked=False, room=None):
    arrivals, services, patience, classes = drawn(seed, rate)
    names = ["urgent", "other"] if ranked else ["urgent"]
    of = {name: arrivals[classes == place] if ranked else arrivals for place, name in enumerate(names)}
    network = ciw.create_network(
        arrival_distributions={name: [Gaps(of[name])] for name in names},
        service_distributions={name: [Drawn(services)] for name in names},
        number_of_servers=[servers],
        priority_classes={name: place for place, name in enumerate(names)},
        reneging_time_distributions={name: [Drawn(patience) if impatient else None] for name in names},
        queue_capacities=[float("inf") if room is None else room - servers],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(float(arrivals[-1]) + 1000)
    records = simulation.get_all_records()
    waits = [each.waiting_time for each in records if each.record_type in ("service", "renege")]
    lost = sum(each.record_type in ("rejection", "renege") for each in records)
    return {"wait": float(np.mean(waits)), "lost": lost / JOBS}


CASES = {
    "plain": ({"rate": 1.6, "servers": 2}, ["wait"]),
    "priorities": ({"rate": 0.7, "servers": 1, "ranked": True}, ["wait"]),
    "impatience": ({"rate": 2.2, "servers": 2, "impatient": True}, ["wait", "lost"]),
    "limited room": ({"rate": 2.2, "servers": 2, "room": 6}, ["wait", "lost"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_it_finds_what_another_simulator_finds(case):
    rules, measures = CASES[case]
    one = [ours(seed, **rules) for seed in range(SEEDS)]
    other = [theirs(seed, **rules) for seed in range(SEEDS)]
    for measure in measures:
        found = equivalence([each[measure] for each in one], [each[measure] for each in other], MARGIN)
        assert found.equivalent, f"{measure}: {found.difference}"
