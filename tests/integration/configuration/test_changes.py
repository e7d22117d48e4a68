"""Changes of the live settings: numbered, written down, refused as a whole, and taken back by another one."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, connections
from pytest_django.fixtures import Settings

from orchestration import clock
from orchestration.configuration import operations, queries
from orchestration.configuration.models import SettingChange, SettingsVersion
from orchestration.domain.errors import NotFound

pytestmark = pytest.mark.django_db


def change(values: dict[str, Any], **more: Any) -> queries.ConfigurationView:
    return operations.change_settings(values=values, by="ana", **more)


def value_of(name: str) -> Any:
    return queries.get_setting(name=name).value


def test_it_begins_at_version_0_with_the_defaults() -> None:
    found = queries.get_configuration()
    assert (found.version, found.changed_at) == (0, None)
    assert {each.source for each in found.settings} == {"default"}
    assert value_of("messaging.max_message_size") == "1MB"


def test_a_change_makes_a_version_that_says_who_when_and_why() -> None:
    before = clock.now_us()
    change({"workflows.max_concurrent": 7, "registry.cleanup_interval": "10m"}, reason="a busy\nweek")
    [version] = queries.list_versions(limit=10).items
    assert (version.version, version.by, version.reason, version.restored) == (1, "ana", "a busy week", None)
    assert before <= version.at <= clock.now_us()
    assert [(each.name, each.old, each.new) for each in version.changes] == [
        ("registry.cleanup_interval", None, "10m"),
        ("workflows.max_concurrent", None, 7),
    ]
    setting = queries.get_setting(name="workflows.max_concurrent")
    assert (setting.value, setting.number, setting.source, setting.version) == (7, 7, "live", 1)


def test_it_keeps_what_was_not_asked_for_and_resets_what_is_none() -> None:
    change({"workflows.max_concurrent": 7, "workflows.retry_attempts": 5})
    change({"workflows.retry_attempts": None})
    assert (value_of("workflows.max_concurrent"), value_of("workflows.retry_attempts")) == (7, 3)
    newest = queries.list_versions(limit=1).items[0]
    assert [(each.name, each.old, each.new) for each in newest.changes] == [("workflows.retry_attempts", 5, None)]


def test_a_replacement_resets_all_others() -> None:
    change({"workflows.max_concurrent": 7})
    change({"workflows.retry_attempts": 5}, whole=True)
    assert (value_of("workflows.max_concurrent"), value_of("workflows.retry_attempts")) == (100, 5)


def test_it_makes_no_version_of_what_changes_nothing() -> None:
    change({"registry.cleanup_interval": "10m"})
    assert change({"registry.cleanup_interval": 600}).version == 1
    assert change({"workflows.retry_attempts": None}).version == 1


def test_it_refuses_everything_where_one_thing_is_wrong() -> None:
    with pytest.raises(operations.SettingsInvalid) as refused:
        change({"workflows.max_concurrent": 7, "workflows.retry_attempts": 0, "nothing.at_all": None})
    assert [(each.path, each.code) for each in refused.value.problems] == [
        ("workflows.retry_attempts", "value.range"),
        ("nothing.at_all", "key.unknown"),
    ]
    assert not SettingsVersion.objects.exists()


def test_it_refuses_what_does_not_go_together_with_what_is_set() -> None:
    change({"registry.cleanup_interval": "1m"})
    with pytest.raises(operations.SettingsInvalid) as refused:
        change({"registry.heartbeat_interval": "2m"})
    assert [each.code for each in refused.value.problems] == ["value.relation"]
    change({"registry.heartbeat_interval": "2m", "registry.cleanup_interval": "3m"})


def test_it_refuses_a_change_that_was_made_for_another_version() -> None:
    change({"workflows.max_concurrent": 7}, expected=0)
    with pytest.raises(operations.SettingsStale) as refused:
        change({"workflows.max_concurrent": 8}, expected=0)
    assert refused.value.details == {"version": 1}
    assert change({"workflows.max_concurrent": 8}, expected=1).version == 2


def test_it_brings_a_version_back_by_a_new_one() -> None:
    change({"workflows.max_concurrent": 7})
    change({"workflows.max_concurrent": 8, "workflows.retry_attempts": 5})
    operations.restore_version(version=1, by="bo", reason="too much")
    newest = queries.list_versions(limit=1).items[0]
    assert (newest.version, newest.by, newest.restored, newest.reason) == (3, "bo", 1, "too much")
    assert (value_of("workflows.max_concurrent"), value_of("workflows.retry_attempts")) == (7, 3)
    operations.restore_version(version=0, by="bo")
    assert {each.source for each in queries.get_configuration().settings} == {"default"}


def test_it_cannot_bring_back_what_never_was() -> None:
    with pytest.raises(NotFound):
        operations.restore_version(version=3, by="bo")


def test_it_lists_the_versions_of_one_setting_page_by_page() -> None:
    for number in (1, 2, 3, 4):
        change({"workflows.max_concurrent": number})
        change({"workflows.retry_attempts": number + 10})
    first = queries.list_versions(limit=3, name="workflows.max_concurrent")
    assert ([each.version for each in first.items], first.next_cursor) == ([7, 5, 3], "3")
    rest = queries.list_versions(limit=3, name="workflows.max_concurrent", cursor=first.next_cursor)
    assert ([each.version for each in rest.items], rest.next_cursor) == ([1], None)


def test_what_somebody_set_holds_before_the_environment_and_that_before_the_default(settings: Settings) -> None:
    def stands() -> tuple[Any, str]:
        found = queries.get_setting(name="workflows.max_concurrent")
        return found.value, found.source

    assert stands() == (100, "default")
    settings.PODIUM = replace(settings.PODIUM, max_concurrent=40)
    assert stands() == (40, "environment")
    change({"workflows.max_concurrent": 100})
    assert stands() == (100, "live")
    change({"workflows.max_concurrent": None})
    assert stands() == (40, "environment")


def test_it_passes_over_what_an_other_release_had_set() -> None:
    text = '{"workflows.max_concurrent": 0, "gone.setting": 5, "workflows.retry_attempts": 4}'
    SettingsVersion.objects.create(version=1, at=1, settings=text)
    assert (value_of("workflows.max_concurrent"), value_of("workflows.retry_attempts")) == (100, 4)
    assert queries.whole("workflows.retry_attempts") == 4


@pytest.mark.django_db(transaction=True)
def test_of_changes_at_once_none_is_lost() -> None:
    names = [
        "workflows.max_concurrent",
        "workflows.retry_attempts",
        "resources.quota_period",
        "messaging.dead_letter_ttl",
    ]
    failed: list[BaseException] = []

    def set_to_200(name: str) -> None:
        try:
            change({name: 200 if name.startswith("workflows") else "200m"})
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=set_to_200, args=(name,)) for name in names]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert not failed
    assert [each.source for each in queries.get_configuration().settings if each.name in names] == ["live"] * 4
    assert list(SettingsVersion.objects.order_by("version").values_list("version", flat=True)) == [1, 2, 3, 4]
    assert SettingChange.objects.count() == 4
    assert not connection.in_atomic_block


def test_it_keeps_the_latest_changes_of_each_setting(settings: Settings) -> None:
    settings.PODIUM = replace(settings.PODIUM, settings_changes_kept=3)
    change({"workflows.retry_attempts": 5})
    for number in range(1, 8):
        change({"workflows.max_concurrent": number})

    def kept(name: str) -> list[int]:
        return [each.version for each in queries.list_versions(limit=100, name=name).items]

    assert kept("workflows.max_concurrent") == [8, 7, 6]
    assert kept("workflows.retry_attempts") == [1], "one setting that changes often does not push others out"
    assert [each.version for each in queries.list_versions(limit=100).items] == [8, 7, 6, 1]
    assert SettingChange.objects.count() == 4
    assert (value_of("workflows.max_concurrent"), value_of("workflows.retry_attempts")) == (7, 5)


def test_it_says_that_a_version_may_not_be_kept_any_more(settings: Settings) -> None:
    settings.PODIUM = replace(settings.PODIUM, settings_changes_kept=1)
    for number in (1, 2, 3):
        change({"workflows.max_concurrent": number})
    for ask in (lambda: operations.restore_version(version=2, by="ana"), lambda: queries.get_version(version=2)):
        with pytest.raises(NotFound, match="or it is not kept any more"):
            ask()
    assert operations.restore_version(version=0, by="ana").version == 4
