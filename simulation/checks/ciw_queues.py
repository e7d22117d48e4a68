"""The queues of `second_opinion` in Ciw: its event loop, disciplines and shifts, with arrivals and times handed in.

Import it only where Ciw is installed: it is a dependency of development, not of the product.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from simulation.streams import Floats

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ciw

from .paired_queues import Drawn, Found, Rules

_TAIL = 1000.0
"""Seconds after the last arrival in which everybody is served."""


class _Times(ciw.dists.Distribution):
    """Gives each individual what was drawn for it, in the order of arrival: they are numbered from 1."""

    def __init__(self, values: Floats) -> None:
        self.values = values

    def sample(self, t: float | None = None, ind: Any = None) -> float:
        """Return the individual's own value."""
        return float(self.values[ind.id_number - 1])


class _Gaps(ciw.dists.Distribution):
    """Gives the gaps between the arrivals of one class, and then none any more."""

    def __init__(self, instants: Floats) -> None:
        self.gaps: Iterator[float] = iter([*np.diff([0.0, *instants]).tolist(), math.inf])

    def sample(self, t: float | None = None, ind: Any = None) -> float:
        """Return the next gap."""
        return next(self.gaps)


class StayingOn(ciw.Node):
    """A node in which a change of shift adds and takes away the difference only.

    Ciw's own node sends all servers home at a change, those who serve as soon as they are done, and brings in the whole
    next shift at once: until the old ones are done there are more than the schedule says. Here, as in a world, there
    are never more at work than before the change or than the schedule says, and whoever is done first goes home.
    """

    def take_servers_off_duty(self, preemption: bool | str = False) -> None:
        """Send home who is idle, and mark of the others so many as the schedule has no place for."""
        for server in [each for each in self.servers if not each.busy]:
            server.shift_end = self.next_event_date
            self.kill_server(server)
        for place, server in enumerate(self.servers):
            server.offduty = place >= self.c
            server.shift_end = self.next_event_date

    def add_new_servers(self, num_servers: int) -> None:
        """Bring in who is missing."""
        super().add_new_servers(max(0, num_servers - len(self.servers)))

    def detatch_server(self, server: Any, individual: Any) -> None:
        """Have the one who is done first go home, in place of whoever was to go."""
        other = next((each for each in self.servers if each.offduty and each is not server), None)
        if other is not None and not server.offduty:
            server.offduty, other.offduty = True, False
        super().detatch_server(server, individual)


def run(rules: Rules, drawn: Drawn, *, replacing: bool = False) -> Found:
    """Return what Ciw makes of the same arrivals and times; `replacing`: with its own rule at a change of shift."""
    names = ["urgent", "other"] if rules.ranked else ["urgent"]
    places = drawn.classes if rules.ranked else np.zeros(drawn.arrivals.size, dtype=np.int64)
    ranks: Any = {name: place for place, name in enumerate(names)}
    network = ciw.create_network(
        arrival_distributions={name: [_Gaps(drawn.arrivals[places == place])] for name, place in ranks.items()},
        service_distributions={name: [_Times(drawn.services)] for name in names},
        number_of_servers=[_shifts(rules) if rules.shifts else rules.servers],
        priority_classes=(ranks, ["resume" if rules.preempt else False]),
        reneging_time_distributions={name: [_Times(drawn.patience) if rules.impatient else None] for name in names},
        queue_capacities=[math.inf if rules.room is None else rules.room - rules.servers],
    )
    nodes = [StayingOn] if rules.shifts and not replacing else None
    simulation = ciw.Simulation(network, node_class=nodes)
    simulation.simulate_until_max_time(float(drawn.arrivals[-1]) + _TAIL)
    return _found(simulation.get_all_records(), rules, drawn)


def _shifts(rules: Rules) -> Any:
    ends = np.cumsum([lasts for lasts, _ in rules.shifts]).tolist()
    return ciw.Schedule(numbers_of_servers=[servers for _, servers in rules.shifts], shift_end_dates=ends)


def _found(records: Sequence[Any], rules: Rules, drawn: Drawn) -> Found:
    """Return the mean time between arrival and service less, by class, and the share that was not served."""
    ends = {each.id_number: each for each in records if each.record_type in ("service", "renege")}
    waits = [each.exit_date - each.arrival_date - _served(each, drawn) for each in ends.values()]
    lost = sum(each.record_type in ("rejection", "renege") for each in records)
    return Found.of(waits, [number - 1 for number in ends], lost, rules, drawn)


def _served(record: Any, drawn: Drawn) -> float:
    return float(drawn.services[record.id_number - 1]) if record.record_type == "service" else 0.0
