"""Nodes in a world: where instances stand, what becomes of them when nodes fail, and what moves them."""

from __future__ import annotations

import pytest

import simulation.world.cluster as cluster_module
import simulation.world.relocating as relocating_module
from orchestration.domain.calling.policy import ServicePolicy
from orchestration.domain.placement import admission, placing
from orchestration.domain.placement.fleet import Constraints, Neighbour
from orchestration.domain.placement.placing import BIN_PACK, SPREAD, Strategy
from orchestration.domain.rebalance import planning
from orchestration.domain.rebalance.standing import FixedMarks
from simulation.service_models.distributions import Fixed
from simulation.world.cluster_models import Deploy, Drain, NodeFailures, NodeOutage, Rebalancing
from simulation.world.models import ServiceModel, WorkersModel
from simulation.world.world import World, simulate
from tests.simulation.clusters import NEEDS, cluster_world, live, standing
from tests.simulation.worlds import one_step, world

POLICY = ServicePolicy()
LOST = NodeOutage("a", 100.0, 100.0)


def test_it_places_and_moves_by_the_domains_own_code():
    assert cluster_module.place is placing.place
    assert relocating_module.plan is planning.plan
    assert relocating_module.may_stand is admission.may_stand


def test_it_places_by_the_strategy_of_the_scenario():
    for how, expected in ((Strategy(SPREAD), {"a": 2, "b": 2}), (Strategy(BIN_PACK), {"a": 4, "b": 0})):
        made, outcome = live(cluster_world(seconds=20.0, strategy=how))
        assert standing(made) == expected
        assert {name: each.held["cpu"] for name, each in outcome.cluster.nodes.items()} == {
            name: count / 4 for name, count in expected.items()
        }


def test_it_changes_nothing_for_calls_where_nobody_contends():
    plain = world(times=Fixed(0.1), instances=4, seconds=50.0)
    _, outcome = live(cluster_world(seconds=50.0))
    assert outcome.workloads["callers"].times.tobytes() == simulate(plain, seed=1).workloads["callers"].times.tobytes()


def test_it_loses_calls_with_a_node_and_places_its_instances_anew_once_it_is_given_up():
    made, outcome = live(cluster_world(outages=(LOST,), policy=POLICY))
    assert standing(made) == {"a": 0, "b": 4}
    assert outcome.cluster.placed_anew == 2
    assert outcome.services["backend"].failed > 0
    assert outcome.workloads["callers"].good.mean() > 0.99
    # Half of the node until it was given up after 20 s, nothing since; it was away for a third of the time.
    assert outcome.cluster.nodes["a"].held["cpu"] == pytest.approx(0.5 * 120 / 300)
    assert outcome.cluster.nodes["a"].up == pytest.approx(2 / 3)


def test_it_starts_again_what_ran_on_a_node_that_is_back_before_it_is_given_up():
    made, outcome = live(cluster_world(outages=(NodeOutage("a", 100.0, 10.0),), policy=POLICY))
    assert standing(made) == {"a": 2, "b": 2}
    assert outcome.cluster.placed_anew == 0
    assert all(not each.down for each in made.services["backend"].stations)


def test_it_has_instances_wait_where_there_is_no_room_and_says_why():
    made, outcome = live(cluster_world(cpu=1000, outages=(LOST,), policy=POLICY))
    assert outcome.cluster.most_unplaced == 2
    # From 120 s, when the node was given up, to 200 s, when it was back.
    assert outcome.cluster.unplaced == pytest.approx(2 * 80 / 300)
    assert [count for _, count in outcome.cluster.course] == [0, 2, 0]
    assert "node b has cpu 0 left, 500m is needed" in outcome.cluster.why or "offline" in outcome.cluster.why
    assert standing(made) == {"a": 2, "b": 2}


def test_it_answers_nobody_while_all_nodes_are_away():
    both = (NodeOutage("a", 100.0, 50.0), NodeOutage("b", 100.0, 50.0))
    for policy in (POLICY, None):
        made, outcome = live(cluster_world(outages=both, policy=policy))
        found = outcome.workloads["callers"]
        between = (found.ended_at > 105) & (found.ended_at < 150)
        assert not (between & (found.good > 0)).any()
        assert len(made.services["backend"].stations) == 4


def test_it_moves_instances_back_with_rebalancing_and_not_without():
    outage = (NodeOutage("a", 100.0, 50.0),)
    made, outcome = live(cluster_world(outages=outage, policy=POLICY))
    assert (standing(made), outcome.cluster.moved) == ({"a": 0, "b": 4}, 0)
    rules = Rebalancing(FixedMarks(0.6, 0.4), 30.0, 1)
    made, outcome = live(cluster_world(outages=outage, policy=POLICY, rebalancing=rules))
    assert (standing(made), outcome.cluster.moved) == ({"a": 2, "b": 2}, 2)
    # Two looks of one move each, the first at 180 s; each takes the start-up of 5 s, beside the old one.
    held = [value for instant, value in outcome.cluster.nodes["b"].course if instant >= 150]
    assert held == [0.75, 0.5]


def test_it_keeps_every_call_when_it_moves_make_before_break():
    rules = Rebalancing(FixedMarks(0.0, 0.0), 30.0)
    drained = cluster_world(drains=(Drain("a", 100.0),), policy=POLICY, rebalancing=rules, times=Fixed(2.0), capacity=9)
    made, outcome = live(drained)
    assert standing(made) == {"a": 0, "b": 4}
    assert outcome.cluster.moved == 2
    assert outcome.services["backend"].failed == 0
    assert outcome.workloads["callers"].times.max() < 2.1


def test_it_takes_instances_again_after_a_drain():
    made, _ = live(cluster_world(drains=(Drain("a", 50.0, 50.0),), outages=(NodeOutage("b", 150.0),), policy=POLICY))
    assert standing(made) == {"a": 4, "b": 0}


def test_it_replaces_instances_one_after_the_other_with_a_version_that_may_be_worse():
    made, outcome = live(cluster_world(deploys=(Deploy(100.0, 1, slower=3.0),), policy=POLICY, seconds=160.0))
    assert outcome.cluster.deployed == 4
    assert {each.version for each in made.services["backend"].stations} == {"1"}
    found = outcome.workloads["callers"]
    assert found.times[found.ended_at < 100].max() < 0.11
    # Four times the start-up of 5 s, one after the other.
    assert found.times[found.ended_at > 121].min() >= 0.3
    fast = found.ended_at[found.times < 0.2].max()
    assert 115 <= fast <= 120.5


def test_it_deploys_in_a_world_without_nodes_and_fails_as_often_as_it_is_told():
    step = one_step(retry={"max_attempts": 1})
    model = world(definition=step, instances=2, deploys=(Deploy(100.0, 2, failing=0.5),), seconds=1000.0)
    found = simulate(model, seed=1).workloads["callers"]
    assert found.good[found.ended_at < 100].all()
    assert found.good[found.ended_at > 101].mean() == pytest.approx(0.5, abs=0.05)


def test_it_replaces_in_place_where_there_is_no_room_but_never_below_the_minimum():
    full = {"cpu": 1000, "deploys": (Deploy(100.0),), "policy": POLICY}
    made, outcome = live(cluster_world(**full))
    assert {each.version for each in made.services["backend"].stations} == {"1"}
    assert outcome.cluster.deployed == 4
    made, outcome = live(cluster_world(**full, minimum=4))
    assert {each.version for each in made.services["backend"].stations} == {""}
    assert "cpu 0 left" in outcome.cluster.why


def test_it_slows_calls_on_a_node_that_want_more_cpu_than_there_is():
    model = cluster_world(1, cpu=2000, per_second=0.0001, demand=1000, instances=1, capacity=8)
    made = World(model, seed=1, replication=0)
    host = made.cluster.hosts["a"]
    assert [host.begun(1000, made.shell.now) for _ in range(4)] == [1.0, 1.0, 1.5, 2.0]
    busy = live(cluster_world(1, per_second=18.0, demand=1500, seconds=50.0))[1]
    calm = live(cluster_world(1, per_second=18.0, demand=100, seconds=50.0))[1]
    assert busy.workloads["callers"].times.mean() > 1.2 * calm.workloads["callers"].times.mean()
    assert 0.9 < busy.cluster.nodes["a"].cpu <= 1


def test_it_never_oversells_a_node_and_gives_the_same_again_whatever_fails():
    rules = Rebalancing(FixedMarks(0.7, 0.6), 15.0, 2)
    wild = cluster_world(
        4, cpu=1500, seconds=400.0, policy=POLICY, rebalancing=rules,
        failures=(NodeFailures(("a", "b", "c", "d"), 60.0, 20.0),),
        drains=(Drain("b", 200.0, 60.0),),
        deploys=(Deploy(150.0, 2), Deploy(300.0)),
        constraints=Constraints(apart=(Neighbour("other", required=False),)),
        services=(ServiceModel("other", Fixed(0.1), instances=2, needs=NEEDS, start_up=3.0),),
    )  # fmt: skip
    made, outcome = live(wild)
    again = live(wild)[1]
    assert outcome.cluster == again.cluster
    assert outcome.workloads["callers"].times.tobytes() == again.workloads["callers"].times.tobytes()
    assert all(value <= 1 for node in outcome.cluster.nodes.values() for _, value in node.course)
    assert outcome.cluster.placed_anew > 5
    for name, service in made.services.items():
        placed = [each.id for each, _ in made.cluster.fleet.instances() if each.service == name]
        serving = [each.id for each in service.stations]
        assert set(serving) <= set(placed)
        assert len(placed) + made.cluster.waiting(name) >= service.model.instances
    assert sum(host.demand for host in made.cluster.hosts.values()) == 0


def test_it_lets_the_first_in_priority_begin_where_slots_are_few():
    low, high = (world(per_second=12.0, times=Fixed(0.1), capacity=50, seconds=60.0).workloads[0] for _ in range(2))
    base = world(times=Fixed(0.1), capacity=50, seconds=60.0)
    loads = tuple(
        type(low)(name, each.workflow, each.load, each.input, priority)
        for name, each, priority in (("later", low, 9), ("first", high, 0))
    )
    model = type(base)(base.graphs, base.services, loads, base.horizon, WorkersModel(1, 2))
    outcome = simulate(model, seed=1)
    assert outcome.workloads["first"].times.mean() < 0.3
    assert outcome.workloads["later"].times.mean() > 2
