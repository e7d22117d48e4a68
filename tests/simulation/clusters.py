"""Small worlds with nodes that several tests simulate."""

from __future__ import annotations

from dataclasses import replace

from orchestration.domain.capacity.vector import Capacity
from orchestration.domain.placement.fleet import Node
from simulation.service_models.distributions import Fixed
from simulation.world.cluster_models import ClusterModel
from simulation.world.world import World
from tests.simulation.worlds import world

NEEDS = Capacity(500)


def nodes(count, cpu=2000):
    """Return nodes `a`, `b`, … of so many millicores, each in a zone of its own."""
    return tuple(Node(name, Capacity(cpu), attributes={"zone": name}) for name in "abcdefgh"[:count])


def cluster_world(count=2, *, cpu=2000, seconds=300.0, per_second=4.0, detect=20.0, services=(), **rules):
    """Return a world of one service of fixed 0.1 s, four instances of half a core each, on so many nodes."""
    of_cluster = {
        each: rules.pop(each) for each in ("strategy", "rebalancing", "outages", "failures", "drains") if each in rules
    }
    service = {"times": Fixed(0.1), "instances": 4, "needs": NEEDS, "start_up": 5.0, **rules}
    model = world(per_second=per_second, seconds=seconds, **service)
    return replace(
        model,
        services=(*model.services, *services),
        cluster=ClusterModel(nodes(count, cpu), detect=detect, **of_cluster),
    )


def live(model, until=None):
    """Return a world that ran to its end, or for so many seconds, and what it came to."""
    made = World(model, seed=1, replication=0)
    return made, made.run()


def standing(made):
    """Return how many instances stand on each node."""
    return {node.id: len(made.cluster.fleet.on(node.id)) for node in made.cluster.fleet.nodes}
