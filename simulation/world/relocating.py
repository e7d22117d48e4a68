"""Instances that are moved, drained off nodes and replaced by new versions: thin processes round the domain's plans.

Every change is make-before-break: a new instance is placed and starts up, and only when it serves does the old one stop
taking calls and leave, once its last call has ended. The moves of a plan are made in their order, one after the other;
one that the world has overtaken (its instance or its place is gone) ends the plan, and the next one begins anew.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from simpy.events import Event

from orchestration.domain.lifecycle import ACTIVE, DRAINING
from orchestration.domain.limits import MICROSECONDS
from orchestration.domain.placement.admission import may_stand
from orchestration.domain.placement.fleet import Instance
from orchestration.domain.rebalance.planning import Move, Rules, plan
from orchestration.domain.rebalance.standing import Marks

from .cluster import Cluster
from .cluster_models import Deploy, Drain, NodeFailures, NodeOutage
from .service import Service

Process = Generator[Event, Any, None]

AGAIN = 10.0
"""After how many seconds it is looked again whether what had no room has room now."""


class Relocating:
    """What moves the instances of a cluster. One plan is carried out at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._shell = cluster.shell
        self._under_way = False

    def begin(self) -> None:
        """Begin all that is to happen to nodes and instances."""
        model, process = self.cluster.model, self._shell.env.process
        if model.rebalancing is not None:
            process(self._rebalancing(model.rebalancing.interval))
        for outage in model.outages:
            process(self._outage(outage))
        for drain in model.drains:
            process(self._drain(drain))
        for service in self.cluster.services.values():
            for version, deploy in enumerate(service.model.deploys, start=1):
                process(self._deploy(service, deploy, version))

    # Plans

    def rules(self, marks: Marks | None) -> Rules:
        """Return what the domain plans by."""
        cluster = self.cluster
        rebalancing = cluster.model.rebalancing
        return Rules(
            marks=marks,
            budget=None if rebalancing is None else rebalancing.budget,
            strategy=cluster.model.strategy,
            minimum={name: service.model.minimum for name, service in cluster.services.items()},
        )

    def _rebalancing(self, interval: float) -> Process:
        assert self.cluster.model.rebalancing is not None
        marks = self.cluster.model.rebalancing.marks
        while True:
            yield self._after(interval)
            yield from self._carry_out(marks)

    def _carry_out(self, marks: Marks | None) -> Process:
        if self._under_way:
            return
        self._under_way = True
        for move in plan(self.cluster.fleet, self.rules(marks)).moves:
            made = yield from self._move(move)
            if not made:
                self.cluster.dropped += 1
                break
        self._under_way = False

    def _move(self, move: Move) -> Generator[Event, Any, bool]:
        cluster = self.cluster
        if not self._still_fits(move):
            return False
        newcomer = replace(cluster.newcomer(move.service), running=False)
        serves = yield from self._start(newcomer, move.target)
        if not serves or move.instance not in cluster.stations:
            return False
        yield from self._stop(move.instance)
        cluster.moved += 1
        return True

    def _still_fits(self, move: Move) -> bool:
        fleet = self.cluster.fleet
        if fleet.node_of(move.instance) != move.source or move.instance not in self.cluster.stations:
            return False
        if self.cluster.stations[move.instance].retire is not None:
            return False
        old = fleet.remove(move.instance)
        fits = may_stand(fleet, old, fleet.node(move.target))
        fleet.place_back(old, move.source)
        return fits

    def _start(self, newcomer: Instance, node: str) -> Generator[Event, Any, bool]:
        settled = self._shell.env.event()
        self.cluster.start(newcomer, node, lambda serves: _tell(settled, serves))
        serves: bool = yield settled
        return serves

    def _stop(self, instance_id: str) -> Process:
        left = self._shell.env.event()
        self.cluster.retire(instance_id, lambda: _tell(left, True))
        yield left

    # Nodes

    def _outage(self, outage: NodeOutage) -> Process:
        yield self._after(outage.at)
        self.cluster.fail(outage.node)
        if outage.lasts is not None:
            yield self._after(outage.lasts)
            self.cluster.bring_back(outage.node)

    def failing(self, node: str, failures: NodeFailures, chance: Any) -> Process:
        """Have a node fail and come back, again and again, by chance."""
        while True:
            yield self._after(chance.exponential(failures.every))
            self.cluster.fail(node)
            yield self._after(chance.exponential(failures.lasts))
            self.cluster.bring_back(node)

    def _drain(self, drain: Drain) -> Process:
        cluster = self.cluster
        yield self._after(drain.at)
        cluster.change(drain.node, DRAINING)
        until = None if drain.lasts is None else self._shell.now + round(drain.lasts * MICROSECONDS)
        while until is None or self._shell.now < until:
            if cluster.fleet.on(drain.node):
                yield from self._carry_out(None)
            elif until is None:
                return
            yield self._after(AGAIN)
        cluster.change(drain.node, ACTIVE)

    # Deploys

    def _deploy(self, service: Service, deploy: Deploy, version: int) -> Process:
        yield self._after(deploy.at)
        service.version = version
        while True:
            old = [each for each in self._old(service, version) if self._leaves(each)]
            if not old:
                if not self._old(service, version):
                    return
                yield self._after(AGAIN)
                continue
            replaced = [self._shell.env.process(self._replace(service, each)) for each in old[: deploy.at_once]]
            before = self._shell.now
            yield from replaced
            if self._shell.now == before:
                yield self._after(AGAIN)

    def _old(self, service: Service, version: int) -> list[str]:
        cluster = self.cluster
        return [
            each.id
            for each, _ in cluster.fleet.instances()
            if each.service == service.model.name and cluster.versions[each.id] < version
        ]

    def _leaves(self, instance_id: str) -> bool:
        station = self.cluster.stations.get(instance_id)
        return station is not None and station.retire is None and not station.down

    def _replace(self, service: Service, instance_id: str) -> Process:
        """Replace one instance: by one beside it where there is room, else, above the minimum, in its place."""
        cluster = self.cluster
        newcomer = cluster.newcomer(service.model.name)
        node = cluster.decide(newcomer)
        if node is None:
            if sum(each.retire is None for each in service.stations) <= service.model.minimum:
                return
            yield from self._stop(instance_id)
            cluster.deployed += 1
            node = cluster.decide(newcomer)
            serves = False
            if node is not None:
                serves = yield from self._start(newcomer, node)
            if not serves:
                cluster.wait_for_room(service.model.name)
            return
        serves = yield from self._start(newcomer, node)
        if serves and self._leaves(instance_id):
            yield from self._stop(instance_id)
            cluster.deployed += 1

    def _after(self, time: float) -> Event:
        return self._shell.env.timeout(round(time * MICROSECONDS))


def _tell(event: Event, value: bool) -> None:
    if not event.triggered:
        event.succeed(value)
