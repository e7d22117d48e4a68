"""The page of a service: its instances with their health over the last day, its policy, and what is doubted."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client

from orchestration import clock
from orchestration.registry import duties, operations
from orchestration.registry.models import CallingState, HealthChange, Instance, Service
from tests.dashboard import fakes


def registered(team_id: int, **changes) -> str:
    given = {"team_id": team_id, "name": "inventory", "address": "http://127.0.0.1:9000", **changes}
    return operations.register(**given).id


def test_it_draws_the_health_of_the_last_day(operator: Client, team_id: int):
    instance = registered(team_id, tags=["eu"], version=fakes.HOSTILE[:60])
    now = clock.now()
    Instance.objects.update(registered_at=now - timedelta(days=3))
    for hours, health in ((60, "healthy"), (30, "unhealthy"), (12, "healthy"), (6, "unhealthy")):
        HealthChange.objects.create(instance_id=instance, at=now - timedelta(hours=hours), health=health)

    page = operator.get("/services/inventory").content.decode()

    # The change before the day began says how it began.
    assert [part.split('"')[0] for part in page.split('<rect class="')[1:]] == ["unhealthy", "healthy", "unhealthy"]
    assert "unhealthy 50%, healthy 25%, unhealthy 25%" in page
    assert "&quot;interval&quot;: &quot;30s&quot;" in page
    assert "<script>alert" not in page
    assert '<a href="/services/inventory">' in operator.get("/services").content.decode()


def test_it_says_what_the_registry_doubts(operator: Client, team_id: int):
    registered(team_id)
    duties.distrust(duties.PROBES, "9 of the 10 instances that were well fail", now=clock.now())

    for page in ("/services", "/services/inventory"):
        assert "The registry distrusts its probes" in operator.get(page).content.decode()


def test_it_knows_no_service_of_another_team(stranger: Client, operator: Client, team_id: int):
    registered(team_id)

    assert operator.get("/services/inventory").status_code == 200
    for page in ("/services/inventory", "/services/nothing"):
        assert stranger.get(page).status_code == 404


def test_it_shows_a_service_without_instances(operator: Client, team_id: int):
    operations.deregister(team_id=team_id, instance_id=registered(team_id))

    assert "No instance" in operator.get("/services/inventory").content.decode()


def test_it_says_how_the_circuit_stands(operator: Client, team_id: int):
    registered(team_id)
    service = Service.objects.get(name="inventory")

    def circuit() -> str:
        page = operator.get("/services/inventory").content.decode()
        return page.split("<span>Circuit</span><b>")[1].split("</b>")[0]

    assert circuit() == "closed"
    until = clock.now_us() + 3600 * 1_000_000
    state = CallingState.objects.create(service=service, number=1, state="open", until=until)
    assert circuit() == f"open until {clock.to_datetime(until):%H:%M:%S} UTC"
    CallingState.objects.filter(pk=state.pk).update(until=1)
    assert circuit() == "open, one call is due to try"
    CallingState.objects.filter(pk=state.pk).update(state="closed", held_until=until)
    assert circuit() == f"closed; it asked to be left alone until {clock.to_datetime(until):%H:%M:%S} UTC"
