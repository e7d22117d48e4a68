"""Where instances are placed, and what is said of every node that was looked at."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from orchestration.domain.capacity.vector import Capacity
from orchestration.domain.errors import Conflict, InvariantViolated, NotFound
from orchestration.domain.health import UNHEALTHY
from orchestration.domain.lifecycle import DRAINING
from orchestration.domain.placement.fleet import MAINTENANCE, OFFLINE, Constraints, Fleet, Neighbour
from orchestration.domain.placement.placing import BIN_PACK, BY_ROOM, SPREAD, Strategy, best_of, place
from tests.unit.domain.fleets import described, drawn, fleet, instance, node

PACKED = Strategy(BIN_PACK)
BY_NODE = Strategy(SPREAD)
BY_ZONE = Strategy(SPREAD, "zone")


def filled(given, instances, how):
    """Return where instances go when they come one after the other."""
    for each in instances:
        given.place(each, place(given, each, how).node)
    return described(given)


def test_it_goes_where_most_of_the_fullest_resource_is_left():
    given = fleet(
        node("a", memory=1000), node("b", memory=1000), a=[instance("x-1", 100, 800)], b=[instance("x-2", 700, 100)]
    )
    found = place(given, instance("pay-1", 100, 100), BY_ROOM)
    assert found.node == "b"
    assert [str(each) for each in found.candidates] == [
        "b: 20.0% left of its fullest resource",
        "a: 10.0% left of its fullest resource",
    ]


def test_it_packs_where_least_is_left_behind():
    given = fleet(node("a"), node("b"), node("c", 500), b=[instance("x-1", 300)])
    assert filled(given, [instance("y-1", 200), instance("y-2", 200)], PACKED) == {"x-1": "b", "y-1": "b", "y-2": "b"}
    assert place(given, instance("y-3", 500), PACKED).node == "c"


def test_it_spreads_over_nodes_and_over_zones():
    nodes = [node("a1", zone="a"), node("a2", zone="a"), node("a3", zone="a"), node("b1", zone="b")]
    four = [instance(f"pay-{number}") for number in range(4)]
    assert sorted(filled(fleet(*nodes), four, BY_NODE).values()) == ["a1", "a2", "a3", "b1"]
    assert sorted(filled(fleet(*nodes), four, BY_ZONE).values()) == ["a1", "a2", "b1", "b1"]


def test_it_breaks_ties_by_id_whatever_the_order():
    nodes = [node("b"), node("c"), node("a")]
    for how in (BY_ROOM, PACKED, BY_NODE, BY_ZONE):
        assert place(fleet(*nodes), instance("pay-1"), how).node == "a"
        assert place(fleet(*nodes[::-1]), instance("pay-1"), how).node == "a"


def test_it_says_of_every_node_why_it_does_not_take_it():
    given = fleet(
        node("a", state=MAINTENANCE),
        node("b", state=DRAINING),
        node("c", state=OFFLINE),
        node("d", health=UNHEALTHY),
        node("e", 50, tags=frozenset({"fast"}), zone="a"),
        node("f", tags=frozenset({"fast"}), zone="b"),
        node("g", zone="a"),
    )
    wanted = Constraints(tags=frozenset({"fast"}), attributes={"zone": "a"})
    found = place(given, instance("pay-1", constraints=wanted), BY_ROOM)
    assert found.node is None
    assert {each.node: each.refused[0].code for each in found.candidates} == {
        "a": "node.state", "b": "node.state", "c": "node.state", "d": "node.health",
        "e": "node.room", "f": "node.attribute", "g": "node.tag",
    }  # fmt: skip
    assert str(found.candidates[4]) == "e: refused, node e has cpu 50m left, 100m is needed"
    assert found.why.startswith("pay-1 was not placed: 7 nodes refused it (1 by node.attribute, 1 by node.health, ")
    assert place(Fleet(()), instance("pay-1"), BY_ROOM).why == "pay-1 was not placed: there is no node"


def test_it_keeps_apart_and_near_both_ways():
    apart = Constraints(apart=(Neighbour("pay", "zone"),))
    given = fleet(
        node("a1", zone="a"), node("a2", zone="a"), node("b1", zone="b"), a1=[instance("pay-1", constraints=apart)]
    )
    assert place(given, instance("pay-2", constraints=apart), BY_ROOM).node == "b1"
    # The one that stands there has the word, though the newcomer has none.
    assert place(given, instance("pay-2"), BY_ROOM).node == "b1"
    near = Constraints(near=(Neighbour("pay", "zone"),))
    found = place(given, instance("mail-1", constraints=near), BY_ROOM)
    assert found.able == ("a2", "a1")
    assert found.candidates[-1].refused[0].message == "zone b has no instance of pay, to be near to"


def test_it_lets_the_first_stand_alone_that_is_to_be_near_its_own():
    own = Constraints(near=(Neighbour("pay"),))
    given = fleet(node("a"), node("b"))
    assert filled(given, [instance("pay-1", constraints=own), instance("pay-2", constraints=own)], BY_ROOM) == {
        "pay-1": "a", "pay-2": "a"
    }  # fmt: skip


def test_it_counts_wishes_before_everything_else_and_refuses_nothing_for_them():
    wish = Constraints(near=(Neighbour("x", required=False),), apart=(Neighbour("y", required=False),))
    given = fleet(node("a"), node("b"), node("c"), b=[instance("x-1", 500)], c=[instance("y-1")])
    found = place(given, instance("pay-1", constraints=wish), BY_ROOM)
    assert found.able == ("b", "a", "c")
    assert str(found.candidates[0]) == "b: +2 wishes, 40.0% left of its fullest resource"


def test_it_keeps_one_account_of_nodes_and_instances():
    given = fleet(node("a", 250), node("b"))
    given.place(instance("pay-1"), "a")
    given.place(instance("pay-2", running=False), "a")
    assert given.held("a") == Capacity(200)
    assert given.running() == {"pay": 1}
    with pytest.raises(Conflict, match="node a has cpu 50m left"):
        given.place(instance("pay-3"), "a")
    with pytest.raises(Conflict, match="stands on node a already"):
        given.place(instance("pay-1"), "b")
    with pytest.raises(NotFound, match="no node z"):
        given.place(instance("pay-3"), "z")
    with pytest.raises(NotFound, match="pay-3 is not placed"):
        given.remove("pay-3")
    with pytest.raises(Conflict, match="already"):
        given.add_node(node("a"))
    with pytest.raises(InvariantViolated):
        given.change_node("a", state="gone")
    copy = given.copy()
    copy.move("pay-1", "b")
    copy.begin_running("pay-2")
    assert described(copy) == {"pay-1": "b", "pay-2": "a"}
    assert described(given) == {"pay-1": "a", "pay-2": "a"}
    assert copy.running() == {"pay": 2}


def test_it_knows_no_other_strategy():
    with pytest.raises(ValueError, match="there are least-loaded, bin-pack, spread"):
        Strategy("random")


@settings(max_examples=100, deadline=None)
@given(drawn())
def test_it_chooses_the_same_with_and_without_words_and_what_fits(each):
    given, newcomer = each.fleet, instance("new-1", 3, 3)
    found = place(given, newcomer, each.rules.strategy)
    best = best_of(given, newcomer, given.nodes, each.rules.strategy)
    assert found.node == (None if best is None else best.id)
    assert {one.node for one in found.candidates} == {one.id for one in given.nodes}
    assert all(bool(one.score) != bool(one.refused) for one in found.candidates)
    values = [one.values for one in found.candidates if one.score]
    assert values == sorted(values, reverse=True)
    for one in found.able:
        assert newcomer.needs.fits(given.free(one))
