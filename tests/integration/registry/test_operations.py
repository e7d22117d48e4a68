"""Registering, draining and deregistering."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from orchestration import clock
from orchestration.domain.errors import LimitExceeded, NotFound
from orchestration.registry import operations, queries
from orchestration.registry.models import Instance, Service
from orchestration.registry.operations import RegistrationInvalid
from orchestration.teams.operations import create_team, default_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> int:
    return default_team().id


@pytest.fixture
def other_team() -> int:
    return create_team(slug="other").id


def register(team: int, **changes):
    return operations.register(**{"team_id": team, "name": "inventory", "address": "http://127.0.0.1:9000", **changes})


def mark(instance_id: str, **fields) -> None:
    assert Instance.objects.filter(pk=instance_id).update(**fields) == 1


def problems_of(team: int, **changes) -> list[tuple[str, str]]:
    before = (Service.objects.count(), Instance.objects.count())
    with pytest.raises(RegistrationInvalid) as refused:
        register(team, **changes)
    assert (Service.objects.count(), Instance.objects.count()) == before
    return [(problem.path, problem.code) for problem in refused.value.problems]


def test_it_registers_an_instance(team: int):
    before = clock.now()
    view = register(
        team,
        address="http://127.0.0.1:9000/stock",
        version="1.4.2",
        tags=["eu", "blue"],
        metadata={"zone": "a", "weight": 3},
        by="key demo",
    )
    assert before <= view.registered_at <= clock.now()
    assert view == queries.get_instance(team_id=team, instance_id=view.id)
    assert (view.service, view.protocol, view.address, view.port, view.path) == (
        "inventory", "http", "127.0.0.1", 9000, "/stock",
    )  # fmt: skip
    assert (view.url, view.version, view.tags) == ("http://127.0.0.1:9000/stock", "1.4.2", ("eu", "blue"))
    assert (view.metadata, view.health_path, view.registered_by) == ({"zone": "a", "weight": 3}, "/health", "key demo")
    assert (view.status, view.health, view.health_detail) == ("active", "unknown", "")
    assert Instance.objects.get(pk=view.id).probe_at == view.registered_at


def test_it_renews_the_same_address_with_its_id_and_health(team: int):
    first = register(team, version="1", tags=["a"])
    due = clock.to_datetime(2_000_000_000_000_000)
    mark(first.id, health="healthy", health_row=2, probe_at=due, status="draining")
    again = register(team, version="2", by="somebody else")
    assert (again.id, again.health, again.registered_at) == (first.id, "healthy", first.registered_at)
    assert (again.version, again.tags, again.status) == ("2", (), "active")
    assert again.last_seen_at >= first.last_seen_at
    assert again.registered_by == first.registered_by
    assert Instance.objects.get(pk=first.id).probe_at == due
    assert Instance.objects.count() == 1


def test_it_asks_anew_when_the_health_path_or_protocol_changes(team: int):
    first = register(team)
    mark(first.id, probe_at=clock.to_datetime(2_000_000_000_000_000))
    register(team, health_path="/ready")
    assert Instance.objects.get(pk=first.id).probe_at <= clock.now()
    register(team, health_path="")
    assert Instance.objects.get(pk=first.id).probe_at is None


def test_it_tells_instances_apart_by_host_port_and_path(team: int):
    ids = {
        register(team, address=address).id
        for address in (
            "http://127.0.0.1:9000",
            "http://127.0.0.1:9001",
            "http://localhost:9000",
            "http://127.0.0.1:9000/a",
        )
    }
    assert len(ids) == 4
    assert Service.objects.count() == 1


def test_it_keeps_two_teams_apart(team: int, other_team: int):
    mine, theirs = register(team), register(other_team)
    assert mine.id != theirs.id
    assert [each.id for each in queries.instances_of(team_id=team, name="inventory")] == [mine.id]
    assert [each.id for each in queries.instances_of(team_id=other_team, name="inventory")] == [theirs.id]
    with pytest.raises(NotFound) as foreign:
        queries.get_instance(team_id=team, instance_id=theirs.id)
    with pytest.raises(NotFound) as nowhere:
        queries.get_instance(team_id=team, instance_id=str(uuid.uuid4()))
    assert foreign.value.message == nowhere.value.message
    for act in (operations.deregister, operations.drain):
        with pytest.raises(NotFound):
            act(team_id=team, instance_id=theirs.id)
    assert Instance.objects.count() == 2


@pytest.mark.parametrize(
    "name", ["", " ", " a", ".", "..", "-a", "a b", "a/b", "x" * 81, "Café", "a\n", "a\x01", "<img>", None, 7, ["a"]]
)
def test_it_refuses_a_name_that_is_none(team: int, name):
    assert problems_of(team, name=name) == [("name", "name.format")]


def test_it_tells_all_problems_at_once(team: int):
    assert problems_of(
        team,
        name="-",
        address="http://a@b",
        version="1\n",
        tags=["ok", "not ok", 7],
        metadata={"n": float("nan")},
        health_path="/a?b",
    ) == [
        ("name", "name.format"),
        ("version", "version.format"),
        ("tags[1]", "tags.format"),
        ("tags[2]", "tags.format"),
        ("metadata.n", "document.not_finite"),
        ("health_path", "health_path.format"),
        ("address", "address.format"),
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"address": "ftp://h"}, ("address", "address.scheme")),
        ({"address": "http://h:22"}, ("address", "address.port")),
        ({"address": "h", "port": 22}, ("port", "address.port")),
        ({"address": "h", "port": True}, ("port", "address.port")),
        ({"address": "h", "port": "80"}, ("port", "address.port")),
        ({"address": None}, ("address", "address.format")),
        ({"address": "http://169.254.169.254"}, ("address", "address.forbidden")),
        ({"address": "http://[::ffff:169.254.169.254]"}, ("address", "address.forbidden")),
        ({"address": "http://0.0.0.0:9000"}, ("address", "address.forbidden")),
        ({"address": "http://metadata.google.internal"}, ("address", "address.forbidden")),
        ({"address": "python:os"}, ("address", "address.forbidden")),
        ({"protocol": 7}, ("protocol", "address.scheme")),
        ({"tags": "eu"}, ("tags", "tags.format")),
        ({"tags": ["t"] * 33}, ("tags", "tags.format")),
        ({"metadata": ["x"]}, ("metadata", "metadata.format")),
        ({"metadata": {"t": "x" * 20_000}}, ("metadata", "metadata.too_long")),
        ({"metadata": {"t": "\0"}}, ("metadata.t", "text.format")),
        ({"health_path": "health"}, ("health_path", "health_path.format")),
        ({"health_path": "/../x"}, ("health_path", "health_path.format")),
        ({"health_path": "/x\r\nHost: y"}, ("health_path", "health_path.format")),
        ({"health_path": 7}, ("health_path", "health_path.format")),
    ],
)
def test_it_refuses_what_cannot_be_called(team: int, changes, problem):
    assert problems_of(team, **changes) == [problem]


def test_it_refuses_loopback_where_that_is_not_allowed(team: int, settings):
    settings.PODIUM = replace(settings.PODIUM, outbound_allow=("public",))
    for address in ("http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000"):
        assert problems_of(team, address=address) == [("address", "address.forbidden")]


def test_it_registers_python_modules_that_the_site_loads(team: int, settings):
    settings.PODIUM = replace(settings.PODIUM, python_services=("demo.services",))
    view = register(team, address="python:demo.services")
    assert (view.protocol, view.url, view.port) == ("python", "python:demo.services", 0)


def test_it_bounds_the_instances_of_a_team(team: int, other_team: int, settings):
    settings.PODIUM = replace(settings.PODIUM, instances_per_team=2)
    register(team)
    register(team, address="http://127.0.0.1:9001")
    with pytest.raises(LimitExceeded):
        register(team, address="http://127.0.0.1:9002")
    register(team, version="2")
    register(other_team)
    assert Instance.objects.count() == 3


def test_it_drains_and_takes_back(team: int):
    view = register(team)
    assert operations.drain(team_id=team, instance_id=view.id).status == "draining"
    assert queries.get_service(team_id=team, name="inventory").usable == 0
    assert operations.drain(team_id=team, instance_id=view.id).status == "draining"
    assert register(team).status == "active"
    assert queries.get_service(team_id=team, name="inventory").usable == 1


def test_it_deregisters_and_keeps_the_service(team: int):
    view = register(team)
    assert operations.deregister(team_id=team, instance_id=view.id) == view
    assert queries.get_service(team_id=team, name="inventory").instances == ()
    with pytest.raises(NotFound):
        operations.deregister(team_id=team, instance_id=view.id)


@pytest.mark.parametrize("text", ["", "0", "x", "FFFFFFFF-0000-4000-8000-000000000000", "{}", "' or 1=1"])
def test_it_knows_no_instance_by_a_text_that_is_no_id(team: int, text: str):
    with pytest.raises(NotFound):
        queries.get_instance(team_id=team, instance_id=text)


def test_it_lists_services_by_name_with_their_instances(team: int, other_team: int):
    register(team, name="b")
    register(team, name="a")
    register(team, name="a", address="http://127.0.0.1:9001")
    register(other_team, name="c")
    services = queries.list_services(team_id=team)
    assert [(each.name, len(each.instances), each.usable) for each in services] == [("a", 2, 2), ("b", 1, 1)]
    assert [each.name for each in queries.list_services(team_id=team, limit=1)] == ["a"]
    assert queries.list_services(team_id=team, name="c") == ()
    with pytest.raises(NotFound):
        queries.get_service(team_id=team, name="c")


def test_it_lists_in_a_few_statements(team: int, django_assert_max_num_queries):
    for number in range(20):
        register(team, name=f"s{number}", address=f"http://127.0.0.1:{9000 + number}")
    with django_assert_max_num_queries(3):
        assert len(queries.list_services(team_id=team)) == 20
