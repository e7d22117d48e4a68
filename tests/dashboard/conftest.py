"""The standing actors of the pages: an operator and a viewer of one team, a stranger of another."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import Client

from dashboard.live.feed import THREADS, _threads
from orchestration.engine import graphs, operations
from orchestration.registry import local
from orchestration.teams import operations as teams
from tests.api.running import shift_at_work
from tests.dashboard import fakes


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Close the connections of the feed's threads too, or the database could not be dropped."""
    yield
    together = Barrier(THREADS)

    def close() -> None:
        together.wait(10)
        connections.close_all()

    for closing in [_threads.submit(close) for _ in range(THREADS)]:
        closing.result()


@pytest.fixture(autouse=True)
def _no_graphs_of_other_tests() -> None:
    # A test that is rolled back gives its revision's number to the next one's.
    graphs._graphs.clear()


@pytest.fixture
def team_id(db: None) -> int:
    """Return the team that most of what happens belongs to."""
    return teams.default_team().id


def person(team_id: int, name: str, role: str = "operator") -> Any:
    """Return a user who works in a team."""
    user = get_user_model().objects.create_user(username=name, password="a long enough password")
    teams.add_member(team_id=team_id, user_id=user.pk, role=role)
    return user


def browser_of(user: Any) -> Client:
    """Return a client that is logged in."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator(team_id: int) -> Client:
    """Return the pages as an operator sees them."""
    return browser_of(person(team_id, "operator"))


@pytest.fixture
def viewer(team_id: int) -> Client:
    """Return the pages as somebody sees them who may only look."""
    return browser_of(person(team_id, "viewer", "viewer"))


@pytest.fixture
def stranger(db: None) -> Client:
    """Return the pages as somebody of another team sees them."""
    return browser_of(person(teams.create_team(slug="others").id, "stranger"))


@pytest.fixture
def order(team_id: int) -> str:
    """Save the order's workflow; return its id."""
    return operations.save_definition(team_id=team_id, document=fakes.ORDER, by="demo").workflow


@pytest.fixture
def echo(team_id: int) -> str:
    """Save a workflow of three calls of a local service and a wait for the signal `go`; return its id."""
    call = {"type": "service", "service_name": "echoes", "method": "say", "input": {"text": "${input.text}"}}
    steps = [
        {"id": "first", **call},
        {"id": "gate", "type": "wait", "signal": "go", "dependencies": ["first"]},
        {"id": "last", **call, "dependencies": ["gate"]},
    ]
    document = {"id": "echo", "steps": steps, "input_schema": {"type": "object", "required": ["text"]}}
    return operations.save_definition(team_id=team_id, document=document, by="demo").workflow


@pytest.fixture
def shift(transactional_db: None) -> Iterator[None]:
    """Have a shift at work in this process, with the local service `echoes`."""
    local.register_local(team_id=None, name="echoes", method="say", function=lambda given: {"said": given["text"]})
    with shift_at_work():
        yield
    local.unregister_local(team_id=None, name="echoes")


def started(team_id: int, workflow: str, **given: Any) -> str:
    """Start an execution; return its id."""
    return operations.start_execution(team_id=team_id, workflow=workflow, input=given, by="demo").execution_id
