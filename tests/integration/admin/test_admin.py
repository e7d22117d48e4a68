"""The admin site: it shows, to superusers, and writes nothing past the operations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from orchestration import clock
from orchestration.admin.policy_form import policy_keys
from orchestration.engine.models import Execution, Revision, Workflow
from orchestration.registry import duties, operations, queries
from orchestration.registry.models import HealthChange, Instance, Service
from orchestration.teams import operations as teams
from orchestration.teams.models import ApiKey
from orchestration.teams.queries import principal_for_key

pytestmark = pytest.mark.django_db

MODELS = (
    "service",
    "instance",
    "team",
    "apikey",
    "workflow",
    "revision",
    "execution",
    "settingsversion",
)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def team() -> int:
    return teams.default_team().id


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def stranger() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("staff", is_staff=True))
    return client


@pytest.fixture
def instance(team: int) -> queries.InstanceView:
    return operations.register(
        team_id=team, name="inventory", address="http://127.0.0.1:9000", version=HOSTILE, metadata={"t": HOSTILE}
    )


@pytest.fixture
def execution(team: int) -> Execution:
    now = clock.now()
    workflow = Workflow.objects.create(team_id=team, slug="order", name=HOSTILE, latest=1, updated_at=now)
    document = json.dumps({"id": "order", "name": HOSTILE})
    revision = Revision.objects.create(workflow=workflow, number=1, document=document, digest="d", created_at=now)
    return Execution.objects.create(
        id="00000000-0000-4000-8000-000000000001",
        team_id=team,
        workflow=workflow,
        revision=revision,
        root_id="00000000-0000-4000-8000-000000000001",
        input=json.dumps({"t": HOSTILE}),
        created_at=clock.to_us(now),
    )


def url(model: str, page: str, *args: object) -> str:
    return reverse(f"admin:orchestration_{model}_{page}", args=args)


@pytest.mark.parametrize("model", MODELS)
def test_it_lists(root: Client, instance, execution, model: str):
    teams.create_key(team_id=execution.team_id, name=HOSTILE)
    answer = root.get(url(model, "changelist"))
    assert answer.status_code == 200
    assert HOSTILE not in answer.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_it_searches(root: Client, instance, execution, model: str):
    assert root.get(url(model, "changelist"), {"q": "order"}).status_code == 200


def test_it_shows_each_thing(root: Client, team: int, instance, execution):
    key, _ = teams.create_key(team_id=team, name="deploy")
    service = Instance.objects.get(pk=instance.id).service_id
    places = {
        "service": service,
        "instance": instance.id,
        "team": team,
        "apikey": key.id,
        "workflow": execution.workflow_id,
        "revision": execution.revision_id,
        "execution": execution.pk,
    }
    for model, key_of in places.items():
        answer = root.get(url(model, "change", key_of))
        assert answer.status_code == 200, model
        assert HOSTILE not in answer.content.decode(), model


def test_it_writes_nothing(root: Client, team: int, instance, execution):
    for model, key_of in {"team": team, "instance": instance.id, "execution": execution.pk}.items():
        assert root.get(url(model, "add")).status_code == 403
        assert root.post(url(model, "change", key_of), {"name": "changed"}).status_code == 403
        assert root.post(url(model, "delete", key_of), {"post": "yes"}).status_code == 403
    assert Instance.objects.filter(pk=instance.id).exists()
    assert root.post(url("apikey", "changelist"), {"action": "delete_selected"}).status_code in {200, 302}


def test_it_lets_superusers_in_only(stranger: Client, client: Client, instance):
    assert client.get(url("instance", "changelist")).status_code == 302
    for model in MODELS:
        assert stranger.get(url(model, "changelist")).status_code == 403
        assert stranger.get(url(model, "add")).status_code == 403
    chosen = {"action": "deregister", "_selected_action": [instance.id]}
    assert stranger.post(url("instance", "changelist"), chosen).status_code == 403
    assert Instance.objects.filter(pk=instance.id).exists()


def test_it_drains_and_deregisters_by_the_operations(root: Client, team: int, instance):
    def act(action: str) -> str:
        answer = root.post(
            url("instance", "changelist"), {"action": action, "_selected_action": [instance.id]}, follow=True
        )
        return answer.content.decode()

    assert "1 drained" in act("drain")
    assert queries.get_instance(team_id=team, instance_id=instance.id).status == "draining"
    # Draining one that fell silent does not fit, and is told rather than thrown.
    Instance.objects.filter(pk=instance.id).update(status="inactive")
    assert "cannot be drained" in act("drain")
    assert "1 deregistered" in act("deregister")
    assert queries.instances_of(team_id=team, name="inventory") == ()


def test_it_hands_a_key_out_and_shows_it_once(root: Client, team: int):
    form = {"team": team, "name": "deploy", "expires_at_0": "", "expires_at_1": ""}
    page = root.post(url("apikey", "add"), form, follow=True).content.decode()
    row = ApiKey.objects.get()
    assert (row.name, row.created_by) == ("deploy", "root")
    shown = page[page.index(row.prefix) :].partition("<")[0].split()[0].strip()
    assert principal_for_key(key=shown) is not None
    assert shown not in root.get(url("apikey", "change", row.pk)).content.decode()


def test_it_tells_why_a_key_was_not_handed_out(root: Client, team: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(teams, "KEYS_PER_TEAM", 0)
    form = {"team": team, "name": "deploy", "expires_at_0": "", "expires_at_1": ""}
    page = root.post(url("apikey", "add"), form, follow=True).content.decode()
    assert "at most 0 keys" in page
    assert not ApiKey.objects.exists()


def test_it_revokes_keys(root: Client, team: int):
    view, key = teams.create_key(team_id=team, name="deploy")
    root.post(url("apikey", "changelist"), {"action": "revoke", "_selected_action": [view.id]})
    assert principal_for_key(key=key) is None


def test_it_hides_the_task_queues_rows(root: Client):
    assert root.get(reverse("admin:index")).status_code == 200
    registered = {f"{model._meta.app_label}.{model._meta.model_name}" for model in admin.site._registry}
    assert not {name for name in registered if name.startswith("django_q.")}
    assert {name for name in registered if name.startswith("orchestration.")} == {
        f"orchestration.{m}" for m in (*MODELS, "livesettings")
    }


def test_it_shows_people(root: Client):
    person = User.objects.create_user("ada")
    assert root.get(reverse("admin:auth_user_changelist")).status_code == 200
    assert root.get(reverse("admin:auth_user_change", args=[person.pk])).status_code == 200


def form_of(root: Client, service: int) -> dict[str, Any]:
    """Return what the form of a service's policy would send if nobody changed anything."""
    page = root.get(url("service", "change", service))
    form = page.context["adminform"].form
    data = {name: form.get_initial_for_field(field, name) or "" for name, field in form.fields.items()}
    for formset in page.context["inline_admin_formsets"]:
        management = formset.formset.management_form
        data |= {management.add_prefix(name): value for name, value in management.initial.items()}
    return data


def test_a_policy_is_a_form_with_a_word_on_every_field(root: Client, team: int, instance):
    service = Service.objects.get().pk
    page = root.get(url("service", "change", service)).content.decode()
    for key in policy_keys():
        assert f'name="{key.field}"' in page, key
        assert key.says, key
    assert "How often an instance's health address is asked. Default: 30s." in page


def test_a_policy_is_changed_by_the_operation(root: Client, team: int, instance):
    service = Service.objects.get().pk
    index = queries.latest_index()
    data = form_of(root, service) | {
        "probe__interval": "1m",
        "breaker__enabled": "no",
        "concurrency__limit": "7",
        "retry_budget__ratio": "0.5",
        "select__tags": "eu, blue",
        "balance": "weighted",
    }
    assert root.post(url("service", "change", service), data).status_code == 302
    row = Service.objects.get()
    assert row.policy == {
        "probe": {"interval": "1m"},
        "breaker": {"enabled": False},
        "concurrency": {"limit": 7},
        "retry_budget": {"ratio": 0.5},
        "select": {"tags": ["eu", "blue"]},
        "balance": "weighted",
    }
    assert row.policy_version == 2
    assert [each.type for each in queries.events_after(team_id=team, index=index).items] == ["service.updated"]
    emptied = form_of(root, service) | {"concurrency__limit": "", "select__tags": ""}
    assert root.post(url("service", "change", service), emptied).status_code == 302
    assert {"concurrency", "select"}.isdisjoint(Service.objects.get().policy)


def test_a_policy_that_is_wrong_is_told_at_its_fields(root: Client, team: int, instance):
    service = Service.objects.get().pk
    data = form_of(root, service) | {"probe__rise": "many", "probe__interval": "soon", "rate__burst": "5"}
    page = root.post(url("service", "change", service), data)
    assert page.status_code == 200
    assert {"probe__rise", "probe__interval", "rate__per_second"} <= set(page.context["adminform"].form.errors)
    assert Service.objects.get().policy == {}


def test_a_policy_that_somebody_else_changed_is_not_written_over(root: Client, team: int, instance):
    service = Service.objects.get().pk
    data = form_of(root, service) | {"timeout": "9s"}
    operations.update_policy(team_id=team, name="inventory", changes={"timeout": "1s"})
    page = root.post(url("service", "change", service), data, follow=True).content.decode()
    assert "read it anew" in page
    assert Service.objects.get().policy == {"timeout": "1s"}


def test_a_stranger_changes_no_policy(stranger: Client, team: int, instance):
    assert stranger.post(url("service", "change", Service.objects.get().pk), {"timeout": "9s"}).status_code == 403


def test_an_instances_page_draws_its_health(root: Client, team: int, instance):
    for number, health in enumerate(("healthy", "unhealthy", "healthy")):
        at = clock.to_datetime(clock.now_us() - 3_600_000_000 * (3 - number))
        HealthChange.objects.create(instance_id=instance.id, at=at, health=health, detail=HOSTILE)
    Instance.objects.update(registered_at=clock.to_datetime(clock.now_us() - 7 * 3_600_000_000))
    page = root.get(url("instance", "change", instance.id)).content.decode()
    assert page.count('<rect x="') == 4
    assert 'aria-label="Health from ' in page
    assert HOSTILE not in page


def test_it_tells_what_the_registry_doubts(root: Client, team: int, instance):
    duties.distrust(duties.EXPIRY, f"9 of 10 {HOSTILE}", now=clock.now())
    for page in (url("instance", "changelist"), url("service", "change", Service.objects.get().pk)):
        content = root.get(page).content.decode()
        assert "The registry distrusts its expiry since" in content
        assert HOSTILE not in content
