"""Changes of the live settings: checked, numbered, and written down with who made them and why.

A change is one transaction: the version and what it changed, or neither; it also forgets what is beyond
`settings_changes_kept` changes of each setting that it changed. The version's number is the key of its row, so
that of two changes at once one fails, and is tried again on top of the other unless it was made for a certain version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from orchestration import clock
from orchestration.configuration.models import SettingChange, SettingsVersion
from orchestration.configuration.queries import (
    ConfigurationView,
    effective,
    get_configuration,
    setting_named,
    values_of,
)
from orchestration.configuration.watching import watch
from orchestration.domain.errors import Conflict, DocumentInvalid, NotFound, Problem
from orchestration.domain.live_settings import CATALOGUE, Value, read_values, relation_problems, shown

log = structlog.get_logger(__name__)

Wanted = Callable[[Mapping[str, Value]], dict[str, Value]]
BY_LENGTH, REASON_LENGTH = 200, 500
ATTEMPTS = 5


class SettingsStale(Conflict):
    """The change was made for a version that is not the latest."""

    code = "version.stale"


class SettingsInvalid(DocumentInvalid):
    """Settings that cannot be as they were asked to be. Paths are names of settings."""

    code = "settings.invalid"


def change_settings(
    *, values: Mapping[str, Any], by: str, reason: str = "", expected: int | None = None, whole: bool = False
) -> ConfigurationView:
    """Set the settings of `values` (None: back to the default) and return all; with `whole` reset all others.

    What changes nothing makes no version. Raises SettingsInvalid with everything that is wrong, and SettingsStale
    where the latest version is not the `expected` one; nothing is changed then.
    """
    given, problems = read_values({name: value for name, value in values.items() if value is not None})
    reset = [name for name, value in values.items() if value is None]
    problems += [each for each in read_values(dict.fromkeys(reset))[1] if each.code == "key.unknown"]
    problems += _reason_problems(reason)
    if problems:
        raise SettingsInvalid("The settings are not as they should be.", problems)

    def wanted(before: Mapping[str, Value]) -> dict[str, Value]:
        kept = {} if whole else {name: value for name, value in before.items() if name not in reset}
        return {**kept, **given}

    return _write(wanted, by=by, reason=reason, expected=expected, restored=None)


def restore_version(*, version: int, by: str, reason: str = "", expected: int | None = None) -> ConfigurationView:
    """Set all settings as they were at a version (0: nothing was set), by a new version; return all.

    Raises NotFound for a version that never was; SettingsInvalid for what may not be any more, SettingsStale.
    """
    row = SettingsVersion.objects.filter(version=version).first()
    if row is None and version != 0:
        raise NotFound(f"the settings never had version {version}, or it is not kept any more")
    problems = _reason_problems(reason)
    if problems:
        raise SettingsInvalid("The settings are not as they should be.", problems)
    values = values_of(row)
    return _write(lambda before: values, by=by, reason=reason, expected=expected, restored=version)


def reset_setting(*, name: str, by: str, reason: str = "", expected: int | None = None) -> ConfigurationView:
    """Give a setting its default again. Raises NotFound for a name that is none, and what `change_settings` raises."""
    setting_named(name)
    return change_settings(values={name: None}, by=by, reason=reason, expected=expected)


def _write(wanted: Wanted, *, by: str, reason: str, expected: int | None, restored: int | None) -> ConfigurationView:
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                _write_version(wanted, by=by, reason=reason, expected=expected, restored=restored)
        except IntegrityError:
            continue
        return get_configuration()
    raise Conflict("the settings are being changed again and again; try once more")


def _write_version(wanted: Wanted, *, by: str, reason: str, expected: int | None, restored: int | None) -> None:
    latest = SettingsVersion.objects.order_by("-version").first()
    number = latest.version if latest else 0
    if expected is not None and expected != number:
        message = f"the settings are at version {number}; the change was made for version {expected}"
        raise SettingsStale(message, version=number)
    before = values_of(latest)
    after = wanted(before)
    problems = list(relation_problems(effective(after)))
    if problems:
        raise SettingsInvalid("The settings do not go together.", problems)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if not changed:
        return
    row = SettingsVersion.objects.create(
        version=number + 1,
        at=clock.now_us(),
        by=_line(by)[:BY_LENGTH],
        reason=_line(reason),
        restored=restored,
        settings=orjson.dumps({name: shown(CATALOGUE[name], value) for name, value in after.items()}).decode(),
    )
    SettingChange.objects.bulk_create(
        SettingChange(version=row, name=name, old=_text(name, before), new=_text(name, after)) for name in changed
    )
    _prune(changed)
    transaction.on_commit(lambda: _tell(row, changed))


def _prune(changed: list[str]) -> None:
    """Forget the oldest changes of these settings beyond those that are kept, and the versions that changed no other.

    The latest version always has a change of its own that was written just now, so it stays.
    """
    most = settings.PODIUM.settings_changes_kept
    for name in changed:
        changes = SettingChange.objects.filter(name=name)
        oldest = changes.order_by("-version").values_list("version", flat=True)[most - 1 : most].first()
        if oldest is not None:
            changes.filter(version__lt=oldest).delete()
    SettingsVersion.objects.filter(changes__isnull=True).delete()


def _tell(row: SettingsVersion, changed: list[str]) -> None:
    log.info("settings changed", version=row.version, by=row.by, settings=changed)
    watch().look()


def _text(name: str, values: Mapping[str, Value]) -> str | None:
    return str(shown(CATALOGUE[name], values[name])) if name in values else None


def _reason_problems(reason: str) -> list[Problem]:
    if len(reason) <= REASON_LENGTH:
        return []
    return [Problem("reason", "text.format", f"A reason has at most {REASON_LENGTH} characters.")]


def _line(text: str) -> str:
    """Return a text on one line."""
    return "".join(each if each.isprintable() else " " for each in text)
