"""All rows of all contexts, where Django looks for them."""

from __future__ import annotations

from orchestration.configuration.models import LiveSettings, SettingChange, SettingsVersion
from orchestration.engine.models import (
    Execution,
    InboxItem,
    JournalBatch,
    JournalEntry,
    Listening,
    Revision,
    Secret,
    Shift,
    StepRunRow,
    Workflow,
)
from orchestration.registry.models import (
    CallingState,
    HealthChange,
    Instance,
    PlaceLease,
    RegistryDuty,
    RegistryIndex,
    Service,
    ServiceEvent,
)
from orchestration.teams.models import ApiKey, Member, Team

__all__ = [
    "ApiKey",
    "CallingState",
    "Execution",
    "HealthChange",
    "InboxItem",
    "Instance",
    "JournalBatch",
    "JournalEntry",
    "Listening",
    "LiveSettings",
    "Member",
    "PlaceLease",
    "RegistryDuty",
    "RegistryIndex",
    "Revision",
    "Secret",
    "Service",
    "ServiceEvent",
    "SettingChange",
    "SettingsVersion",
    "Shift",
    "StepRunRow",
    "Team",
    "Workflow",
]
