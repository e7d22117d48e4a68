"""A world: the domain's own code in it, and figures that must hold whatever chance brings."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

import simulation.checks.pools
import simulation.pools.pool
import simulation.world.service as service_module
import simulation.world.shell as shell_module
from orchestration.domain import balancing, health, retry
from orchestration.domain.calling import gate
from orchestration.domain.calling.policy import Breaker, Concurrency, Rate, RetryBudget, ServicePolicy, parse_policy
from orchestration.domain.run import Run
from simulation.arrivals.closed import ClosedUsers
from simulation.arrivals.processes import Trace
from simulation.checks.storms import SIDES, goodput
from simulation.formulas import mean_wait
from simulation.pools.waiting import waits
from simulation.service_models.distributions import Exponential, Fixed
from simulation.world import faults
from simulation.world.models import Failures, Outage, Slowness, WorkersModel
from simulation.world.world import World, simulate
from tests.simulation.worlds import one_step, world


def callers(model, seed=1, replication=0):
    return simulate(model, seed=seed, replication=replication).workloads["callers"]


def test_it_drives_the_very_code_that_the_engine_drives():
    from orchestration.engine import held
    from orchestration.registry import gates

    assert shell_module.Run is Run is held.Run
    assert service_module.admit is gate.admit is gates.admit
    assert service_module.answered is gate.answered is gates.answered
    assert service_module.in_turn is balancing.in_turn is gates.in_turn
    assert service_module.least_loaded is balancing.least_loaded is gates.least_loaded
    assert service_module.better_of_two is balancing.better_of_two is gates.better_of_two
    assert service_module.leave_out is gates.leave_out
    assert simulation.pools.pool.wait_after is retry.wait_after
    assert simulation.checks.pools.next_attempt_at is retry.next_attempt_at
    assert faults.judge is health.judge
    assert not [name for name in sys.modules if name.startswith("simulation") and ".domain" in name]


def test_it_gives_the_same_again_and_something_else_with_another_seed():
    one, same, other = (callers(world(), seed=seed) for seed in (1, 1, 2))
    assert one.times.tobytes() == same.times.tobytes()
    assert one.times.tobytes() != other.times.tobytes()


def test_it_waits_as_the_fast_path_does():
    model = world(per_second=8.0, times=Exponential(0.1), seconds=300.0)
    found = callers(model)
    streams = World(model, seed=1, replication=0)
    begun = found.ended_at - found.times
    times, one = streams.services["backend"]._times[""], streams.shell.start("work", "one", {})
    draws = []
    for one.job in range(found.times.size):
        draws.append(times.draw(one, "call", 1))
    fast = waits(begun, np.round(np.array(draws), 6), 1) + np.array(draws)
    assert found.times == pytest.approx(fast, abs=1e-4)


def test_it_waits_as_theory_says():
    found = [callers(world(per_second=8.0, seconds=1500.0), replication=each).times.mean() for each in range(3)]
    assert np.mean(found) == pytest.approx(mean_wait(1, 8, 10) + 0.1, rel=0.15)


@pytest.mark.parametrize("capacity", [1, 3])
def test_it_holds_littles_law_and_the_law_of_utilisation(capacity):
    outcome = simulate(world(per_second=7.0 * capacity, capacity=capacity), seed=1).services["backend"]
    assert outcome.inside == pytest.approx(outcome.arrivals * outcome.time, rel=0.01)
    assert outcome.busy == pytest.approx(outcome.arrivals * 0.1 / capacity, rel=0.05)


def test_it_meets_the_same_luck_under_another_policy():
    slow, fast = callers(world(per_second=2.0, instances=1)), callers(world(per_second=2.0, instances=9))
    count = min(slow.times.size, fast.times.size)
    assert (fast.times[:count] <= slow.times[:count] + 1e-9).all()
    alone = fast.times[:count] == slow.times[:count]
    assert alone.mean() > 0.5


def test_it_gives_two_workloads_of_one_workflow_luck_of_their_own():
    model = world(capacity=50, load=Trace(np.arange(0.0, 400.0, 1.0)))
    other = replace(model.workloads[0], name="others")
    both = simulate(replace(model, workloads=(*model.workloads, other)), seed=1).workloads
    times, others = both["callers"].times, both["others"].times
    assert times.size == others.size == 400
    assert abs(np.corrcoef(times, others)[0, 1]) < 0.2


def test_it_changes_nothing_when_services_stand_in_another_order():
    definition = {
        "id": "work",
        "name": "Work",
        "steps": [
            {"id": each, "type": "service", "service_name": "backend", "method": "serve", "dependencies": before}
            for each, before in (("a", []), ("b", ["a"]))
        ],
        "output": {},
    }
    turned = {**definition, "steps": definition["steps"][::-1]}
    one, other = callers(world(definition=definition)), callers(world(definition=turned))
    assert one.times.tobytes() == other.times.tobytes()


def test_it_tries_again_as_the_policy_says():
    step = one_step(retry={"max_attempts": 3, "delay": "10ms", "backoff": "fixed", "jitter": 0})
    outcome = simulate(world(definition=step, capacity=50, failures=Failures(0.3), seconds=3000.0), seed=1)
    found = outcome.workloads["callers"]
    assert outcome.steps / found.offered == pytest.approx(1 + 0.3 + 0.09, rel=0.02)
    assert 1 - found.good.mean() == pytest.approx(0.027, rel=0.2)


def test_it_gives_up_what_takes_too_long_while_the_server_works_on():
    step = one_step(timeout="1s", retry={"max_attempts": 1})
    outcome = simulate(world(definition=step, times=Fixed(2.0), per_second=0.2), seed=1)
    found, service = outcome.workloads["callers"], outcome.services["backend"]
    assert not found.good.any()
    assert set(found.times.tolist()) == {1.0}
    assert service.timed_out == found.times.size
    assert service.time >= 2


@pytest.mark.parametrize(
    ("own", "policy", "expected"),
    [(None, "90s", 60.0), (None, "40s", 40.0), ("50s", "90s", 50.0), (None, None, 30.0)],
)
def test_it_waits_as_long_as_the_step_the_policy_or_the_default_says(own, policy, expected):
    # A call takes a minute: it is answered where it is given as long, and given up where it is not.
    step = one_step(retry={"max_attempts": 1}, **({} if own is None else {"timeout": own}))
    rules = parse_policy({"breaker": {"enabled": False}, **({} if policy is None else {"timeout": policy})})
    outcome = simulate(
        world(definition=step, times=Fixed(60.0), per_second=0.02, capacity=50, policy=rules, seconds=2000.0), seed=1
    )
    found = outcome.workloads["callers"]
    assert set(found.times.tolist()) == {expected}
    assert found.good.all() == (expected == 60.0)


def test_it_postpones_what_is_beyond_a_rate():
    policy = ServicePolicy(rate=Rate(2.0, 1), breaker=Breaker(enabled=False))
    outcome = simulate(world(per_second=8.0, capacity=50, policy=policy, seconds=100.0, line=0.0), seed=1)
    assert outcome.services["backend"].arrivals <= 2.1
    assert outcome.services["backend"].postponed["rate_limit"] > 100


def test_it_waits_a_moment_for_a_place_before_it_is_put_off():
    policy = ServicePolicy(concurrency=Concurrency(2))
    rules = {"per_second": 15.0, "capacity": 50, "policy": policy, "seconds": 200.0}
    lined, at_once = (simulate(world(**rules, line=line), seed=1) for line in (5.0, 0.0))
    assert not lined.services["backend"].postponed
    assert at_once.services["backend"].postponed["concurrency_limit"] > 100
    # Two places for calls are two servers with a line.
    expected = mean_wait(2, 15, 10) + 0.1
    assert lined.workloads["callers"].times.mean() == pytest.approx(expected, rel=0.15)
    assert at_once.workloads["callers"].times.mean() > 2 * expected


def test_it_waits_in_line_for_a_token():
    policy = ServicePolicy(rate=Rate(10.0, 1))
    outcome = simulate(world(per_second=5.0, capacity=50, policy=policy, seconds=200.0, line=5.0), seed=1)
    assert not outcome.services["backend"].postponed
    assert outcome.workloads["callers"].good.all()
    # A token a tenth of a second is a server that takes so long: M/D/1 waits half of what M/M/1 does.
    assert outcome.workloads["callers"].times.mean() == pytest.approx(0.05 + 0.1, rel=0.15)


def test_it_gives_up_in_line_what_takes_too_long():
    step = one_step(timeout="1s", retry={"max_attempts": 1})
    policy = ServicePolicy(concurrency=Concurrency(1), breaker=Breaker(enabled=False))
    model = world(definition=step, times=Fixed(0.9), per_second=5.0, capacity=50, policy=policy, seconds=50.0)
    service = simulate(model, seed=1).services["backend"]
    assert service.timed_out > 0
    assert service.postponed["concurrency_limit"] > 0


def test_it_opens_the_circuit_of_a_service_that_answers_nobody_and_closes_it_again():
    policy = ServicePolicy(retry_budget=RetryBudget(enabled=False))
    down = Outage(at=50.0, lasts=30.0)
    live = World(
        world(per_second=20.0, capacity=10, policy=policy, outages=(down,), seconds=300.0), seed=1, replication=0
    )
    outcome = live.run().services["backend"]
    assert outcome.postponed["circuit_open"] > 0
    assert live.services["backend"].gate.circuit.verdict.state == "closed"


def test_it_turns_to_the_instance_that_is_left():
    model = world(per_second=5.0, instances=2, policy=ServicePolicy(), outages=(Outage(50.0, 1000.0, instances=1),))
    live = World(model, seed=1, replication=0)
    live.run()
    gone, left = live.services["backend"].stations
    assert gone.health == "unhealthy"
    assert left.served > 3 * gone.served


def test_it_is_slow_in_spells_that_services_share():
    model = world(per_second=1.0, capacity=50, slowness="disk")
    slow = type(model)(
        model.graphs, model.services, model.workloads, model.horizon, slowness={"disk": Slowness(10.0, 50.0, 50.0)}
    )
    assert callers(slow).times.mean() == pytest.approx(0.55, rel=0.4)


def test_it_keeps_so_many_users_and_no_more():
    outcome = simulate(world(load=ClosedUsers(5, Exponential(1.0))), seed=1)
    found = outcome.workloads["callers"]
    assert found.open <= 5
    rate = found.times.size / 500
    assert rate * (found.times.mean() + 1.0) == pytest.approx(5, rel=0.05)


def test_it_costs_what_workers_cost():
    model = world(capacity=50, times=Fixed(0.1), seconds=100.0)
    dear = type(model)(model.graphs, model.services, model.workloads, model.horizon, WorkersModel(1, 500, 0.001, 0.01))
    outcome = simulate(dear, seed=1)
    # Two entries and their commit before the call, and as much after it.
    assert outcome.workloads["callers"].times.min() == pytest.approx(0.124, abs=0.001)
    assert outcome.worker_busy > 0


def test_it_holds_no_more_executions_than_there_are_slots():
    model = world(per_second=30.0, capacity=50, times=Fixed(0.1), seconds=50.0)
    few = type(model)(model.graphs, model.services, model.workloads, model.horizon, WorkersModel(1, 2))
    live = World(few, seed=1, replication=0)
    outcome = live.run()
    assert live.workers.most_held == 2
    assert outcome.waiting > 100
    assert outcome.services["backend"].inside <= 2


def test_it_remembers_no_execution_that_has_ended():
    live = World(world(), seed=1, replication=0)
    found = live.run().workloads["callers"]
    assert len(live.shell.executions) == found.open < 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_it_recovers_from_a_storm_with_a_budget_only(seed):
    assert goodput(SIDES["no budget"], 0.6, seed) < 0.05
    assert goodput(SIDES["20 % budget (ours)"], 0.6, seed) > 0.95
