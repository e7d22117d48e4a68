"""Nodes and what happens to them, as plain values. Times are seconds, instants seconds from the beginning."""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.domain.capacity.vector import Capacity
from orchestration.domain.placement.fleet import Node
from orchestration.domain.placement.placing import BY_ROOM, Strategy
from orchestration.domain.quantities import MAX_QUANTITY
from orchestration.domain.rebalance.standing import Marks


@dataclass(frozen=True, slots=True)
class NodeOutage:
    """At `at` a node is gone for `lasts` seconds (None: for good), and all that ran on it."""

    node: str
    at: float
    lasts: float | None = None


@dataclass(frozen=True, slots=True)
class NodeFailures:
    """Nodes of a pool fail by themselves: after exponential times of mean `every`, for `lasts` seconds on average."""

    nodes: tuple[str, ...]
    every: float
    lasts: float


@dataclass(frozen=True, slots=True)
class Drain:
    """From `at` on a node is draining; after `lasts` seconds (None: never) it takes instances again."""

    node: str
    at: float
    lasts: float | None = None


@dataclass(frozen=True, slots=True)
class Deploy:
    """From `at` on a service's instances are replaced by a new version, `at_once` at a time.

    Its calls take `slower` times as long, and a share of `failing` of them fails; None: as many as before.
    """

    at: float
    at_once: int = 1
    slower: float = 1.0
    failing: float | None = None


@dataclass(frozen=True, slots=True)
class Rebalancing:
    """Every `interval` seconds the domain plans with `marks` and at most `budget` moves (None: any number)."""

    marks: Marks
    interval: float
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class ClusterModel:
    """Nodes, how instances are placed on them, and what happens to them.

    `detect` is after how many seconds a node that answers nobody is given up and what ran on it is placed anew.
    """

    nodes: tuple[Node, ...]
    strategy: Strategy = BY_ROOM
    detect: float = 30.0
    rebalancing: Rebalancing | None = None
    outages: tuple[NodeOutage, ...] = ()
    failures: tuple[NodeFailures, ...] = ()
    drains: tuple[Drain, ...] = ()


BOUNDLESS = ClusterModel(
    (Node("anywhere", Capacity(MAX_QUANTITY, MAX_QUANTITY, MAX_QUANTITY, MAX_QUANTITY)),), detect=0.0
)
"""Where deploys happen in a world without nodes: there is always room, and nobody is slowed by neighbours."""
