"""What is checked of triggers beyond the kinds of their values: ids, schedules, time zones, templates over `event`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from ..errors import Problem
from ..expressions import ExpressionInvalid, compile_expression
from ..limits import Limits
from ..templates import TemplateInvalid, compile_template
from .models import TRIGGER_MODELS
from .scopes import TRIGGER_NAMES

_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_LONGEST_SCHEDULE = 200


def trigger_problems(triggers: list[Any], limits: Limits) -> Iterator[Problem]:
    """Yield the problems of a definition's triggers."""
    seen: set[str] = set()
    for index, trigger in enumerate(triggers):
        if not isinstance(trigger, dict):
            continue
        path = f"triggers[{index}]"
        kind = trigger.get("type")
        known = isinstance(kind, str) and kind in TRIGGER_MODELS
        trigger_id = trigger.get("id", kind if known else None)
        if isinstance(trigger_id, str):
            if trigger_id in seen:
                yield Problem(f"{path}.id", "id.duplicate", f"the id {trigger_id[:64]!r} is given twice")
            seen.add(trigger_id)
        yield from _expression_problems(trigger, path, limits)
        if kind == "schedule":
            yield from _schedule_problems(trigger, path)


def _expression_problems(trigger: dict[str, Any], path: str, limits: Limits) -> Iterator[Problem]:
    if isinstance(trigger.get("condition"), str):
        try:
            compile_expression(trigger["condition"], names=TRIGGER_NAMES, limits=limits)
        except ExpressionInvalid as error:
            yield Problem(f"{path}.condition", error.code, str(error))
    if isinstance(trigger.get("input"), dict):
        try:
            compile_template(trigger["input"], names=TRIGGER_NAMES, path=f"{path}.input", limits=limits)
        except TemplateInvalid as error:
            yield from error.problems


def _schedule_problems(trigger: dict[str, Any], path: str) -> Iterator[Problem]:
    schedule, timezone = trigger.get("schedule"), trigger.get("timezone")
    if isinstance(schedule, str) and schedule and not _is_schedule(schedule):
        yield Problem(f"{path}.schedule", "text.format", "must be a cron schedule of five fields, such as 0 6 * * 1-5")
    if isinstance(timezone, str) and timezone and not _is_timezone(timezone):
        yield Problem(f"{path}.timezone", "text.format", "must be the name of a time zone, such as Europe/Berlin")


def _is_schedule(schedule: str) -> bool:
    if len(schedule) > _LONGEST_SCHEDULE or len(schedule.split()) != 5:
        return False
    try:
        CronSim(schedule, _SOME_DAY)
    except CronSimError:
        return False
    return True


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
