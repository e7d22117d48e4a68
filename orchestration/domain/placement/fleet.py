"""Nodes, what stands on them, and the one account of both.

Always true of a `Fleet`: an instance stands on one node; what a node holds is the sum of what its instances need;
nothing is placed where it does not fit. A node may hold more than it has only if it was made smaller afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..capacity.vector import NOTHING, Capacity
from ..errors import Conflict, InvariantViolated, NotFound
from ..health import HEALTHY, UNHEALTHY
from ..lifecycle import ACTIVE, DRAINING

MAINTENANCE = "maintenance"
OFFLINE = "offline"
NODE_STATES = (ACTIVE, MAINTENANCE, DRAINING, OFFLINE)
"""`active` takes newcomers; `maintenance` keeps what it has and takes none; `draining` is to be emptied; `offline` is
not there: what stands on it does not run."""

NODE = "node"
"""The smallest domain to be spread over, near in or apart in; every other one is the name of an attribute."""


@dataclass(frozen=True, slots=True)
class Node:
    """A machine: what it has, its state and health, what it is (`tags`) and where (`attributes`, like a zone)."""

    id: str
    capacity: Capacity
    state: str = ACTIVE
    health: str = HEALTHY
    tags: frozenset[str] = frozenset()
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def takes(self) -> bool:
        """Say whether anything new may be placed here."""
        return self.state == ACTIVE and self.health != UNHEALTHY

    def domain(self, within: str) -> str:
        """Return the domain that it lies in: itself, or the value of an attribute ('' if it has none)."""
        return self.id if within == NODE else self.attributes.get(within, "")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A wish about instances of `service` on the same node, or in the same domain, as `within` says.

    A wish that is not `required` counts in the score and refuses nothing.
    """

    service: str
    within: str = NODE
    required: bool = True


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a place must be: a node with all of `tags` and `attributes`; near to some services and apart from others."""

    tags: frozenset[str] = frozenset()
    attributes: Mapping[str, str] = field(default_factory=dict)
    near: tuple[Neighbour, ...] = ()
    apart: tuple[Neighbour, ...] = ()


NO_CONSTRAINTS = Constraints()


@dataclass(frozen=True, slots=True)
class Instance:
    """What is to be placed, or was: one instance of `service`, what it needs, where it may stand.

    `running` False: it was placed and has not begun to serve. `cost` is what it costs to move it, where that is known.
    """

    id: str
    service: str
    needs: Capacity
    constraints: Constraints = NO_CONSTRAINTS
    running: bool = True
    cost: float | None = None


class Fleet:
    """All nodes and what stands on them. Copies are cheap enough to try something out."""

    __slots__ = ("_attached", "_counts", "_held", "_node_of", "_nodes", "_repelled", "_residents")

    def __init__(self, nodes: Iterable[Node], placed: Iterable[tuple[Instance, str]] = ()) -> None:
        """Make a fleet of nodes and of pairs of an instance and the id of its node.

        What is placed already is believed, even where a node is too small for it by now. Raises Conflict for an id
        that is given twice, NotFound for a node that is not there.
        """
        self._nodes: dict[str, Node] = {}
        self._held: dict[str, Capacity] = {}
        self._residents: dict[str, dict[str, Instance]] = {}
        self._node_of: dict[str, str] = {}
        self._counts: dict[tuple[str, str], int] = {}
        # Who has a word about a service, in the order of coming: sets that keep their order.
        self._repelled: dict[str, dict[str, None]] = {}
        self._attached: dict[str, dict[str, None]] = {}
        for node in nodes:
            self.add_node(node)
        for instance, node_id in placed:
            self._stand(instance, self.node(node_id))

    def copy(self) -> Fleet:
        """Return a fleet that changes by itself."""
        other = Fleet(())
        other._nodes = dict(self._nodes)
        other._held = dict(self._held)
        other._residents = {name: dict(each) for name, each in self._residents.items()}
        other._node_of = dict(self._node_of)
        other._counts = dict(self._counts)
        other._repelled = {name: dict(each) for name, each in self._repelled.items()}
        other._attached = {name: dict(each) for name, each in self._attached.items()}
        return other

    # Nodes

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes in the order of their ids."""
        return tuple(self._nodes[each] for each in sorted(self._nodes))

    def node(self, node_id: str) -> Node:
        """Return a node. Raises NotFound."""
        node = self._nodes.get(node_id)
        if node is None:
            raise NotFound(f"there is no node {node_id}", node=node_id)
        return node

    def add_node(self, node: Node) -> None:
        """Add a node that holds nothing. Raises Conflict if there is one of that id."""
        if node.state not in NODE_STATES:
            raise InvariantViolated(f"node {node.id} is {node.state}; a node is {', '.join(NODE_STATES)}")
        if node.id in self._nodes:
            raise Conflict(f"there is a node {node.id} already", node=node.id)
        self._nodes[node.id] = node
        self._held[node.id] = NOTHING
        self._residents[node.id] = {}

    def change_node(self, node_id: str, *, state: str | None = None, health: str | None = None) -> None:
        """Give a node another state or health; what stands on it stays. Raises NotFound."""
        node = self.node(node_id)
        if state is not None and state not in NODE_STATES:
            raise InvariantViolated(f"node {node_id} cannot be {state}; a node is {', '.join(NODE_STATES)}")
        self._nodes[node_id] = replace(node, state=state or node.state, health=health or node.health)

    def held(self, node_id: str) -> Capacity:
        """Return what the instances on a node need together."""
        return self._held[node_id]

    def free(self, node_id: str) -> Capacity:
        """Return what a node has left."""
        return self._nodes[node_id].capacity.free_of(self._held[node_id])

    # Instances

    def on(self, node_id: str) -> tuple[Instance, ...]:
        """Return what stands on a node, in the order of ids."""
        residents = self._residents[node_id]
        return tuple(residents[each] for each in sorted(residents))

    def instances(self) -> Iterator[tuple[Instance, str]]:
        """Yield each instance and the id of its node, node by node."""
        for node in self.nodes:
            for instance in self.on(node.id):
                yield instance, node.id

    def node_of(self, instance_id: str) -> str | None:
        """Return the id of the node that an instance stands on, None if it is not placed."""
        return self._node_of.get(instance_id)

    def instance(self, instance_id: str) -> Instance:
        """Return an instance that is placed. Raises NotFound."""
        node_id = self._node_of.get(instance_id)
        if node_id is None:
            raise NotFound(f"instance {instance_id} is not placed", instance=instance_id)
        return self._residents[node_id][instance_id]

    def place(self, instance: Instance, node_id: str) -> None:
        """Have an instance stand on a node. Raises Conflict where it does not fit or is placed already."""
        node = self.node(node_id)
        lacking = instance.needs.lacking(self.free(node_id))
        if lacking:
            said = f"{instance.id} needs {instance.needs}; node {node_id} has {self.free(node_id)} left"
            raise Conflict(said, node=node_id, instance=instance.id, lacking=list(lacking))
        self._stand(instance, node)

    def remove(self, instance_id: str) -> Instance:
        """Take an instance away and return it. Raises NotFound."""
        instance = self.instance(instance_id)
        node = self._nodes[self._node_of.pop(instance_id)]
        del self._residents[node.id][instance_id]
        self._held[node.id] -= instance.needs
        self._count(instance.service, node.id, -1)
        for neighbour in instance.constraints.apart:
            self._repelled[neighbour.service].pop(instance_id, None)
        for neighbour in instance.constraints.near:
            self._attached[neighbour.service].pop(instance_id, None)
        return instance

    def place_back(self, instance: Instance, node_id: str) -> None:
        """Have an instance stand where it stood or where it may, whatever room there is; Conflict if it is placed."""
        self._stand(instance, self.node(node_id))

    def move(self, instance_id: str, node_id: str) -> None:
        """Have an instance stand on another node. Raises Conflict, and changes nothing, where it does not fit."""
        instance, node = self.instance(instance_id), self.node(node_id)
        if not instance.needs.fits(self.free(node_id)):
            raise Conflict(f"{instance_id} does not fit on node {node_id}", node=node_id, instance=instance_id)
        self.remove(instance_id)
        self._stand(instance, node)

    def begin_running(self, instance_id: str) -> None:
        """Take note that an instance serves from now on. Raises NotFound."""
        instance = self.instance(instance_id)
        self._residents[self._node_of[instance_id]][instance_id] = replace(instance, running=True)

    def count(self, service: str, within: str, domain: str) -> int:
        """Return how many instances of a service stand in a domain."""
        if within == NODE:
            return self._counts.get((service, domain), 0)
        return sum(
            self._counts.get((service, node.id), 0) for node in self._nodes.values() if node.domain(within) == domain
        )

    def total(self, service: str) -> int:
        """Return how many instances of a service are placed."""
        return sum(count for (name, _), count in self._counts.items() if name == service)

    def running(self) -> dict[str, int]:
        """Return how many instances of each service run: those that have begun to, on nodes that are not offline."""
        found: dict[str, int] = {}
        for node in self._nodes.values():
            for instance in self._residents[node.id].values():
                if instance.running and node.state != OFFLINE:
                    found[instance.service] = found.get(instance.service, 0) + 1
        return found

    def attached(self, service: str) -> Iterator[tuple[Instance, Node, Neighbour]]:
        """Yield the instances that wish to be near to a service, their nodes and the wishes."""
        for instance_id in self._attached.get(service, ()):
            instance = self.instance(instance_id)
            for wish in instance.constraints.near:
                if wish.service == service:
                    yield instance, self._nodes[self._node_of[instance_id]], wish

    def repelled(self, service: str) -> Iterator[tuple[Instance, Node, Neighbour]]:
        """Yield the instances that wish to be apart from a service, their nodes and the wishes."""
        for instance_id in self._repelled.get(service, ()):
            instance = self.instance(instance_id)
            for wish in instance.constraints.apart:
                if wish.service == service:
                    yield instance, self._nodes[self._node_of[instance_id]], wish

    def _stand(self, instance: Instance, node: Node) -> None:
        if instance.id in self._node_of:
            said = f"{instance.id} stands on node {self._node_of[instance.id]} already"
            raise Conflict(said, instance=instance.id)
        self._node_of[instance.id] = node.id
        self._residents[node.id][instance.id] = instance
        self._held[node.id] += instance.needs
        self._count(instance.service, node.id, 1)
        for neighbour in instance.constraints.apart:
            self._repelled.setdefault(neighbour.service, {})[instance.id] = None
        for neighbour in instance.constraints.near:
            self._attached.setdefault(neighbour.service, {})[instance.id] = None

    def _count(self, service: str, node_id: str, change: int) -> None:
        self._counts[service, node_id] = self._counts.get((service, node_id), 0) + change
