"""What befalls services: outages, and spells of slowness that several share. Thin processes: wait, change one thing.

An instance that answers nobody is noticed by calls that fail and by probes; probes are judged by the domain's own code.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

import numpy as np
from simpy.events import Event

from orchestration.domain.calling.policy import DEFAULT_POLICY
from orchestration.domain.health import Thresholds, judge
from orchestration.domain.limits import MICROSECONDS

from .models import Outage, Slowness
from .service import Service
from .shell import Shell
from .station import Station

Process = Generator[Event, Any, None]


def outage(shell: Shell, service: Service, fault: Outage) -> Process:
    """Take capacity from a service's instances for a while."""
    yield shell.env.timeout(round(fault.at * MICROSECONDS))
    struck = service.stations[: fault.instances]
    for station in struck:
        station.measure(shell.now)
        station.capacity = int(station.full_capacity * fault.capacity)
        station.down = station.capacity == 0
        if station.down:
            shell.env.process(probing(shell, service, station))
    yield shell.env.timeout(round(fault.lasts * MICROSECONDS))
    for station in struck:
        if station.host is not None and station.host.down:
            continue
        station.measure(shell.now)
        station.capacity, station.down = station.full_capacity, False
        service.fill(station)


def probing(shell: Shell, service: Service, station: Station) -> Process:
    """Ask an instance that went down how it is, until it is settled again."""
    probe = (service.policy or DEFAULT_POLICY).probe
    thresholds = Thresholds(probe.rise, probe.fall)
    while station in service.stations:
        yield shell.env.timeout(probe.interval)
        station.measured_health = judge(station.measured_health, passed=not station.down, thresholds=thresholds)
        if station.measured_health.state != station.health:
            station.health = station.measured_health.state
            service.health_changed()
        if not station.down and station.measured_health.row >= probe.rise:
            return


def slowness(shell: Shell, services: Iterable[Service], spells: Slowness, chance: np.random.Generator) -> Process:
    """Make all calls of some services slower now and then, together."""
    struck = tuple(services)
    while True:
        yield shell.env.timeout(round(chance.exponential(spells.every) * MICROSECONDS))
        for service in struck:
            service.slow *= spells.factor
        yield shell.env.timeout(round(chance.exponential(spells.lasts) * MICROSECONDS))
        for service in struck:
            service.slow /= spells.factor
