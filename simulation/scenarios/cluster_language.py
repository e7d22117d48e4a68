"""What scenario files say of nodes: what they have, how instances are placed on them, and what happens to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestration.domain.definition.values import Cpu, Duration, Size
from orchestration.domain.errors import Problem
from orchestration.domain.placement.fleet import NODE

if TYPE_CHECKING:
    from .language import Scenario, ServiceOf

MOST_NODES = 1_000
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Whole = Annotated[int, Field(ge=1, le=MOST_NODES)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CapacityOf(_Part):
    """An amount of each resource: CPU, bytes, bytes, bit/s."""

    cpu: Cpu = 0
    memory: Size = 0
    storage: Size = 0
    network: Size = 0


class NodeFailuresOf(_Part):
    """Each of the nodes fails after exponential times of mean `every`, for exponential times of mean `lasts`."""

    every: Annotated[Duration, Field(gt=0)]
    lasts: Duration


class NodesOf(CapacityOf):
    """`count` nodes that are alike, named by their pool and a number: `small-1`, `small-2`, …"""

    count: Whole = 1
    tags: tuple[str, ...] = Field(default=(), strict=False)
    attributes: dict[str, str] = Field(default_factory=dict)
    failures: NodeFailuresOf | None = None


class NeighbourOf(_Part):
    """Instances of a service on the same node, or on nodes with the same attribute `within`."""

    service: str
    within: str = NODE
    required: bool = True


class ConstraintsOf(_Part):
    """What a place must be: tags and attributes of the node, and who is near there or not."""

    tags: tuple[str, ...] = Field(default=(), strict=False)
    attributes: dict[str, str] = Field(default_factory=dict)
    near: tuple[NeighbourOf, ...] = Field(default=(), strict=False)
    apart: tuple[NeighbourOf, ...] = Field(default=(), strict=False)


class DeployOf(_Part):
    """From `at` on all instances are replaced by a new version, `at_once` at a time."""

    at: Duration
    at_once: Whole = 1
    slower: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    failing: Share | None = None


class PlacementOf(_Part):
    """How the best node is found, and after how long a lost node is given up."""

    strategy: Literal["least-loaded", "bin-pack", "spread"] = "least-loaded"
    over: str = NODE
    detect: Duration = 30_000_000


class RebalancingOf(_Part):
    """How often instances are moved, at most how many, and off which nodes to which.

    By marks (`high`, `low`) that are the same for all nodes, or by how far (`above`, `below`) they are from the mean.
    """

    interval: Annotated[Duration, Field(gt=0)]
    budget: Annotated[int, Field(ge=0, le=100_000)] | None = None
    high: Share | None = None
    low: Share | None = None
    above: Share | None = None
    below: Share | None = None


class NodeOutageOf(_Part):
    """A node is gone from `at` for `lasts`, or for good."""

    node: str
    at: Duration
    lasts: Duration | None = None


class DrainOf(_Part):
    """A node is draining from `at` for `lasts`, or for good."""

    node: str
    at: Duration
    lasts: Duration | None = None


def node_names(nodes: Mapping[str, NodesOf]) -> list[str]:
    """Return the names of all nodes of some pools."""
    return [f"{pool}-{number + 1}" for pool, each in nodes.items() for number in range(each.count)]


def cluster_problems(scenario: Scenario) -> Iterator[Problem]:
    """Yield what contradicts itself or refers to nothing in what a scenario says of nodes."""
    yield from _without_nodes(scenario)
    names = node_names(scenario.nodes)
    if len(names) > MOST_NODES:
        yield Problem("nodes", "value.range", f"there are {len(names)} nodes; at most {MOST_NODES} are simulated")
    for key in ("node_outages", "drains"):
        for place, each in enumerate(getattr(scenario, key)):
            if scenario.nodes and each.node not in names:
                said = f"there is no node {each.node}; there are: {', '.join(names[:20])}"
                yield Problem(f"{key}[{place}].node", "reference.unknown", said)
    yield from _unknown_domain(scenario, scenario.placement.over, "placement.over")
    if scenario.rebalancing is not None:
        yield from _marks(scenario.rebalancing)
    for name, service in scenario.services.items():
        yield from _service(scenario, service, f"services.{name}")


def _without_nodes(scenario: Scenario) -> Iterator[Problem]:
    if scenario.nodes:
        return
    said = "there are no nodes in this scenario"
    for key in ("rebalancing", "node_outages", "drains"):
        if getattr(scenario, key):
            yield Problem(key, "reference.unknown", said)
    for name, service in scenario.services.items():
        for key in ("needs", "constraints", "demand"):
            if getattr(service, key):
                yield Problem(f"services.{name}.{key}", "reference.unknown", said)


def _service(scenario: Scenario, service: ServiceOf, path: str) -> Iterator[Problem]:
    if service.minimum > service.instances:
        said = f"there are {service.instances} instances; no more can run"
        yield Problem(f"{path}.minimum", "value.range", said)
    instants = [each.at for each in service.deploys]
    if instants != sorted(instants):
        yield Problem(f"{path}.deploys", "value.range", "deploys stand in the order of their instants")
    if service.constraints is None:
        return
    for key in ("near", "apart"):
        for place, each in enumerate(getattr(service.constraints, key)):
            here = f"{path}.constraints.{key}[{place}]"
            if each.service not in scenario.services:
                said = f"there is no service {each.service} in this scenario"
                yield Problem(f"{here}.service", "reference.unknown", said)
            yield from _unknown_domain(scenario, each.within, f"{here}.within")


def _unknown_domain(scenario: Scenario, within: str, path: str) -> Iterator[Problem]:
    known = sorted({name for each in scenario.nodes.values() for name in each.attributes})
    if within != NODE and within not in known:
        said = f"no node has an attribute {within}; there are: {', '.join([NODE, *known])}"
        yield Problem(path, "reference.unknown", said)


def _marks(given: RebalancingOf) -> Iterator[Problem]:
    by_marks = given.high is not None and given.low is not None
    by_mean = given.above is not None and given.below is not None
    some = [each for each in (given.high, given.low, given.above, given.below) if each is not None]
    if by_marks == by_mean or len(some) != 2:
        said = "nodes are judged by high and low, or by above and below the mean: one of the two pairs is needed"
        yield Problem("rebalancing", "key.combination", said)
    elif given.high is not None and given.low is not None and given.low > given.high:
        yield Problem("rebalancing.low", "value.range", f"the low mark is at most the high one, {given.high:g}")
