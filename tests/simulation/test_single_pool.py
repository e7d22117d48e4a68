"""The fast path: the very times of the whole world, and left alone what it cannot do."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from simulation.scenarios.building import AS_WRITTEN
from simulation.scenarios.running import planned
from simulation.scenarios.single_pool import pool_of, serve
from simulation.world.world import simulate
from tests.simulation.test_scenarios import HERE, scenario


def pool_and_world(document):
    plan = planned(document, folder=HERE)
    world = plan.worlds[AS_WRITTEN]
    return pool_of(plan.scenarios[AS_WRITTEN], world), world


def of_service(**keys):
    document = scenario(horizon="100s")
    document["services"]["backend"].update(keys)
    return document


@pytest.mark.parametrize(
    "keys",
    [
        {"capacity": 2, "times": {"kind": "exponential", "mean": "300ms"}},
        {"instances": 3, "times": {"kind": "lognormal", "mean": "400ms", "scv": 2}},
        {"times": {"kind": "gamma", "mean": "150ms", "scv": 0.5}, "policy": None},
    ],
)
def test_it_gives_the_very_figures_of_the_whole_world(keys):
    pool, world = pool_and_world(of_service(**keys))
    fast, full = serve(pool, seed=5, replication=2), simulate(world, seed=5, replication=2)
    assert fast.services == full.services
    assert fast.steps == full.steps > 400
    for field in fields(fast.workloads["callers"]):
        one, other = (getattr(each.workloads["callers"], field.name) for each in (fast, full))
        assert np.array_equal(one, other), field.name


@pytest.mark.parametrize(
    "keys",
    [
        {"failures": {"share": 0.1}},
        {"room": 5},
        {"outages": [{"at": "1s", "lasts": "1s"}]},
        {"policy": {"concurrency": {"limit": 1}}},
        {"policy": {"balance": "least-connections"}, "instances": 2},
    ],
)
def test_it_leaves_to_the_world_what_is_more_than_a_queue(keys):
    assert pool_and_world(of_service(**keys))[0] is None


def test_it_leaves_workers_and_users_to_the_world():
    assert pool_and_world(scenario(workers={"count": 1}))[0] is None
    users = {"kind": "users", "users": 2, "think": {"kind": "fixed", "time": "1s"}}
    workload = {"name": "callers", "workflow": "work", "arrivals": users}
    assert pool_and_world(scenario(workloads=[workload]))[0] is None


def test_it_notices_that_a_timeout_or_the_workflow_s_limit_would_have_struck():
    document = of_service(times={"kind": "exponential", "mean": "190ms"})
    document["workflows"][0]["config"] = {"max_concurrent": 5}
    assert serve(pool_and_world(document)[0], seed=1, replication=0) is None
    document["workflows"][0]["config"] = {"max_concurrent": 1000}
    assert serve(pool_and_world(document)[0], seed=1, replication=0) is not None
    document["workflows"][0]["steps"][0]["timeout"] = "500ms"
    assert serve(pool_and_world(document)[0], seed=1, replication=0) is None
