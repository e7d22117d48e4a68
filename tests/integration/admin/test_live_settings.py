"""The live settings in the admin site: one page that changes them by the operation, and their history."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from orchestration.configuration import operations, queries

pytestmark = pytest.mark.django_db

PAGE = "/admin/orchestration/livesettings/"
HOSTILE = "<script>alert(1)</script>"
MAX = "workflows.max_concurrent"


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


def value_of(name: str) -> Any:
    return queries.get_setting(name=name).value


def save(root: Client, version: int = 0, **more: str) -> str:
    form = {"version": str(version), "reason": "", **{each.name: "" for each in queries.get_configuration().settings}}
    return root.post(PAGE, {**form, **more}, follow=True).content.decode()


def test_it_shows_every_setting_with_value_default_bounds_and_source(root: Client):
    operations.change_settings(values={MAX: 7}, by="ana")
    page = re.sub(r"\s+", " ", root.get(PAGE).content.decode())
    for each in queries.get_configuration().settings:
        assert f'name="{each.name}"' in page
    assert re.search(r"Now <strong[^>]*>7</strong>, set here, changed by <a[^>]*>version 1</a>", page)
    assert "Default 100; from 1 to 10000000." in page
    assert re.search(r"Now <strong[^>]*>1h</strong>, the default.", page)


def test_it_changes_them_by_the_operation_and_says_so(root: Client):
    page = save(root, **{MAX: "7", "messaging.retry_backoff": "linear", "reason": "a busy week"})
    assert "this is version 1" in page
    [version] = queries.list_versions(limit=5).items
    assert (version.by, version.reason) == ("root", "a busy week")
    assert [(each.name, each.new) for each in version.changes] == [("messaging.retry_backoff", "linear"), (MAX, 7)]
    assert "this is version 2" in save(root, version=1, **{MAX: "7"})
    assert (value_of(MAX), value_of("messaging.retry_backoff")) == (7, "exponential")
    assert "Nothing was changed" in save(root, version=2, **{MAX: " 7 "})


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        (MAX, "0", "lies in 1 to 10000000"),
        ("registry.cleanup_interval", "soon", "a duration is whole numbers with the units"),
        ("registry.heartbeat_interval", "10m", "is longer than registry.cleanup_interval"),
    ],
)
def test_it_says_beside_the_field_what_is_wrong_and_changes_nothing(root: Client, name: str, given: str, says: str):
    page = save(root, **{name: given, "workflows.retry_attempts": "5"})
    assert says in page
    assert f'value="{given}"' in page
    assert queries.get_configuration().version == 0


def test_it_does_not_write_over_what_somebody_else_changed_meanwhile(root: Client):
    operations.change_settings(values={MAX: 7}, by="ana")
    page = save(root, version=0, **{MAX: "8"})
    assert "at version 1; the change was made for version 0" in page
    assert value_of(MAX) == 7


def test_it_lists_what_was_changed_by_whom_and_why(root: Client):
    operations.change_settings(values={MAX: 7}, by=HOSTILE, reason=HOSTILE)
    listed = root.get(reverse("admin:orchestration_settingsversion_changelist")).content.decode()
    shown = root.get(reverse("admin:orchestration_settingsversion_change", args=[1])).content.decode()
    assert f"{MAX}: 7" in listed
    assert "the default" in shown
    assert HOSTILE not in listed + shown
    found = root.get(reverse("admin:orchestration_settingsversion_changelist"), {"changes__name": MAX, "q": "7"})
    assert found.status_code == 200


def test_it_brings_one_version_back(root: Client):
    for number in (7, 8):
        operations.change_settings(values={MAX: number}, by="ana")
    where = reverse("admin:orchestration_settingsversion_changelist")

    def restore(*versions: int) -> str:
        form = {"action": "restore", "_selected_action": [str(each) for each in versions]}
        return root.post(where, form, follow=True).content.decode()

    assert "Choose one version" in restore(1, 2)
    assert "1 brought back" in restore(1)
    assert value_of(MAX) == 7
    assert queries.list_versions(limit=1).items[0].by == "root"


def test_it_writes_nothing_else(root: Client):
    operations.change_settings(values={MAX: 7}, by="ana")
    history = "admin:orchestration_settingsversion"
    assert root.get(reverse(f"{history}_add")).status_code == 403
    assert root.post(reverse(f"{history}_change", args=[1]), {"by": "bo"}).status_code == 403
    assert root.post(reverse(f"{history}_delete", args=[1]), {"post": "yes"}).status_code == 403
    assert root.get(f"{PAGE}add/").status_code == 404


def test_it_lets_superusers_in_only(client: Client):
    assert client.get(PAGE).status_code == 302
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"version": "0", MAX: "7"}).status_code == 403
    assert queries.get_configuration().version == 0
