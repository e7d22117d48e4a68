"""Scenario files that speak of nodes: what is refused and where, and what is told of nodes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestration.domain.documents import merged
from simulation.scenarios.building import world_of
from simulation.scenarios.language import ScenarioInvalid, parse_scenario
from simulation.scenarios.report import page_of
from simulation.scenarios.running import run_scenario
from simulation.scenarios.text import lines_of
from tests.simulation.worlds import one_step

HERE = Path(__file__).parent
SCENARIO = {
    "scenario": "nodes",
    "horizon": "120s",
    "transient": True,
    "replications": 2,
    "workflows": [one_step()],
    "workloads": [
        {"name": "callers", "workflow": "work", "arrivals": {"kind": "poisson", "per_second": 2}, "priority": 3}
    ],
    "services": {
        "backend": {
            "times": {"kind": "fixed", "time": "100ms"},
            "instances": 4,
            "needs": {"cpu": "500m", "memory": "1Gi"},
            "constraints": {"apart": [{"service": "backend", "within": "zone", "required": False}]},
            "demand": "500m",
            "start_up": "5s",
            "minimum": 2,
            "deploys": [{"at": "100s", "at_once": 2, "slower": 2}],
        }
    },
    "nodes": {
        "a": {"cpu": 2, "memory": "8Gi", "attributes": {"zone": "a"}, "failures": {"every": "1h", "lasts": "1m"}},
        "b": {"count": 2, "cpu": 1, "memory": "8Gi", "tags": ["small"], "attributes": {"zone": "b"}},
    },
    "placement": {"strategy": "spread", "over": "zone", "detect": "10s"},
    "rebalancing": {"interval": "20s", "budget": 2, "above": 0.1, "below": 0.1},
    "node_outages": [{"node": "a-1", "at": "30s", "lasts": "30s"}],
    "drains": [{"node": "b-2", "at": "80s", "lasts": "10s"}],
}


def problems_of(**changes):
    with pytest.raises(ScenarioInvalid) as caught:
        world_of(parse_scenario(merged(SCENARIO, changes)), HERE)
    return {each.path: each.message for each in caught.value.problems}


def test_it_builds_nodes_by_pools():
    cluster = world_of(parse_scenario(SCENARIO), HERE).cluster
    assert [each.id for each in cluster.nodes] == ["a-1", "b-1", "b-2"]
    assert cluster.nodes[2].capacity.as_json() == {"cpu": "1", "memory": "8Gi"}
    assert cluster.failures[0].nodes == ("a-1",)
    assert world_of(parse_scenario(SCENARIO), HERE).workloads[0].priority == 3


def test_it_tells_where_something_refers_to_nothing():
    found = problems_of(
        node_outages=[{"node": "c-1", "at": 0}],
        drains=[{"node": "b-3", "at": 0}],
        placement={"over": "rack"},
        services={"backend": {"constraints": {"near": [{"service": "other", "within": "row"}]}}},
    )
    assert set(found) == {
        "node_outages[0].node", "drains[0].node", "placement.over",
        "services.backend.constraints.near[0].service", "services.backend.constraints.near[0].within",
    }  # fmt: skip
    assert found["drains[0].node"] == "there is no node b-3; there are: a-1, b-1, b-2"
    assert found["placement.over"] == "no node has an attribute rack; there are: node, zone"


def test_it_tells_what_contradicts_itself():
    assert set(problems_of(rebalancing={"high": 0.5})) == {"rebalancing"}
    assert set(problems_of(rebalancing={"above": None, "below": None})) == {"rebalancing"}
    low = problems_of(rebalancing={"above": None, "below": None, "high": 0.5, "low": 0.6})
    assert low == {"rebalancing.low": "the low mark is at most the high one, 0.5"}
    late = [{"at": "50s"}, {"at": "20s"}]
    found = problems_of(services={"backend": {"minimum": 5, "deploys": late}})
    assert set(found) == {"services.backend.minimum", "services.backend.deploys"}
    assert "nodes.a.count" in problems_of(nodes={"a": {"count": 0}})
    assert "services.backend.needs.cpu" in problems_of(services={"backend": {"needs": {"cpu": "much"}}})


def test_it_tells_what_needs_nodes_where_there_are_none():
    found = problems_of(nodes=None, placement=None, services={"backend": {"constraints": None}})
    assert set(found) == {
        "rebalancing", "node_outages", "drains", "services.backend.needs", "services.backend.demand",
    }  # fmt: skip


def test_it_refuses_what_has_no_room_at_the_beginning_before_it_simulates():
    found = problems_of(services={"backend": {"instances": 9}})
    assert found["services.backend.instances"].startswith(
        "backend-9 was not placed: 3 nodes refused it (3 by node.room)"
    )


def test_it_tells_of_nodes_in_every_form_and_gives_the_same_bytes_in_two_processes():
    document = merged(SCENARIO, {"variants": {"packed": {"placement": {"strategy": "bin-pack"}}}})
    one, two = (run_scenario(document, folder=HERE, seed=1, jobs=jobs) for jobs in (1, 2))
    assert json.dumps(one.as_json()) == json.dumps(two.as_json())
    told = one.as_json()["variants"][0]["cluster"]
    assert told["placed anew"]["mean"] >= 2
    assert set(told["nodes"]["b-1"]) == {"cpu held", "memory held", "cpu in use", "up"}
    text = "\n".join(lines_of(one))
    assert "placed anew" in text
    assert "a-1 " in text
    page = page_of(one)
    assert page.count("its fullest resource") == 2 * 3
    assert page.count("instances without a place") == 2


def test_it_says_nothing_of_nodes_where_there_are_none():
    bare = {
        key: value
        for key, value in SCENARIO.items()
        if key not in ("nodes", "placement", "rebalancing", "node_outages", "drains")
    }
    bare["services"] = {"backend": {"times": {"kind": "fixed", "time": "100ms"}}}
    result = run_scenario(bare, folder=HERE, seed=1)
    assert result.as_json()["variants"][0]["cluster"] is None
    assert "  nodes" not in list(lines_of(result))
