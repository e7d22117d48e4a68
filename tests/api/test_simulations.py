"""Simulations over the API."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from orchestration.domain.documents import parse_document
from simulation.lab import tasks
from tests.api.client import Caller
from tests.lab.scenarios import OVERLOADED, QUICK


@pytest.fixture
def body() -> dict[str, Any]:
    return {"scenario": parse_document(QUICK), "name": "Peak", "seed": 7}


def test_it_starts_shows_lists_and_cancels(program: Caller, body: dict[str, Any]):
    answer = program.post("simulations", body)
    assert answer.status == 202
    run_id = answer.body["id"]
    assert answer.body["self"] == f"/api/v1/simulations/{run_id}"
    shown = program.get(f"simulations/{run_id}").body
    assert (shown["state"], shown["seed"], shown["result"], shown["verdict"]) == ("queued", 7, None, "")
    assert shown["scenario"] == body["scenario"]
    assert [each["id"] for each in program.get("simulations").body["items"]] == [run_id]
    cancelled = program.post(f"simulations/{run_id}/cancel", {})
    assert (cancelled.status, cancelled.body["state"]) == (200, "cancelled")
    again = program.post(f"simulations/{run_id}/cancel", {})
    assert (again.status, again.code, again.body["state"]) == (409, "refused", "cancelled")


def test_it_asks_an_experiment_and_shows_its_answer(program: Caller, body: dict[str, Any]):
    asked = {"kind": "sensitivity", "places": ["load", "services.payment.times"]}
    run_id = program.post("simulations", {**body, "experiment": asked}).body["id"]
    while tasks.work()["batches"]:
        pass
    shown = program.get(f"simulations/{run_id}").body
    assert (shown["state"], shown["verdict"], shown["experiment"]) == ("done", "pass", asked)
    assert "blocks" not in shown["result"]
    effects = shown["result"]["experiment"]["workloads"]["orders"]["effects"]
    assert {each["place"] for each in effects} == set(asked["places"])


def test_it_says_where_a_question_is_wrong(program: Caller, body: dict[str, Any]):
    answer = program.post("simulations", {**body, "experiment": {"kind": "storm", "service": "nobody"}})
    assert (answer.status, answer.body["errors"][0]["path"]) == (422, "storm.service")
    answer = program.post("simulations", {**body, "experiment": {"kind": "nonsense"}})
    assert (answer.status, answer.body["errors"][0]["path"]) == (422, "experiment")


def test_it_refuses_with_paths_what_cannot_be_simulated(program: Caller, body: dict[str, Any]):
    answer = program.post("simulations", {**body, "scenario": parse_document(OVERLOADED)})
    assert (answer.status, answer.code) == (422, "scenario_invalid")
    assert answer.body["errors"][0]["path"] == "services.payment"
    answer = program.post("simulations", {**body, "scenario": {"scenario": "x"}})
    assert answer.status == 422
    assert {"horizon", "workflows", "workloads", "services"} <= {each["path"] for each in answer.body["errors"]}
    assert program.post("simulations", {**body, "seed": -1}).status == 422


def test_it_refuses_more_at_once_than_a_team_may_have(program: Caller, body: dict[str, Any]):
    for _ in range(2):
        assert program.post("simulations", body).status == 202
    answer = program.post("simulations", body)
    assert (answer.status, answer.code, answer.body["limit"]) == (429, "overloaded", "simulation_runs_per_team")
    assert "Retry-After" in answer.headers


def test_it_is_another_teams_business(program: Caller, stranger: Caller, body: dict[str, Any]):
    run_id = program.post("simulations", body).body["id"]
    assert stranger.get(f"simulations/{run_id}").status == 404
    assert stranger.post(f"simulations/{run_id}/cancel", {}).status == 404
    assert stranger.get("simulations").body["items"] == []
    assert program.get(f"simulations/{uuid.uuid4()}").status == 404
