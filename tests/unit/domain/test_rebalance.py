"""Plans that move instances: from where, to where, in which order, and why not."""

from __future__ import annotations

import pytest

from orchestration.domain.errors import Conflict
from orchestration.domain.lifecycle import DRAINING
from orchestration.domain.placement.fleet import MAINTENANCE, OFFLINE, Constraints, Fleet, Neighbour
from orchestration.domain.placement.placing import SPREAD, Strategy
from orchestration.domain.rebalance.planning import Rules, apply, cost_of, plan
from orchestration.domain.rebalance.planning import _merged as merged
from orchestration.domain.rebalance.standing import DeviationMarks, FixedMarks, levels_of, utilisation
from tests.unit.domain.fleets import fleet, instance, node

MARKS = Rules(FixedMarks(0.8, 0.5))
GIB = 2**30


def steps(found):
    return [(each.instance, each.source, each.target) for each in found.moves]


def test_it_relieves_a_full_node_until_it_is_at_its_mark():
    given = fleet(
        node("a"),
        node("b"),
        node("c", 1000, 0),
        a=[instance(f"pay-{n}", 300) for n in range(3)],
        c=[instance("x-1", 500)],
    )
    found = plan(given, MARKS)
    # c is not below its low mark, b is.
    assert steps(found) == [("pay-0", "a", "b")]
    assert found.moves[0].why == "node a is above its high mark: cpu 90.0%"
    assert found.moves[0].gain == pytest.approx(0.1)
    assert found.before.excess == pytest.approx(0.1)
    assert found.after.excess == 0
    assert not found.left
    after = apply(given, found.moves)
    assert utilisation(after)["a"]["cpu"] == 0.6
    assert plan(after, MARKS).moves == ()


def test_it_moves_nothing_where_no_node_is_full_or_none_is_empty_enough():
    assert plan(fleet(node("a"), node("b"), a=[instance("pay-1", 800)]), MARKS).moves == ()
    found = plan(fleet(node("a"), node("b"), a=[instance("pay-1", 900)], b=[instance("x-1", 500)]), MARKS)
    assert found.moves == ()
    assert found.left[0].why.startswith("node a is above its high mark: cpu 90.0%; no move lessens that")
    # The only instance would make the other node just as full.
    assert plan(fleet(node("a"), node("b"), a=[instance("pay-1", 900)]), MARKS).moves == ()


def test_it_looks_at_every_resource_of_a_source_and_of_a_target():
    crowded = [instance("pay-1", 100, 450), instance("pay-2", 100, 450)]
    given = fleet(node("a", memory=1000), node("b", memory=1000), a=crowded, b=[instance("x-1", 0, 600)])
    assert plan(given, MARKS).moves == ()
    given.remove("x-1")
    assert steps(plan(given, MARKS)) == [("pay-1", "a", "b")]


def test_it_takes_the_cheapest_for_what_it_gains():
    row = [instance("big-1", 400, 4 * GIB), instance("dear-1", 300, 0, cost=10.0), instance("lean-1", 250, GIB)]
    assert [cost_of(each) for each in row] == [5, 10, 2]
    given = fleet(node("a", 1000, 8 * GIB), node("b", 1000, 8 * GIB), a=row)
    # 0.15 of excess: big takes all of it for 5, dear for 10, lean for 2.
    assert steps(plan(given, MARKS)) == [("lean-1", "a", "b")]


def test_it_empties_a_draining_node_first_and_prefers_nodes_that_stay_calm():
    given = fleet(
        node("a", state=DRAINING), node("b"), node("c"), node("d", state=MAINTENANCE), node("e", state=OFFLINE),
        a=[instance("pay-1", 300), instance("pay-2", 300)],
        b=[instance("x-1", 600)],
        c=[instance("x-2", 300)],
    )  # fmt: skip
    found = plan(given, Rules(FixedMarks(0.8, 0.1)))
    assert steps(found) == [("pay-1", "a", "c"), ("pay-2", "a", "b")]
    assert found.moves[1].gain == pytest.approx(-0.1)
    assert (found.before.stranded, found.after.stranded) == (2, 0)


def test_it_fills_a_draining_nodes_instances_in_by_size_where_the_cheapest_first_leaves_some():
    given = fleet(
        node("a", state=DRAINING), node("b", 600), node("c", 300),
        a=[instance("small-1", 250, cost=1.0), instance("large-1", 500, cost=2.0)],
    )  # fmt: skip
    assert not plan(given, Rules()).left
    # Least-loaded would put the small one on b, where the large one has to go.
    assert {move.instance: move.target for move in plan(given, Rules()).moves} == {"large-1": "b", "small-1": "c"}


def test_it_says_why_something_stays_on_a_draining_node():
    given = fleet(
        node("a", state=DRAINING), node("b", 250),
        a=[instance("pay-1", 300), instance("mail-1", 50, running=False), instance("ship-1", 50)],
    )  # fmt: skip
    found = plan(given, Rules(minimum={"ship": 2}))
    assert found.moves == ()
    assert {each.instance: each.why for each in found.left} == {
        "pay-1": "pay-1 was not placed: 2 nodes refused it (1 by node.room, 1 by node.state); "
        "node a is draining; only an active one takes something new",
        "mail-1": "mail-1 does not run yet",
        "ship-1": "ship has 1 instances running, and is not touched below 2",
    }


def test_it_stops_at_its_budget_and_goes_on_next_time():
    given = fleet(node("a", state=DRAINING), node("b"), a=[instance(f"pay-{n}") for n in range(5)])
    how, seen = Rules(budget=2), []
    for _ in range(3):
        found = plan(given, how)
        seen.append((len(found.moves), found.cut))
        given = apply(given, found.moves)
    assert seen == [(2, True), (2, True), (1, False)]
    assert plan(given, how).moves == ()
    assert plan(fleet(node("a", state=DRAINING), node("b"), a=[instance("pay-1")]), Rules(budget=0)).cut


def test_it_keeps_constraints_of_those_that_move_and_of_those_that_stay():
    apart, near = Constraints(apart=(Neighbour("pay"),)), Constraints(near=(Neighbour("pay"),))
    given = fleet(
        node("a"), node("b"), node("c"),
        a=[instance("pay-1", 450, constraints=apart), instance("mail-1", 450, constraints=near)],
        b=[instance("pay-2", 10, constraints=apart)],
    )  # fmt: skip
    # pay-1 may not leave mail-1 alone; mail-1 may follow pay-2 only.
    assert steps(plan(given, MARKS)) == [("mail-1", "a", "b")]


def test_it_goes_by_the_mean_where_asked_to():
    given = fleet(
        node("a"), node("b"), node("c"), a=[instance(f"pay-{n}", 100) for n in range(6)], b=[instance("x-1", 300)]
    )
    how = Rules(DeviationMarks(0.1, 0.1))
    assert levels_of(given, how.marks).high[0] == pytest.approx(0.4)
    found = plan(given, how)
    assert [(each.source, each.target) for each in found.moves] == [("a", "c"), ("a", "c")]
    assert plan(apply(given, found.moves), how).moves == ()


def test_it_goes_by_the_placement_strategy_among_targets():
    given = fleet(
        node("a", zone="a"), node("b", zone="b"), node("c", zone="c"),
        a=[instance("pay-1", 450), instance("x-1", 450, cost=9.0)],
        b=[instance("pay-2", 10)],
        c=[instance("y-1", 100)],
    )  # fmt: skip
    assert plan(given, MARKS).moves[0].target == "b"
    spread = Rules(FixedMarks(0.8, 0.5), strategy=Strategy(SPREAD, "zone"))
    assert plan(given, spread).moves[0].target == "c"


def test_it_applies_a_plan_only_to_the_fleet_that_it_is_for():
    given = fleet(node("a", state=DRAINING), node("b", 100), a=[instance("pay-1")])
    moves = plan(given, Rules()).moves
    gone = given.copy()
    gone.remove("pay-1")
    with pytest.raises(Conflict, match="it is not placed"):
        apply(gone, moves)
    full = given.copy()
    full.place(instance("x-1"), "b")
    with pytest.raises(Conflict, match="may not stand on node b any more"):
        apply(full, moves)
    assert given.node_of("pay-1") == "a"


def test_it_plans_nothing_for_nothing():
    assert plan(Fleet(()), MARKS).moves == ()
    assert plan(fleet(node("a")), Rules(DeviationMarks())).moves == ()
    for wrong in (lambda: FixedMarks(0.5, 0.8), lambda: DeviationMarks(-0.1, 0), lambda: FixedMarks(1.1, 0)):
        with pytest.raises(ValueError, match=r"marks|deviations"):
            wrong()


def test_it_moves_an_instance_once_that_would_move_twice_where_that_works():
    given = fleet(node("a", 100), node("b"), node("c", 100), node("d"), a=[instance("pay-1")], c=[instance("x-1")])
    away, on = ("pay-1", "a", "b"), ("pay-1", "b", "c")
    room, swap = ("x-1", "c", "d"), ("x-1", "c", "a")
    assert merged(given, [away], room) == [away, room]
    # There and back is not at all.
    assert merged(given, [away], ("pay-1", "b", "a")) == []
    # Straight on, at once where there is room, later where another one leaves it.
    assert merged(given, [room, away], on) == [room, ("pay-1", "a", "c")]
    assert merged(given, [away, room], on) == [room, ("pay-1", "a", "c")]
    # Two that change places need a third one to wait at.
    assert merged(given, [away, swap], on) == [away, swap, on]
