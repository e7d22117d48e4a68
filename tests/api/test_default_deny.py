"""Every route of the URL table: closed without credentials, and another team's things are not there."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest
from django.urls import URLPattern

from orchestration.api import urls
from orchestration.registry import operations as registry
from simulation.lab import api as simulations
from simulation.lab import operations as lab
from tests.api.client import NOTHING, Caller
from tests.api.definitions import waiting_definition
from tests.lab.scenarios import QUICK

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What is open, each with its reason.
OPEN = {
    "callback": "its signed token is all that a service has",
    "openapi": "open in development, tested below for production",
    "docs": "open in development, tested below for production",
}
BODIES = {"service": {}, "service-by-name": {"policy": {}}, "execution-rerun": {"step": "gate"}, "workflow-execute": {}}
# What belongs to no team: everybody may read it.
OF_ALL_TEAMS = {"config-setting"}
FILLED = {
    "execution_id": str(uuid.uuid4()), "instance_id": str(uuid.uuid4()), "workflow": "approval", "name": "go",
    "simulation_id": str(uuid.uuid4()), "service": "sums", "setting": "workflows.max_concurrent",
}  # fmt: skip


def routes() -> Iterator[tuple[str, str]]:
    for pattern in (*simulations.urlpatterns, *urls.urlpatterns):
        assert isinstance(pattern, URLPattern)
        name = str(pattern.name).removesuffix("-slash")
        if name not in OPEN:
            yield name, str(pattern.pattern)


def filled(route: str, **values: str) -> str:
    given = FILLED | values
    return re.sub(r"<str:(\w+)>", lambda match: given[match[1]], route)


ROUTES = list(routes())


def test_the_table_is_not_empty():
    assert len(ROUTES) > 30


@pytest.mark.parametrize("route", [route for _, route in ROUTES])
def test_it_is_closed_to_nobody(nobody: Caller, route: str):
    for method in METHODS:
        answer = nobody.ask(method, filled(route), {}, type="application/json")

        assert (answer.status, answer.code) == (401, "unauthenticated"), method
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("route", [route for _, route in ROUTES])
def test_it_is_closed_to_a_wrong_key(nobody: Caller, route: str):
    answer = nobody.ask("GET", filled(route), Authorization=f"Bearer podium_{'x' * 40}")

    assert (answer.status, answer.code) == (401, "unauthenticated")


@pytest.mark.parametrize("name", sorted({name for name, route in ROUTES if "<" in route} - OF_ALL_TEAMS))
def test_another_teams_things_look_like_nothing(program: Caller, stranger: Caller, team_id: int, name: str):
    program.post("workflows", waiting_definition())
    execution = program.post("workflows/approval/execute", {}).body["execution_id"]
    instance = registry.register(team_id=team_id, name="sums", address="http://127.0.0.1:8999")
    route = dict(ROUTES)[name]
    simulation = str(lab.start_run(team_id=team_id, text=QUICK, name="quick", by="ada"))
    real = filled(route, execution_id=execution, instance_id=instance.id, simulation_id=simulation)
    random = filled(route, workflow="never-saved", service="never-registered")

    for method in METHODS:
        body = BODIES.get(name, NOTHING)
        foreign, unknown = (
            stranger.ask(method, real, body, type="application/json"),
            stranger.ask(method, random, body, type="application/json"),
        )
        assert foreign.status == unknown.status in {404, 405}
        assert foreign.body == unknown.body
    assert program.get(f"executions/{execution}").body["status"] == "pending"
    assert program.get(f"services/{instance.id}").status == 200


@pytest.mark.parametrize("path", ["openapi.json", "docs", "docs/"])
def test_the_document_is_closed_in_production(nobody: Caller, program: Caller, production: None, path: str):
    assert nobody.get(path).status == 401
    assert program.get(path).status == 200


@pytest.mark.parametrize("path", ["openapi.json", "docs", "docs/"])
def test_the_document_is_open_in_development(nobody: Caller, path: str):
    assert nobody.get(path).status == 200
