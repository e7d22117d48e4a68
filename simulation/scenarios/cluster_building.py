"""From what a scenario says of nodes to the nodes of a world."""

from __future__ import annotations

from typing import Any

from orchestration.domain.capacity.vector import NOTHING, Capacity
from orchestration.domain.errors import Problem
from orchestration.domain.limits import MICROSECONDS
from orchestration.domain.placement.fleet import NO_CONSTRAINTS, Constraints, Fleet, Instance, Neighbour, Node
from orchestration.domain.placement.placing import Strategy, place
from orchestration.domain.rebalance.standing import DeviationMarks, FixedMarks, Marks
from simulation.world.cluster_models import ClusterModel, Deploy, Drain, NodeFailures, NodeOutage, Rebalancing
from simulation.world.models import ServiceModel

from .cluster_language import CapacityOf, ConstraintsOf, NeighbourOf, RebalancingOf
from .language import Scenario, ScenarioInvalid, ServiceOf


def cluster_of(scenario: Scenario, services: tuple[ServiceModel, ...]) -> ClusterModel | None:
    """Return the nodes of a scenario, None if it has none.

    Raises ScenarioInvalid where the services' instances do not all find a place at the beginning.
    """
    if not scenario.nodes:
        return None
    model = ClusterModel(
        nodes=tuple(_nodes(scenario)),
        strategy=Strategy(scenario.placement.strategy, scenario.placement.over),
        detect=_seconds(scenario.placement.detect),
        rebalancing=_rebalancing(scenario.rebalancing),
        outages=tuple(NodeOutage(each.node, _seconds(each.at), _lasting(each.lasts)) for each in scenario.node_outages),
        failures=tuple(
            NodeFailures(
                tuple(f"{pool}-{number + 1}" for number in range(each.count)),
                _seconds(each.failures.every),
                _seconds(each.failures.lasts),
            )
            for pool, each in scenario.nodes.items()
            if each.failures is not None
        ),
        drains=tuple(Drain(each.node, _seconds(each.at), _lasting(each.lasts)) for each in scenario.drains),
    )
    _refuse_without_room(model, services)
    return model


def on_nodes(given: ServiceOf) -> dict[str, Any]:
    """Return what a scenario says of a service's instances on nodes, as the model of a service takes it."""
    return {
        "needs": NOTHING if given.needs is None else _capacity(given.needs),
        "constraints": NO_CONSTRAINTS if given.constraints is None else _constraints(given.constraints),
        "demand": given.demand,
        "start_up": _seconds(given.start_up),
        "minimum": given.minimum,
        "deploys": tuple(Deploy(_seconds(each.at), each.at_once, each.slower, each.failing) for each in given.deploys),
    }


def _nodes(scenario: Scenario) -> list[Node]:
    return [
        Node(
            f"{pool}-{number + 1}",
            _capacity(each),
            tags=frozenset(each.tags),
            attributes=dict(each.attributes),
        )
        for pool, each in scenario.nodes.items()
        for number in range(each.count)
    ]


def _refuse_without_room(model: ClusterModel, services: tuple[ServiceModel, ...]) -> None:
    """Place everything in thought, in the order in which the world does."""
    fleet = Fleet(model.nodes)
    for service in services:
        for number in range(service.instances):
            newcomer = Instance(f"{service.name}-{number + 1}", service.name, service.needs, service.constraints)
            decision = place(fleet, newcomer, model.strategy)
            if decision.node is None:
                path = f"services.{service.name}.instances"
                raise ScenarioInvalid(f"{path}: {decision.why}", [Problem(path, "nodes.no_room", decision.why)])
            fleet.place(newcomer, decision.node)


def _rebalancing(given: RebalancingOf | None) -> Rebalancing | None:
    if given is None:
        return None
    marks: Marks
    if given.high is not None and given.low is not None:
        marks = FixedMarks(given.high, given.low)
    else:
        assert given.above is not None
        assert given.below is not None
        marks = DeviationMarks(given.above, given.below)
    return Rebalancing(marks, _seconds(given.interval), given.budget)


def _capacity(given: CapacityOf) -> Capacity:
    return Capacity(given.cpu, given.memory, given.storage, given.network)


def _constraints(given: ConstraintsOf) -> Constraints:
    return Constraints(
        tags=frozenset(given.tags),
        attributes=dict(given.attributes),
        near=tuple(_neighbour(each) for each in given.near),
        apart=tuple(_neighbour(each) for each in given.apart),
    )


def _neighbour(given: NeighbourOf) -> Neighbour:
    return Neighbour(given.service, given.within, given.required)


def _seconds(duration: int) -> float:
    return duration / MICROSECONDS


def _lasting(duration: int | None) -> float | None:
    return None if duration is None else _seconds(duration)
