"""What must hold of every plan, over random fleets and rules."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from orchestration.domain.capacity.vector import NOTHING
from orchestration.domain.lifecycle import DRAINING
from orchestration.domain.placement.admission import fulfilled, missed_by, reasons_against
from orchestration.domain.placement.fleet import OFFLINE
from orchestration.domain.rebalance.planning import apply, plan
from orchestration.domain.rebalance.standing import levels_of, standing_of
from tests.unit.domain.fleets import described, drawn

MANY = settings(max_examples=100, deadline=None)


def broken(fleet):
    """Return which required constraints do not hold in a fleet, as (instance, what)."""
    found = set()
    for instance, where in list(fleet.instances()):
        node, wishes = fleet.node(where), instance.constraints
        without = fleet.copy()
        without.remove(instance.id)
        found |= {(instance.id, tag) for tag in wishes.tags - node.tags}
        found |= {(instance.id, key) for key, value in wishes.attributes.items() if node.attributes.get(key) != value}
        for each in wishes.apart:
            if each.required and without.count(each.service, each.within, node.domain(each.within)):
                found.add((instance.id, each))
        for each in wishes.near:
            own = each.service == instance.service and not without.total(each.service)
            if each.required and not own and not fulfilled(without, each, node):
                found.add((instance.id, each))
    return found


@MANY
@given(drawn())
def test_it_plans_nothing_more_after_a_plan_that_its_budget_did_not_cut(each):
    fleet, how = each.fleet, each.rules
    found = plan(fleet, how)
    again = plan(apply(fleet, found.moves), how)
    if not found.cut:
        assert again.moves == ()
        assert not again.cut
        assert again.before == again.after == found.after


@MANY
@given(drawn())
def test_it_comes_to_an_empty_plan_with_any_budget(each):
    fleet, how = each.fleet, each.rules
    how = replace(how, budget=max(1, how.budget or 1))
    for _ in range(200):
        found = plan(fleet, how)
        if not found.moves:
            break
        fleet = apply(fleet, found.moves)
    assert found.moves == ()
    assert not found.cut


@MANY
@given(drawn())
def test_it_stays_within_the_budget_and_stands_better_or_plans_nothing(each):
    fleet, how = each.fleet, each.rules
    levels, found = levels_of(fleet, how.marks), plan(fleet, how)
    assert how.budget is None or len(found.moves) <= how.budget
    assert found.before == standing_of(fleet, levels)
    assert found.after == standing_of(apply(fleet, found.moves), levels)
    assert found.after < found.before or (not found.moves and found.after == found.before)
    assert how.budget is not None or not found.cut


@MANY
@given(drawn())
def test_it_never_oversells_a_node_while_old_and_new_stand_beside_each_other(each):
    fleet, how = each.fleet, each.rules
    for move in plan(fleet, how).moves:
        instance, target = fleet.instance(move.instance), fleet.node(move.target)
        # The old one is still there while the new one begins.
        assert instance.needs.fits(fleet.free(target.id))
        fleet = apply(fleet, (move,))
        assert all(fleet.held(node.id).fits(node.capacity) for node in fleet.nodes)


@MANY
@given(drawn())
def test_it_breaks_no_constraint_on_the_way(each):
    fleet, how = each.fleet, each.rules
    wrong = broken(fleet)
    for move in plan(fleet, how).moves:
        assert fleet.node(move.target).takes
        fleet = apply(fleet, (move,))
        assert broken(fleet) <= wrong


@MANY
@given(drawn())
def test_it_touches_no_service_below_its_minimum_and_nothing_that_does_not_run(each):
    fleet, how = each.fleet, each.rules
    running = fleet.running()
    for move in plan(fleet, how).moves:
        assert fleet.instance(move.instance).running
        assert running[move.service] >= how.minimum.get(move.service, 0)
        assert fleet.node(move.source).state != OFFLINE
    assert apply(fleet, plan(fleet, how).moves).running() == running


@MANY
@given(drawn())
def test_it_empties_draining_nodes_as_far_as_there_are_places(each):
    fleet, how = each.fleet, each.rules
    found = plan(fleet, replace(how, budget=None))
    after, running = apply(fleet, found.moves), fleet.running()
    said = {(each.node, each.instance) for each in found.left}
    for instance, where in list(after.instances()):
        if after.node(where).state != DRAINING:
            continue
        assert (where, instance.id) in said
        without = after.copy()
        without.remove(instance.id)
        missed = missed_by(without, instance, after.node(where))
        assert (
            not instance.running
            or running[instance.service] < how.minimum.get(instance.service, 0)
            or all(
                reasons_against(without, instance, node) or not all(one.remedied(node) for one in missed)
                for node in after.nodes
            )
        )


@MANY
@given(drawn())
def test_it_moves_an_instance_once_where_once_is_enough_and_changes_nothing_itself(each):
    fleet, how = each.fleet, each.rules
    before = described(fleet)
    found = plan(fleet, how)
    assert described(fleet) == before
    assert found == plan(fleet, how)
    after = described(apply(fleet, found.moves))
    assert sorted(after) == sorted(before)
    assert all(move.source != move.target for move in found.moves)
    assert sum((each.needs for each, _ in apply(fleet, found.moves).instances()), NOTHING) == sum(
        (each.needs for each, _ in fleet.instances()), NOTHING
    )
