"""Which place is the best: a written score for every node that may take an instance, a reason for every other one.

A score is a list of named parts, compared one after the other, higher is better; the first part in which two nodes
differ decides, and between equals the id of the node, so the same fleet gives the same answer whatever order it
is told in. With n(d) the instances of the same service in a domain d, and shares of a node's capacity counted as if the
instance stood there already:

    every strategy first    wishes   met - unmet wishes to be near or apart that are not required
    `least-loaded`          room     1 - the largest share over all resources
    `bin-pack`              fill     the mean share over the resources that the node has
    `spread`                domain   -n(domain);  node  -n(node);  room  as above

Least-loaded looks at the fullest resource, since that is what refuses the next one (the dominant share: Ghodsi and
others, 2011). Bin-packing is best-fit for vectors (Panigrahy and others, "Heuristics for Vector Bin Packing", 2011):
what leaves the least behind, so that nodes stay whole for what is large. Spreading loses the fewest of a service with
one domain: by counting first, domains differ by one at most while there is room everywhere.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .admission import Reason, fulfilled, may_stand, reasons_against
from .fleet import NODE, Fleet, Instance, Node

LEAST_LOADED = "least-loaded"
BIN_PACK = "bin-pack"
SPREAD = "spread"
STRATEGIES = (LEAST_LOADED, BIN_PACK, SPREAD)


@dataclass(frozen=True, slots=True)
class Strategy:
    """How the best place is found. `over` is the domain that `spread` spreads over: `node`, or an attribute."""

    name: str = LEAST_LOADED
    over: str = NODE

    def __post_init__(self) -> None:
        if self.name not in STRATEGIES:
            raise ValueError(f"there is no placement strategy {self.name}; there are {', '.join(STRATEGIES)}")


BY_ROOM = Strategy()
"""What holds where nothing was said: the least loaded node."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a score: what it is, its value (higher is better), and the words for it."""

    name: str
    value: float
    words: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node as a place for an instance: the parts of its score, or the reasons of its refusal."""

    node: str
    score: tuple[Part, ...] = ()
    refused: tuple[Reason, ...] = ()

    @property
    def values(self) -> tuple[float, ...]:
        """Return the score's values, as they are compared."""
        return tuple(each.value for each in self.score)

    def __str__(self) -> str:
        """Return the candidate as a line: its score with its parts, or why it was refused."""
        said = "; ".join(each.message for each in self.refused) or ", ".join(each.words for each in self.score)
        return f"{self.node}: {'refused, ' if self.refused else ''}{said}"


@dataclass(frozen=True, slots=True)
class Decision:
    """Where an instance goes (None: nowhere), and every node that was looked at: the best first, refused ones last."""

    instance: str
    node: str | None
    candidates: tuple[Candidate, ...] = field(repr=False)

    @property
    def able(self) -> tuple[str, ...]:
        """Return the nodes that may take it, the best first."""
        return tuple(each.node for each in self.candidates if not each.refused)

    @property
    def why(self) -> str:
        """Return why it stands where it does, or why it was not placed, as a sentence."""
        if self.node is not None:
            return f"{self.instance} goes to {self.candidates[0]}"
        if not self.candidates:
            return f"{self.instance} was not placed: there is no node"
        kinds = Counter(each.refused[0].code for each in self.candidates)
        counted = ", ".join(f"{count} by {code}" for code, count in sorted(kinds.items()))
        first = self.candidates[0].refused[0].message
        return f"{self.instance} was not placed: {len(self.candidates)} nodes refused it ({counted}); {first}"


def place(fleet: Fleet, instance: Instance, strategy: Strategy) -> Decision:
    """Return where an instance that is not in the fleet goes, with every node's score or refusal. Changes nothing."""
    taking, refusing = [], []
    for node in fleet.nodes:
        refused = reasons_against(fleet, instance, node)
        if refused:
            refusing.append(Candidate(node.id, refused=refused))
        else:
            taking.append(Candidate(node.id, score_of(fleet, instance, node, strategy)))
    # Sorting is stable, and the nodes come by id: the first of equals stays first.
    taking.sort(key=lambda each: each.values, reverse=True)
    return Decision(instance.id, taking[0].node if taking else None, (*taking, *refusing))


def best_of(fleet: Fleet, instance: Instance, nodes: tuple[Node, ...], strategy: Strategy) -> Node | None:
    """Return the best of some nodes (in the order of ids) for an instance, None if none may take it.

    The same choice as `place` makes, without the words for it.
    """
    best, highest = None, None
    for node in nodes:
        if may_stand(fleet, instance, node):
            values = values_of(fleet, instance, node, strategy)
            if highest is None or values > highest:
                best, highest = node, values
    return best


def values_of(fleet: Fleet, instance: Instance, node: Node, strategy: Strategy) -> tuple[float, ...]:
    """Return the values of an instance's score on a node, in the order in which they are compared."""
    wishes = float(_wishes(fleet, instance, node))
    after = fleet.held(node.id) + instance.needs
    if strategy.name == BIN_PACK:
        amounts = zip(after.amounts, node.capacity.amounts, strict=True)
        shares = [part / whole for part, whole in amounts if whole]
        return wishes, sum(shares) / len(shares) if shares else 0.0
    room = 1 - after.share(node.capacity)
    if strategy.name == LEAST_LOADED:
        return wishes, room
    domain = fleet.count(instance.service, strategy.over, node.domain(strategy.over))
    return wishes, -float(domain), -float(fleet.count(instance.service, NODE, node.id)), room


def score_of(fleet: Fleet, instance: Instance, node: Node, strategy: Strategy) -> tuple[Part, ...]:
    """Return an instance's score on a node with its parts named."""
    wishes, *rest = values_of(fleet, instance, node, strategy)
    parts = [Part("wishes", wishes, f"{wishes:+g} wishes")] if _has_wishes(instance) else [Part("wishes", 0.0, "")]
    if strategy.name == BIN_PACK:
        parts.append(Part("fill", rest[0], f"filled to {rest[0]:.1%} on average"))
    else:
        if strategy.name == SPREAD:
            where = f"{strategy.over} {node.domain(strategy.over) or 'unknown'}"
            parts.append(Part("domain", rest[0], f"{-rest[0]:g} of {instance.service} in {where}"))
            parts.append(Part("node", rest[1], f"{-rest[1]:g} on the node"))
        parts.append(Part("room", rest[-1], f"{rest[-1]:.1%} left of its fullest resource"))
    return tuple(each for each in parts if each.words)


def _has_wishes(instance: Instance) -> bool:
    constraints = instance.constraints
    return any(not each.required for each in (*constraints.near, *constraints.apart))


def _wishes(fleet: Fleet, instance: Instance, node: Node) -> int:
    near = [each for each in instance.constraints.near if not each.required]
    apart = [each for each in instance.constraints.apart if not each.required]
    met = [fulfilled(fleet, each, node) for each in near]
    kept = [not fleet.count(each.service, each.within, node.domain(each.within)) for each in apart]
    both = met + kept
    return 2 * sum(both) - len(both)
