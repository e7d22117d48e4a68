"""Workflow definitions: the typed model, the parser that tells all problems at once, and the JSON Schema."""

from __future__ import annotations

from .inputs import check_input
from .models import (
    Compensate,
    ConditionStep,
    Definition,
    DelayStep,
    EventTrigger,
    LoopStep,
    ManualTrigger,
    NotificationStep,
    ParallelStep,
    Resources,
    Retry,
    ScheduleTrigger,
    ServiceStep,
    Step,
    SubflowStep,
    Trigger,
    WaitStep,
    WebhookTrigger,
    WorkflowConfig,
)
from .parsing import parse_definition
from .schema import definition_schema

__all__ = [
    "Compensate",
    "ConditionStep",
    "Definition",
    "DelayStep",
    "EventTrigger",
    "LoopStep",
    "ManualTrigger",
    "NotificationStep",
    "ParallelStep",
    "Resources",
    "Retry",
    "ScheduleTrigger",
    "ServiceStep",
    "Step",
    "SubflowStep",
    "Trigger",
    "WaitStep",
    "WebhookTrigger",
    "WorkflowConfig",
    "check_input",
    "definition_schema",
    "parse_definition",
]
