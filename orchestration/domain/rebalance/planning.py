"""Which instances move, in which order, so that draining nodes are emptied and full ones relieved.

A move is allowed where it keeps every constraint, fits while the old instance still stands (make-before-break: the new
one runs before the old one stops, so the number of running instances never falls), concerns a service that has its
minimum running, and makes the fleet stand better by itself (`standing`):

* off a draining node, to any node that takes it; to one that stays at or below its high marks if there is one;
* off a node above its high mark in some resource, to a node that was below the low mark in all of them and stays at
  or below the high ones, if that lessens the excess.

Plans are made by steepest descent: as long as a move is allowed, the best one is made in thought. Draining comes first;
then goes what gains most per cost. The fleet stands better after every step and there are finitely many ways to stand,
so it ends; and since what is allowed depends on the fleet alone, nothing is allowed where it ended:

    planning again after applying a plan that its budget did not cut gives an empty plan.

A plan that its budget cut says so (`cut`). Planning again goes on with it, and since every plan ends better than it
started, planning and applying in turn comes to an empty plan too.

Emptying a node is packing, and the cheapest first is not always the best packing. If some stay behind, the largest
first is tried as well, and the plan that ends better is taken. Moves are applied in the order of the plan: a later one
may need the room that an earlier one left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..capacity.vector import RESOURCES
from ..errors import Conflict
from ..lifecycle import DRAINING
from ..placement.admission import may_stand, missed_by
from ..placement.fleet import OFFLINE, Fleet, Instance, Node
from ..placement.placing import BY_ROOM, Strategy, best_of, place
from .standing import Levels, Marks, Standing, levels_of, shares_of, standing_of

LEAST_GAIN = 1e-9
"""A share so small is rounding."""

GIBIBYTE = 2**30


@dataclass(frozen=True, slots=True)
class Rules:
    """What a plan goes by. `marks` None: only draining nodes are sources. `budget` None: as many moves as it takes.

    `minimum` is how many instances of a service have to run for one of them to be moved at all.
    """

    marks: Marks | None = None
    budget: int | None = None
    strategy: Strategy = BY_ROOM
    minimum: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """One instance that goes from node `source` to `target`; `gain` is by how much less the excess is after it."""

    instance: str
    service: str
    source: str
    target: str
    cost: float
    gain: float
    why: str


@dataclass(frozen=True, slots=True)
class Left:
    """What a plan leaves as it is though it should not be so: an instance (empty: the whole node), and why."""

    node: str
    instance: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Moves in their order, how the fleet stands before and after them, and what they leave."""

    moves: tuple[Move, ...]
    before: Standing
    after: Standing
    cut: bool = False
    left: tuple[Left, ...] = ()

    @property
    def cost(self) -> float:
        """Return what all moves cost together."""
        return sum(each.cost for each in self.moves)


def plan(fleet: Fleet, rules: Rules) -> Plan:
    """Return the moves that make a fleet stand better, none if there are none. Changes nothing."""
    levels = levels_of(fleet, rules.marks)
    best = _Descent(fleet, rules, levels, largest_first=False)
    if best.standing.stranded and not best.cut:
        other = _Descent(fleet, rules, levels, largest_first=True)
        best = other if other.standing < best.standing else best
    before = standing_of(fleet, levels)
    if not best.standing < before:
        return Plan((), before, before, best.cut, _left(fleet, rules, levels))
    return Plan(
        moves=_written(fleet, best.steps, levels),
        before=before,
        after=best.standing,
        cut=best.cut,
        left=_left(best.fleet, rules, levels),
    )


def apply(fleet: Fleet, moves: tuple[Move, ...]) -> Fleet:
    """Return the fleet as it is after moves, in their order.

    Raises Conflict for the first move that no longer fits the fleet: its instance stands elsewhere, or may not stand
    on its target. The fleet given is unchanged.
    """
    after = fleet.copy()
    for move in moves:
        found = after.node_of(move.instance)
        if found != move.source:
            said = f"{move.instance} was to leave node {move.source}; it is {f'on {found}' if found else 'not placed'}"
            raise Conflict(said, instance=move.instance)
        if not _moved(after, move.instance, move.target):
            raise Conflict(f"{move.instance} may not stand on node {move.target} any more", instance=move.instance)
    return after


def cost_of(instance: Instance) -> float:
    """Return what it costs to move an instance: its own word, or 1 for the start and 1 for each GiB it fills anew."""
    if instance.cost is not None:
        return max(instance.cost, LEAST_GAIN)
    return 1 + (instance.needs.memory + instance.needs.storage) / GIBIBYTE


Step = tuple[str, str, str]
"""An instance, and the nodes that it leaves and goes to, by their ids."""


class _Descent:
    """One way down from a fleet: the steps, the fleet after them, and whether the budget ended it."""

    def __init__(self, fleet: Fleet, rules: Rules, levels: Levels, *, largest_first: bool) -> None:
        self.fleet = fleet.copy()
        self.steps: list[Step] = []
        self.cut = False
        self._begun = fleet
        self._rules = rules
        self._levels = levels
        self._largest_first = largest_first
        running = fleet.running()
        self._fixed = {service for service, least in rules.minimum.items() if running.get(service, 0) < least}
        self._descend()
        self.standing = standing_of(self.fleet, levels)

    def _descend(self) -> None:
        while (step := self._off_draining() or self._off_full()) is not None:
            steps = _merged(self._begun, self.steps, step)
            if self._rules.budget is not None and len(steps) > self._rules.budget:
                self.cut = True
                return
            self.steps = steps
            self.fleet.move(step[0], step[2])

    def _off_draining(self) -> Step | None:
        sources = [node for node in self.fleet.nodes if node.state == DRAINING]
        waiting = [(each, node) for node in sources for each in self.fleet.on(node.id) if self._may_move(each)]
        if self._largest_first:
            waiting.sort(key=lambda pair: (-pair[0].needs.share(pair[1].capacity), pair[0].id))
        else:
            waiting.sort(key=lambda pair: (cost_of(pair[0]), pair[0].id))
        takers = tuple(node for node in self.fleet.nodes if node.takes)
        return self._first(waiting, takers, overflowing=True)

    def _off_full(self) -> Step | None:
        takers, waiting = [], []
        for node in self.fleet.nodes:
            if node.state in (DRAINING, OFFLINE):
                continue
            shares = shares_of(self.fleet.held(node.id), node)
            if self._levels.above(shares):
                waiting += [
                    (gain / cost_of(each), each, node)
                    for each in self.fleet.on(node.id)
                    if self._may_move(each) and (gain := self._relief(each, node, shares)) > LEAST_GAIN
                ]
            elif node.takes and self._levels.below(shares):
                takers.append(node)
        waiting.sort(key=lambda found: (-found[0], found[1].id))
        return self._first([(each, node) for _, each, node in waiting], tuple(takers), overflowing=False)

    def _first(
        self, waiting: list[tuple[Instance, Node]], takers: tuple[Node, ...], *, overflowing: bool
    ) -> Step | None:
        """Return the step of the first instance for which there is a place."""
        if not takers:
            return None
        for instance, source in waiting:
            self.fleet.remove(instance.id)
            missed = missed_by(self.fleet, instance, source)
            able = tuple(node for node in takers if all(each.remedied(node) for each in missed)) if missed else takers
            target = self._target(instance, able, overflowing=overflowing)
            self.fleet.place_back(instance, source.id)
            if target is not None:
                return instance.id, source.id, target.id
        return None

    def _target(self, instance: Instance, takers: tuple[Node, ...], *, overflowing: bool) -> Node | None:
        excess = {node.id: self._levels.excess(self._with(instance, node)) for node in takers}
        calm = tuple(node for node in takers if not excess[node.id])
        found = best_of(self.fleet, instance, calm, self._rules.strategy)
        if found is not None or not overflowing:
            return found
        added = {
            node.id: excess[node.id] - self._levels.excess(shares_of(self.fleet.held(node.id), node)) for node in takers
        }
        able = [node for node in takers if may_stand(self.fleet, instance, node)]
        return min(able, key=lambda node: (added[node.id], node.id), default=None)

    def _with(self, instance: Instance, node: Node) -> tuple[float, ...]:
        return shares_of(self.fleet.held(node.id) + instance.needs, node)

    def _relief(self, instance: Instance, node: Node, shares: tuple[float, ...]) -> float:
        after = shares_of(self.fleet.held(node.id) - instance.needs, node)
        return self._levels.excess(shares) - self._levels.excess(after)

    def _may_move(self, instance: Instance) -> bool:
        return instance.running and instance.service not in self._fixed


def _moved(fleet: Fleet, instance_id: str, target: str) -> bool:
    """Have an instance stand on another node if it may; return whether it may. The fleet is unchanged otherwise."""
    source = fleet.node_of(instance_id)
    assert source is not None
    instance, node = fleet.remove(instance_id), fleet.node(target)
    allowed = may_stand(fleet, instance, node) and all(
        each.remedied(node) for each in missed_by(fleet, instance, fleet.node(source))
    )
    fleet.place_back(instance, target if allowed else source)
    return allowed


def _merged(begun: Fleet, steps: list[Step], step: Step) -> list[Step]:
    """Return the steps with one more; an instance that would move twice moves once, where that works as well."""
    earlier = next((place for place, each in enumerate(steps) if each[0] == step[0]), None)
    if earlier is None:
        return [*steps, step]
    direct = (step[0], steps[earlier][1], step[2])
    rest = [*steps[:earlier], *steps[earlier + 1 :]]
    ways = [[*steps[:earlier], direct, *steps[earlier + 1 :]], [*rest, direct]] if direct[1] != direct[2] else [rest]
    return next((way for way in ways if _works(begun, way)), [*steps, step])


def _works(begun: Fleet, steps: list[Step]) -> bool:
    fleet = begun.copy()
    return all(fleet.node_of(instance) == source and _moved(fleet, instance, to) for instance, source, to in steps)


def _written(fleet: Fleet, steps: list[Step], levels: Levels) -> tuple[Move, ...]:
    """Return steps as moves, with what each gains and why it is made."""
    trial, moves = fleet.copy(), []
    before = standing_of(trial, levels)
    for instance_id, source, target in steps:
        instance, why = trial.instance(instance_id), _why(trial, trial.node(source), levels)
        trial.move(instance_id, target)
        after = standing_of(trial, levels)
        gain = before.excess - after.excess
        moves.append(Move(instance_id, instance.service, source, target, cost_of(instance), gain, why))
        before = after
    return tuple(moves)


def _why(fleet: Fleet, node: Node, levels: Levels) -> str:
    if node.state == DRAINING:
        return f"node {node.id} is draining"
    shares = dict(zip(RESOURCES, shares_of(fleet.held(node.id), node), strict=True))
    full = ", ".join(f"{name} {shares[name]:.1%}" for name in levels.above(tuple(shares.values())))
    return f"node {node.id} is above its high mark: {full}" if full else f"node {node.id} makes room"


def _left(fleet: Fleet, rules: Rules, levels: Levels) -> tuple[Left, ...]:
    """Return what should move and does not: each instance on a draining node, and nodes above their high marks."""
    found = []
    running = fleet.running()
    for node in fleet.nodes:
        if node.state == DRAINING:
            found += [
                Left(node.id, each.id, _why_left(fleet, each, node, rules, running)) for each in fleet.on(node.id)
            ]
        elif node.state != OFFLINE and levels.above(shares_of(fleet.held(node.id), node)):
            found.append(
                Left(node.id, "", f"{_why(fleet, node, levels)}; no move lessens that, or the budget is spent")
            )
    return tuple(found)


def _why_left(fleet: Fleet, instance: Instance, node: Node, rules: Rules, running: Mapping[str, int]) -> str:
    least, there = rules.minimum.get(instance.service, 0), running.get(instance.service, 0)
    if not instance.running:
        return f"{instance.id} does not run yet"
    if there < least:
        return f"{instance.service} has {there} instances running, and is not touched below {least}"
    without = fleet.copy()
    without.remove(instance.id)
    missed = missed_by(without, instance, node)
    decision = place(without, instance, rules.strategy)
    able = [each for each in decision.able if all(one.remedied(without.node(each)) for one in missed)]
    if able:
        return f"{instance.id} may go to {able[0]}; the budget is spent"
    return f"{missed[0].instance} is to be near to {instance.service}" if decision.node else decision.why
