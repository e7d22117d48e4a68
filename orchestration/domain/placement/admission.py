"""Whether an instance may stand on a node: every reason against it, in words.

Reasons come in the order in which people ask: is the node there, is it the right kind, who stands there, is there room.
Being apart counts both ways: a newcomer is refused also where somebody who stands there does not want it. A node that
lacks the attribute by which something is near or apart lies in no place that is known: nothing is near there, and
all such nodes count as one place for being apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..capacity.vector import told
from ..health import UNHEALTHY
from ..lifecycle import ACTIVE
from .fleet import NODE, Fleet, Instance, Neighbour, Node

STATE = "node.state"
HEALTH = "node.health"
TAG = "node.tag"
ATTRIBUTE = "node.attribute"
APART = "neighbour.apart"
NEAR = "neighbour.near"
ROOM = "node.room"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an instance may not stand on a node: a stable code and a sentence."""

    code: str
    message: str


def reasons_against(fleet: Fleet, instance: Instance, node: Node) -> tuple[Reason, ...]:
    """Return every reason against placing an instance, which is not in the fleet, on a node; none: it may."""
    return tuple(_reasons(fleet, instance, node))


def may_stand(fleet: Fleet, instance: Instance, node: Node) -> bool:
    """Say whether an instance that is not in the fleet may be placed on a node."""
    return (
        node.takes
        and instance.needs.fits(fleet.free(node.id))
        and next(_reasons_of_kind(instance, node), None) is None
        and next(_reasons_of_neighbours(fleet, instance, node), None) is None
    )


def fulfilled(fleet: Fleet, wish: Neighbour, node: Node) -> bool:
    """Say whether an instance of the wish's service stands in the node's domain."""
    domain = node.domain(wish.within)
    return bool(domain) and fleet.count(wish.service, wish.within, domain) > 0


@dataclass(frozen=True, slots=True)
class Missed:
    """Who would lack an instance that it must be near to, unless that one stands in this domain again."""

    instance: str
    within: str
    domain: str

    def remedied(self, node: Node) -> bool:
        """Say whether nobody is missed once the one that has left stands on a node."""
        return node.domain(self.within) == self.domain


def missed_by(fleet: Fleet, instance: Instance, source: Node) -> tuple[Missed, ...]:
    """Return who must be near to `instance`'s service and has nobody left, once it has left node `source`.

    The instance has left the fleet already.
    """
    found = []
    for other, place, wish in fleet.attached(instance.service):
        domain = place.domain(wish.within)
        others = fleet.count(wish.service, wish.within, domain) - (other.service == wish.service)
        if wish.required and domain and domain == source.domain(wish.within) and not others:
            found.append(Missed(other.id, wish.within, domain))
    return tuple(found)


def _reasons(fleet: Fleet, instance: Instance, node: Node) -> Iterator[Reason]:
    if node.state != ACTIVE:
        yield Reason(STATE, f"node {node.id} is {node.state}; only an active one takes something new")
    if node.health == UNHEALTHY:
        yield Reason(HEALTH, f"node {node.id} is unhealthy")
    yield from _reasons_of_kind(instance, node)
    yield from _reasons_of_neighbours(fleet, instance, node)
    free = fleet.free(node.id)
    for name in instance.needs.lacking(free):
        needed, there = told(name, getattr(instance.needs, name)), told(name, getattr(free, name))
        yield Reason(ROOM, f"node {node.id} has {name} {there} left, {needed} is needed")


def _reasons_of_kind(instance: Instance, node: Node) -> Iterator[Reason]:
    for tag in sorted(instance.constraints.tags - node.tags):
        yield Reason(TAG, f"node {node.id} lacks the tag {tag}")
    for name, value in sorted(instance.constraints.attributes.items()):
        has = node.attributes.get(name)
        if has != value:
            yield Reason(ATTRIBUTE, f"node {node.id} has {name} {has or 'unknown'}, {value} is asked for")


def _reasons_of_neighbours(fleet: Fleet, instance: Instance, node: Node) -> Iterator[Reason]:
    for wish in instance.constraints.apart:
        if wish.required and fleet.count(wish.service, wish.within, node.domain(wish.within)):
            yield Reason(APART, f"{_place(node, wish.within)} has an instance of {wish.service}, to be apart from")
    for other, place, wish in fleet.repelled(instance.service):
        if wish.required and place.domain(wish.within) == node.domain(wish.within):
            yield Reason(APART, f"{other.id} in {_place(node, wish.within)} is to be apart from {wish.service}")
    for wish in instance.constraints.near:
        # The first of those that are to be near to one another has nobody yet.
        alone = wish.service == instance.service and not fleet.total(wish.service)
        if wish.required and not alone and not fulfilled(fleet, wish, node):
            yield Reason(NEAR, f"{_place(node, wish.within)} has no instance of {wish.service}, to be near to")


def _place(node: Node, within: str) -> str:
    return f"node {node.id}" if within == NODE else f"{within} {node.domain(within) or 'unknown'}"
