"""What the API answers of the live settings. Values are as people write them, with a unit."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .shapes import Instant, Shape

Text = str | int


class Setting(Shape):
    """One live setting: its value, where that comes from, and what it may be."""

    name: str
    kind: Annotated[str, Field(description="`duration`, `size`, `count` or `choice`.")]
    value: Text
    number: Annotated[float | None, Field(description="The value in seconds, in bytes or as a count.")]
    default: Annotated[Text, Field(description="What holds where nobody set it.")]
    source: Annotated[str, Field(description="`live`: somebody set it; `environment`; `default`.")]
    variable: Annotated[str | None, Field(description="The variable of the environment that gives the default.")]
    says: str
    least: Text | None
    most: Text | None
    choices: list[str]
    version: Annotated[int, Field(description="The version that changed it last; 0: none did.")]
    changed_at: Instant | None


class Configuration(Shape):
    """All live settings as of one version."""

    version: Annotated[int, Field(description="What `after` takes, and `If-Match`; it rises by one with each change.")]
    changed_at: Instant | None
    settings: list[Setting]


class SettingChange(Shape):
    """What a version changed of one setting; null: its default."""

    name: str
    old: Text | None
    new: Text | None


class SettingsVersion(Shape):
    """One version of the settings: who made it when and why, and what it changed."""

    version: int
    at: Instant
    by: str
    reason: str
    restored: Annotated[int | None, Field(description="The version whose settings were brought back.")]
    changes: list[SettingChange]


class SettingsHistory(Shape):
    """A page of the history, the newest version first."""

    items: list[SettingsVersion]
    next_cursor: str | None
