"""What the live settings are.

One precedence: what somebody set holds before the variable of the environment, that before the built-in default.

`current`, `whole`, `seconds` and `execution_defaults` are for the platform's own use: they answer from what the process
knows (watching.py), at no cost, and are at most two seconds behind. The others ask the database, for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from django.conf import settings

from orchestration.configuration.models import SettingChange, SettingsVersion
from orchestration.configuration.watching import Known, start_anew, watch
from orchestration.domain.errors import NotFound
from orchestration.domain.limits import MICROSECONDS, Defaults
from orchestration.domain.live_settings import (
    CATALOGUE,
    CHOICE,
    COUNT,
    DURATION,
    LiveSetting,
    Value,
    defaults_with,
    read_values,
    shown,
    value_of_field,
)

LIVE, ENVIRONMENT, BUILT_IN = "live", "environment", "default"


@dataclass(frozen=True, slots=True)
class SettingView:
    """A setting with its value and where that comes from, all as people write it.

    `number`: the value in seconds, bytes or as a count; None for a choice. `version` and `changed_at` (microseconds)
    are of its last change; 0 and None where there was none.
    """

    name: str
    kind: str
    value: Value
    number: float | None
    default: Value
    source: str
    variable: str | None
    says: str
    least: Value | None
    most: Value | None
    choices: tuple[str, ...]
    version: int
    changed_at: int | None


@dataclass(frozen=True, slots=True)
class ConfigurationView:
    """All settings as of one version."""

    version: int
    changed_at: int | None
    settings: tuple[SettingView, ...]


@dataclass(frozen=True, slots=True)
class ChangeView:
    """What a version changed of one setting; None: its default."""

    name: str
    old: Value | None
    new: Value | None


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version: who made it when (microseconds) and why, and what it changed."""

    version: int
    at: int
    by: str
    reason: str
    restored: int | None
    changes: tuple[ChangeView, ...]


@dataclass(frozen=True, slots=True)
class VersionPage:
    """A page of versions, the newest first; `next_cursor` is the version that the next page starts below."""

    items: tuple[VersionView, ...]
    next_cursor: str | None


# For the platform itself --------------------------------------------------------------------------------------------


def current(name: str) -> Value:
    """Return a setting's value: microseconds, bytes, a count, or a word. Raises NotFound for a name that is none."""
    value = watch().known().values.get(name)
    return default_of(setting_named(name)) if value is None else value


def whole(name: str) -> int:
    """Return the value of a setting that is a number: microseconds, bytes or a count."""
    return int(current(name))


def seconds(name: str) -> float:
    """Return the value of a setting that is a duration, in seconds."""
    return whole(name) / MICROSECONDS


def execution_defaults() -> Defaults:
    """Return what holds for an execution that starts now where its definition is silent."""
    known = watch().known()
    podium = settings.PODIUM
    kept = _defaults.get("kept")
    if kept is None or kept[0] is not known or kept[1] is not podium:
        kept = _defaults["kept"] = (known, podium, defaults_with(effective(known.values), podium.defaults))
    return kept[2]


_defaults: dict[str, tuple[Known, Any, Defaults]] = {}


def effective(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return a value for every setting: the one of `values`, or its default."""
    return {name: values.get(name, default_of(setting)) for name, setting in CATALOGUE.items()}


def default_of(setting: LiveSetting) -> Value:
    """Return what holds where nobody set the setting: the environment's word, or the built-in default."""
    return value_of_field(setting, getattr(settings.PODIUM, setting.field)) if _is_given(setting) else setting.default


def setting_named(name: str) -> LiveSetting:
    """Return the setting of this name. Raises NotFound."""
    setting = CATALOGUE.get(name)
    if setting is None:
        raise NotFound(f"there is no setting {name[:80]!r}")
    return setting


def _is_given(setting: LiveSetting) -> bool:
    """Tell whether the environment says something else than the site would say itself."""
    if not setting.field:
        return False
    podium = settings.PODIUM
    return bool(getattr(podium, setting.field) != type(podium).__dataclass_fields__[setting.field].default)


# For people ---------------------------------------------------------------------------------------------------------


def get_configuration(*, after: int | None = None, wait: float = 0.0) -> ConfigurationView:
    """Return all settings; with `after` once there is a version beyond it, or when `wait` seconds have passed."""
    if after is not None and wait > 0:
        watch().wait_beyond(after, wait)
    version = SettingsVersion.objects.order_by("-version").first()
    values = values_of(version)
    changed = _last_changes()
    return ConfigurationView(
        version=version.version if version else 0,
        changed_at=version.at if version else None,
        settings=tuple(_view(setting, values, changed) for setting in CATALOGUE.values()),
    )


def get_setting(*, name: str) -> SettingView:
    """Return one setting. Raises NotFound for a name that is none."""
    setting = setting_named(name)
    return _view(setting, values_of(SettingsVersion.objects.order_by("-version").first()), _last_changes(name))


def list_versions(*, limit: int, cursor: str | None = None, name: str | None = None) -> VersionPage:
    """Return a page of versions, the newest first; with `name` those that changed this setting."""
    rows = SettingsVersion.objects.order_by("-version").prefetch_related("changes")
    if cursor is not None:
        rows = rows.filter(version__lt=int(cursor))
    if name is not None:
        rows = rows.filter(changes__name=name)
    found = list(rows[: limit + 1])
    more = len(found) > limit
    items = tuple(_version_view(row) for row in found[:limit])
    return VersionPage(items, str(items[-1].version) if more else None)


def get_version(*, version: int) -> VersionView:
    """Return one version. Raises NotFound."""
    row = SettingsVersion.objects.filter(version=version).prefetch_related("changes").first()
    if row is None:
        raise NotFound(f"the settings never had version {version}, or it is not kept any more")
    return _version_view(row)


def values_of(version: SettingsVersion | None) -> dict[str, Value]:
    """Return the values that were set as of a version, without those that are none any more."""
    return {} if version is None else read_values(orjson.loads(version.settings))[0]


def _last_changes(name: str | None = None) -> dict[str, tuple[int, int]]:
    """Return version and instant of each setting's last change."""
    rows = SettingChange.objects.order_by("name", "version_id")
    if name is not None:
        rows = rows.filter(name=name)
    return {each: (version, at) for each, version, at in rows.values_list("name", "version_id", "version__at")}


def _view(setting: LiveSetting, values: Mapping[str, Value], changed: Mapping[str, tuple[int, int]]) -> SettingView:
    default = default_of(setting)
    value = values.get(setting.name, default)
    version, at = changed.get(setting.name, (0, None))
    return SettingView(
        name=setting.name,
        kind=setting.kind,
        value=shown(setting, value),
        number=_number(setting, value),
        default=shown(setting, default),
        source=LIVE if setting.name in values else ENVIRONMENT if _is_given(setting) else BUILT_IN,
        variable=f"PODIUM_{setting.field.upper()}" if setting.field else None,
        says=setting.says,
        least=None if setting.kind == CHOICE else shown(setting, setting.least),
        most=None if setting.kind == CHOICE else shown(setting, setting.most),
        choices=setting.choices,
        version=version,
        changed_at=at,
    )


def _number(setting: LiveSetting, value: Value) -> float | None:
    if isinstance(value, str):
        return None
    return value / MICROSECONDS if setting.kind == DURATION else value


def _version_view(row: SettingsVersion) -> VersionView:
    changes = [
        ChangeView(each.name, _read(each.name, each.old), _read(each.name, each.new)) for each in row.changes.all()
    ]
    ordered = tuple(sorted(changes, key=lambda change: change.name))
    return VersionView(row.version, row.at, row.by, row.reason, row.restored, ordered)


def _read(name: str, text: str | None) -> Value | None:
    setting = CATALOGUE.get(name)
    return int(text) if text is not None and setting is not None and setting.kind == COUNT else text


def forget() -> None:
    """Forget what this process knows of the settings, and end whoever looks for them: the database is another now."""
    start_anew()
