"""How well a fleet stands: what is left on draining nodes, and how far nodes are above their high mark.

With u(n, r) the share of resource r of node n that its instances need:

    stranded = the instances on draining nodes
    excess   = the sum over nodes n that stay and resources r of max(0, u(n, r) - high(r))

and of two fleets the one with fewer stranded instances stands better, among equals the one with less excess. Nodes that
are offline count for nothing: what stands there does not run, and cannot be moved.

Marks are the same for all nodes, or lie round the mean: high(r) = mean(r) + above, low(r) = mean(r) - below, where
mean(r) is what every node would have if all that runs were spread evenly over the nodes that stay. Moves do not
change that mean, so a plan is judged by the same marks as the next one. A resource so little used that low(r) would be
0 or less does not decide who is a target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..capacity.vector import RESOURCES, Capacity, share_of
from ..lifecycle import DRAINING
from ..placement.fleet import OFFLINE, Fleet, Node

HIGH, LOW = 0.8, 0.5
ABOVE, BELOW = 0.1, 0.1

FULLEST = 1_000.0
"""No share counts as more than that: a node may hold what it has nothing of, where it was made smaller."""

ALWAYS = float("inf")


@dataclass(frozen=True, slots=True)
class FixedMarks:
    """A node above `high` in any resource is a source, one below `low` in all a target. Shares from 0 to 1."""

    high: float = HIGH
    low: float = LOW

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            raise ValueError(f"marks are 0 <= low <= high <= 1, not low {self.low:g} and high {self.high:g}")


@dataclass(frozen=True, slots=True)
class DeviationMarks:
    """The marks are `above` and `below` the mean share of each resource."""

    above: float = ABOVE
    below: float = BELOW

    def __post_init__(self) -> None:
        if not (0 <= self.above <= 1 and 0 <= self.below <= 1):
            raise ValueError(f"deviations are from 0 to 1, not above {self.above:g} and below {self.below:g}")


Marks = FixedMarks | DeviationMarks


@dataclass(frozen=True, slots=True)
class Levels:
    """The marks of a fleet per resource, in the order of `RESOURCES`; without marks every node is between them."""

    high: tuple[float, ...] = (ALWAYS,) * len(RESOURCES)
    low: tuple[float, ...] = (0.0,) * len(RESOURCES)

    def above(self, shares: tuple[float, ...]) -> tuple[str, ...]:
        """Return the resources in which a node is above its high mark."""
        return tuple(name for name, share, high in zip(RESOURCES, shares, self.high, strict=True) if share > high)

    def below(self, shares: tuple[float, ...]) -> bool:
        """Say whether a node is below the low mark in all resources."""
        return all(share < low for share, low in zip(shares, self.low, strict=True))

    def excess(self, shares: tuple[float, ...]) -> float:
        """Return by how much a node is above its high marks, all resources together."""
        return sum(max(0.0, share - high) for share, high in zip(shares, self.high, strict=True))


@dataclass(frozen=True, slots=True, order=True)
class Standing:
    """How well a fleet stands; less is better."""

    stranded: int
    excess: float


def shares_of(held: Capacity, node: Node) -> tuple[float, ...]:
    """Return which shares of a node `held` is, in the order of `RESOURCES`."""
    amounts = zip(held.amounts, node.capacity.amounts, strict=True)
    return tuple(min(FULLEST, share_of(part, whole)) for part, whole in amounts)


def levels_of(fleet: Fleet, marks: Marks | None) -> Levels:
    """Return a fleet's marks per resource; None: nothing is ever too full, only draining nodes are emptied."""
    if marks is None:
        return Levels()
    if isinstance(marks, FixedMarks):
        return Levels((marks.high,) * len(RESOURCES), (marks.low,) * len(RESOURCES))
    means = _means(fleet)
    high = tuple(min(1.0, mean + marks.above) for mean in means)
    low = tuple(mean - marks.below if mean > marks.below else ALWAYS for mean in means)
    return Levels(high, low)


def standing_of(fleet: Fleet, levels: Levels) -> Standing:
    """Return how well a fleet stands."""
    stranded, excess = 0, 0.0
    for node in fleet.nodes:
        if node.state == DRAINING:
            stranded += len(fleet.on(node.id))
        elif node.state != OFFLINE:
            excess += levels.excess(shares_of(fleet.held(node.id), node))
    return Standing(stranded, excess)


def utilisation(fleet: Fleet) -> Mapping[str, Mapping[str, float]]:
    """Return which share of each resource of each node its instances need, by the nodes' ids."""
    return {node.id: dict(zip(RESOURCES, shares_of(fleet.held(node.id), node), strict=True)) for node in fleet.nodes}


def _means(fleet: Fleet) -> tuple[float, ...]:
    held, there = Capacity(), Capacity()
    for node in fleet.nodes:
        if node.state == OFFLINE:
            continue
        held += fleet.held(node.id)
        if node.state != DRAINING:
            there += node.capacity
    return tuple(min(1.0, share_of(part, whole)) for part, whole in zip(held.amounts, there.amounts, strict=True))
