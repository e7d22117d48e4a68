"""What is told of a cluster when a replication is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestration.domain.capacity.vector import RESOURCES, share_of
from orchestration.domain.limits import MICROSECONDS

from .cluster import Cluster
from .host import Host

Course = tuple[tuple[float, float], ...]
"""A value over time: from each instant (seconds) on it is so much."""


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """What was seen of a node. `held` is the mean share of each resource that its instances need, `cpu` the mean share
    of its CPU that calls want, `up` the share of the time in which it was there; `course` is its fullest resource.
    """

    held: Mapping[str, float]
    cpu: float
    up: float
    course: Course


@dataclass(frozen=True, slots=True)
class ClusterFigures:
    """What was seen of a cluster.

    `moved` instances changed nodes by plan, `dropped` moves were overtaken by events, `placed_anew` were lost with
    their nodes, `deployed` replaced by a new version. `unplaced` is how many waited for room, on average over the
    time; `why` is the last reason that the domain gave for refusing one.
    """

    nodes: Mapping[str, NodeFigures]
    moved: int
    dropped: int
    placed_anew: int
    deployed: int
    unplaced: float
    most_unplaced: int
    course: Course
    why: str


def figures_of(cluster: Cluster, begun_at: int, now: int) -> ClusterFigures:
    """Return what was seen of a cluster from `begun_at` until `now`."""
    instants = [*cluster.instants, now]
    spans = zip(instants, instants[1:], cluster.unplaced, strict=False)
    area = sum((after - before) * count for before, after, count in spans)
    return ClusterFigures(
        nodes={name: _node(host, now) for name, host in cluster.hosts.items()},
        moved=cluster.moved,
        dropped=cluster.dropped,
        placed_anew=cluster.placed_anew,
        deployed=cluster.deployed,
        unplaced=area / max(1, now - begun_at),
        most_unplaced=max(cluster.unplaced),
        course=_course(cluster.instants, cluster.unplaced, begun_at),
        why=cluster.why,
    )


def _node(host: Host, now: int) -> NodeFigures:
    host.measure(now)
    length = max(1, now - host.begun_at)
    held = zip(RESOURCES, host.held_area, host.whole.amounts, strict=True)
    return NodeFigures(
        held={name: share_of(area, whole * length) for name, area, whole in held},
        cpu=share_of(host.demand_area, host.cpu * length),
        up=1 - host.down_area / length,
        course=_course(host.instants, host.shares, host.begun_at),
    )


def _course(instants: Sequence[int], values: Sequence[float], begun_at: int) -> Course:
    """Return a course; of several values at one instant the last one counts."""
    found: dict[int, float] = {}
    for instant, value in zip(instants, values, strict=True):
        found[instant] = float(value)
    return tuple(((instant - begun_at) / MICROSECONDS, value) for instant, value in found.items())
