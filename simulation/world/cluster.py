"""Instances on nodes: placed by the domain, lost with their nodes, placed anew, moved and replaced.

The account of who stands where is the domain's `Fleet`, and every decision is the domain's: `place` for each newcomer,
`plan` for moves (`relocating`). Here is what time it takes and what becomes of calls. An instance holds its place from
the instant at which it is placed, serves once its start-up is over, and leaves when its last call has ended.

A node that fails is known to have failed after `detect` only. Its calls are lost at once (`connection`), probes find
out sooner, and until then placing may still choose it; what stands on it by then is placed anew. A node that is back
sooner starts what ran on it again. What finds no place waits for one, first come first served.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping

from orchestration.domain.lifecycle import ACTIVE
from orchestration.domain.limits import MICROSECONDS
from orchestration.domain.placement.fleet import OFFLINE, Fleet, Instance
from orchestration.domain.placement.placing import place

from . import faults
from .clock import Later
from .cluster_models import ClusterModel
from .host import Host
from .service import Service
from .shell import Shell
from .station import Station

Settled = Callable[[bool], None]
"""Told once whether a newcomer serves (True) or was lost before it did."""


class Cluster:
    """The nodes of a world and the instances on them."""

    def __init__(self, model: ClusterModel, services: Mapping[str, Service], shell: Shell) -> None:
        """Place every instance of the services; those that find no place wait for one."""
        self.model = model
        self.services = services
        self.fleet = Fleet(model.nodes)
        self.hosts = {node.id: Host(node, shell.now) for node in model.nodes}
        self.stations: dict[str, Station] = {}
        self.versions: dict[str, int] = {}
        self.placed_anew = self.moved = self.dropped = self.deployed = 0
        self.why = ""
        self.instants, self.unplaced = array("q", [shell.now]), array("q", [0])
        self._waiting: list[str] = []
        self._numbers = dict.fromkeys(services, 0)
        self._settled: dict[str, Settled] = {}
        self._shell = shell
        for name, service in services.items():
            for _ in range(service.model.instances):
                self._place_or_wait(name, at_once=True)

    @property
    def shell(self) -> Shell:
        """Return the shell whose clock this goes by."""
        return self._shell

    # Placing

    def newcomer(self, service: str) -> Instance:
        """Return an instance of a service's latest version, not placed yet."""
        model = self.services[service].model
        self._numbers[service] += 1
        return Instance(f"{service}-{self._numbers[service]}", service, model.needs, model.constraints, running=False)

    def decide(self, newcomer: Instance) -> str | None:
        """Return the node that the domain would place an instance on, None if there is none."""
        decision = place(self.fleet, newcomer, self.model.strategy)
        if decision.node is None:
            self.why = decision.why
        return decision.node

    def start(self, newcomer: Instance, node: str, settled: Settled | None = None, *, at_once: bool = False) -> None:
        """Place an instance on a node and have it start up there; `settled` is told what came of it."""
        service = self.services[newcomer.service]
        self.fleet.place(newcomer, node)
        self._account(node)
        self.versions[newcomer.id] = service.version
        if settled is not None:
            self._settled[newcomer.id] = settled
        if at_once:
            self._serves(newcomer.id)
        else:
            self._shell.after(round(service.model.start_up * MICROSECONDS), self._started, newcomer.id)

    def retire(self, instance_id: str, then: Callable[[], None] | None = None) -> None:
        """Have an instance take no more calls, and leave once its last one has ended."""
        station = self.stations[instance_id]
        service = self.services[self.fleet.instance(instance_id).service]

        def left(gone: Station) -> None:
            gone.retire = None
            if instance_id in self.stations:
                self.remove(instance_id)
                self.place_waiting()
            if then is not None:
                then()

        station.retire = left
        service.let_drain(station)
        if not station.inside:
            left(station)

    def remove(self, instance_id: str) -> None:
        """Take an instance off its node and out of its service, whatever it was doing."""
        node = self.fleet.node_of(instance_id)
        assert node is not None
        instance = self.fleet.remove(instance_id)
        self._account(node)
        station = self.stations.pop(instance_id, None)
        if station is not None:
            self.services[instance.service].remove(station)
        settled = self._settled.pop(instance_id, None)
        if settled is not None:
            settled(False)

    def place_waiting(self) -> None:
        """Place those that wait for room, as far as there is some."""
        waiting, self._waiting = self._waiting, []
        for service in waiting:
            self._place_or_wait(service)
        self._note_unplaced()

    def waiting(self, service: str) -> int:
        """Return how many instances of a service have no place."""
        return self._waiting.count(service)

    def wait_for_room(self, service: str) -> None:
        """Have one more instance of a service wait for room."""
        self._waiting.append(service)
        self.place_waiting()

    def _place_or_wait(self, service: str, *, at_once: bool = False) -> None:
        newcomer = self.newcomer(service)
        node = self.decide(newcomer)
        if node is None:
            self._waiting.append(service)
        else:
            self.start(newcomer, node, at_once=at_once)
        self._note_unplaced()

    def _started(self, happening: Later) -> None:
        instance_id: str = happening._value
        node = self.fleet.node_of(instance_id)
        if node is None or self.hosts[node].down or instance_id in self.stations:
            return
        self._serves(instance_id)

    def _serves(self, instance_id: str) -> None:
        node = self.fleet.node_of(instance_id)
        assert node is not None
        self.fleet.begin_running(instance_id)
        service = self.services[self.fleet.instance(instance_id).service]
        self.stations[instance_id] = service.add(instance_id, self.hosts[node], self.versions[instance_id])
        settled = self._settled.pop(instance_id, None)
        if settled is not None:
            settled(True)

    # Nodes

    def fail(self, node: str) -> None:
        """Have a node fail: what ran on it answers nobody any more, and what it did is lost."""
        host = self.hosts[node]
        if host.down:
            return
        host.measure(self._shell.now)
        host.down = True
        for instance in self.fleet.on(node):
            station = self.stations.get(instance.id)
            if station is not None:
                service = self.services[instance.service]
                service.lose(station)
                self._shell.env.process(faults.probing(self._shell, service, station))
        since = host.down_since = self._shell.now
        self._shell.after(round(self.model.detect * MICROSECONDS), lambda _: self._detected(host, since))

    def bring_back(self, node: str) -> None:
        """Have a node that failed come back, empty if it was given up already."""
        host = self.hosts[node]
        if not host.down:
            return
        host.measure(self._shell.now)
        host.down = False
        if self.fleet.node(node).state == OFFLINE:
            self.fleet.change_node(node, state=ACTIVE)
            self.place_waiting()
            return
        for instance in self.fleet.on(node):
            start_up = self.services[instance.service].model.start_up
            self._shell.after(round(start_up * MICROSECONDS), self._again, instance.id)

    def change(self, node: str, state: str) -> None:
        """Give a node another state, unless it is offline."""
        if self.fleet.node(node).state != OFFLINE:
            self.fleet.change_node(node, state=state)
            self.place_waiting()

    def _again(self, happening: Later) -> None:
        instance_id: str = happening._value
        node, station = self.fleet.node_of(instance_id), self.stations.get(instance_id)
        if node is None or self.hosts[node].down:
            return
        if station is None:
            self._serves(instance_id)
        elif station.retire is not None:
            station.retire(station)
        else:
            self.services[self.fleet.instance(instance_id).service].bring_back(station)

    def _detected(self, host: Host, since: int) -> None:
        if not host.down or host.down_since != since:
            return
        self.fleet.change_node(host.id, state=OFFLINE)
        lost = self.fleet.on(host.id)
        for instance in lost:
            retiring = instance.id in self.stations and self.stations[instance.id].retire is not None
            settles = instance.id in self._settled
            self._give_up(instance.id)
            # What was leaving anyway, and what was to take another's place, is not missed.
            if not retiring and not settles:
                self.placed_anew += 1
                self._waiting.append(instance.service)
        self.place_waiting()

    def _give_up(self, instance_id: str) -> None:
        station = self.stations.get(instance_id)
        then = None if station is None else station.retire
        self.remove(instance_id)
        if station is not None and then is not None:
            then(station)

    # Figures

    def _account(self, node: str) -> None:
        self.hosts[node].holds(self.fleet.held(node), self._shell.now)

    def _note_unplaced(self) -> None:
        count = len(self._waiting)
        if count != self.unplaced[-1]:
            self.instants.append(self._shell.now)
            self.unplaced.append(count)
