"""Fleets that tests of placement and rebalancing begin with, and random ones."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from orchestration.domain.capacity.vector import Capacity
from orchestration.domain.health import HEALTHY, UNHEALTHY
from orchestration.domain.lifecycle import ACTIVE, DRAINING
from orchestration.domain.placement.fleet import NODE, NODE_STATES, Constraints, Fleet, Instance, Neighbour, Node
from orchestration.domain.placement.placing import STRATEGIES, Strategy, place
from orchestration.domain.rebalance.planning import Rules
from orchestration.domain.rebalance.standing import DeviationMarks, FixedMarks

SERVICES = ("mail", "pay", "ship")
ZONES = ("a", "b", "")


def node(name, cpu=1000, memory=0, **rules):
    """Return a node of so many millicores and bytes; `zone` is an attribute."""
    zone = rules.pop("zone", "")
    return Node(name, Capacity(cpu, memory), attributes={"zone": zone} if zone else {}, **rules)


def instance(name, cpu=100, memory=0, **rules):
    """Return an instance; its service is its name up to the last dash."""
    return Instance(name, name.rpartition("-")[0], Capacity(cpu, memory), **rules)


def fleet(*nodes, **placed):
    """Return a fleet of nodes; `placed` are lists of instances by the id of their node."""
    return Fleet(nodes, [(each, where) for where, row in placed.items() for each in row])


def described(given):
    """Return who stands where."""
    return {each.id: where for each, where in given.instances()}


@dataclass(frozen=True)
class Drawn:
    """A random fleet and random rules. Sizes are drawn by Hypothesis, which shrinks them; the rest by the seed."""

    fleet: Fleet
    rules: Rules


def _constraints(chance):
    def neighbours(share):
        if chance.random() > share:
            return ()
        return (Neighbour(chance.choice(SERVICES), chance.choice((NODE, "zone")), chance.random() < 0.6),)

    return Constraints(
        tags=frozenset({"fast"} if chance.random() < 0.15 else ()),
        attributes={"zone": "a"} if chance.random() < 0.1 else {},
        near=neighbours(0.2),
        apart=neighbours(0.25),
    )


def _filled(chance, nodes, instances):
    fleet = Fleet(nodes)
    how = Strategy(chance.choice(STRATEGIES), chance.choice((NODE, "zone")))
    for number in range(instances):
        service = chance.choice(SERVICES)
        needs = Capacity(chance.randint(0, 9), chance.randint(0, 9), 0, chance.randint(0, 2))
        cost = chance.choice((None, None, 1.0, 3.0))
        each = Instance(f"{service}-{number}", service, needs, _constraints(chance), chance.random() < 0.9, cost)
        where = place(fleet, each, how).node
        if where is not None:
            fleet.place(each, where)
    return fleet


def _rules(chance):
    one, other = sorted(chance.choice(range(11)) / 10 for _ in range(2))
    return Rules(
        marks=chance.choice((None, FixedMarks(other, one), FixedMarks(0.6, 0.5), DeviationMarks(one / 4, other / 4))),
        budget=chance.choice((None, None, 0, 1, 2, 4)),
        strategy=Strategy(chance.choice(STRATEGIES), chance.choice((NODE, "zone"))),
        minimum={each: chance.randint(0, 4) for each in SERVICES if chance.random() < 0.2},
    )


@st.composite
def drawn(draw):
    """Return a fleet that the placement itself filled, and whose nodes then got any state and health."""
    count, instances = draw(st.integers(1, 6)), draw(st.integers(0, 24))
    chance = Random(draw(st.integers(0, 2**40)))
    nodes = [
        Node(
            f"n{number}",
            Capacity(chance.randint(0, 30), chance.randint(5, 30), 5, chance.randint(0, 12)),
            tags=frozenset({"fast"} if chance.random() < 0.5 else ()),
            attributes={"zone": zone} if (zone := chance.choice(ZONES)) else {},
        )
        for number in range(count)
    ]
    # At first some nodes are away, so that the others are full.
    away = {each.id for each in nodes if chance.random() < 0.3}
    filled = _filled(chance, [each for each in nodes if each.id not in away], instances)
    for each in nodes:
        if each.id in away:
            filled.add_node(each)
        state = chance.choice((ACTIVE, ACTIVE, ACTIVE, ACTIVE, DRAINING, *NODE_STATES))
        filled.change_node(each.id, state=state, health=UNHEALTHY if chance.random() < 0.1 else HEALTHY)
    return Drawn(filled, _rules(chance))
