"""The parameters of an address: each declared once, read strictly and shown in the OpenAPI document.

An unknown parameter, and one given twice that is not a list, is refused (400): what is asked must be what is answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import QueryDict
from drf_spectacular.utils import OpenApiParameter

from orchestration.domain import durations, instants, lifecycle
from orchestration.domain.errors import NotFound
from orchestration.domain.health import HEALTH_STATES
from orchestration.domain.limits import MICROSECONDS
from orchestration.domain.live_settings import CATALOGUE

from .errors import bad_request, unprocessable

SLUG = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", re.ASCII)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
EXECUTION_STATES = tuple(sorted({*lifecycle.EXECUTION.table, *lifecycle.EXECUTION.last}))
INSTANCE_STATES = (lifecycle.ACTIVE, lifecycle.INACTIVE, lifecycle.DRAINING)
YEARS = range(1970, 2200)
SEQ_MAX = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: how its text is read (`read(name, text)`), what it is without one, and its JSON Schema."""

    name: str
    read: Callable[[str, str], Any]
    schema: dict[str, Any]
    says: str
    default: Any = None
    repeated: bool = False

    def described(self) -> OpenApiParameter:
        """Return the parameter as the OpenAPI document shows it."""
        schema = {"type": "array", "items": self.schema} if self.repeated else self.schema
        return OpenApiParameter(self.name, schema, OpenApiParameter.QUERY, description=self.says, explode=self.repeated)


def read_query(query: QueryDict, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    """Return the value of every parameter by name; raise RequestRefused for unknown, repeated and wrong ones."""
    known = {each.name: each for each in parameters}
    for name in query:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise bad_request(name[:60], "param.unknown", f"There is no parameter {name[:60]!r} here; known: {listed}.")
    return {each.name: _value(each, query.getlist(each.name)) for each in parameters}


def _value(parameter: Parameter, texts: list[str]) -> Any:
    if parameter.repeated:
        parts = [part for text in texts for part in text.split(",")]
        return tuple(dict.fromkeys(parameter.read(parameter.name, part) for part in parts))
    if len(texts) > 1:
        raise bad_request(parameter.name, "param.repeated", "This parameter is given more than once.")
    return parameter.read(parameter.name, texts[0]) if texts else parameter.default


def whole_number(low: int, high: int) -> Callable[[str, str], int]:
    """Return a reader of whole numbers from `low` to `high`."""

    def read(name: str, text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
            raise unprocessable(name, "value.type", f"{text[:40]!r} is no whole number.")
        value = int(text)
        if not low <= value <= high:
            raise unprocessable(name, "value.range", f"{value} does not lie in {low} to {high}.")
        return value

    return read


def slug(text: str) -> str:
    """Return a workflow's id as it stands in an address; raise NotFound for what cannot be one."""
    if not SLUG.fullmatch(text):
        raise NotFound("no workflow")
    return text


def canonical_id(text: str) -> str:
    """Return an id as it stands in an address; raise NotFound for all but a UUID in its canonical form."""
    if not UUID.fullmatch(text):
        raise NotFound("no id")
    return text


def _one_of(choices: tuple[str, ...]) -> Callable[[str, str], str]:
    """Return a reader of one of these words."""

    def read(name: str, text: str) -> str:
        if text not in choices:
            raise unprocessable(name, "value.choice", f"{text[:40]!r} is none of {', '.join(choices)}.")
        return text

    return read


def _text(most: int) -> Callable[[str, str], str]:
    """Return a reader of printable texts of at most so many characters."""

    def read(name: str, text: str) -> str:
        if len(text) > most or not text.isprintable():
            raise unprocessable(name, "text.format", f"This is no text of at most {most} printable characters.")
        return text

    return read


def _pair(name: str, text: str) -> tuple[str, str]:
    """Return a key and its value from `key:value`."""
    key, colon, value = text.partition(":")
    if not key or not colon or len(text) > 1_000 or not text.isprintable():
        raise unprocessable(name, "text.format", f"{text[:40]!r} is no `key:value`.")
    return key, value


def _slug(name: str, text: str) -> str:
    if not SLUG.fullmatch(text):
        raise unprocessable(name, "text.format", f"{text[:70]!r} is no workflow's id.")
    return text


def _service_name(name: str, text: str) -> str:
    if not SERVICE_NAME.fullmatch(text):
        raise unprocessable(name, "text.format", f"{text[:80]!r} is no service's name.")
    return text


def _uuid(name: str, text: str) -> str:
    if not UUID.fullmatch(text):
        raise unprocessable(name, "text.format", f"{text[:40]!r} is no execution's id.")
    return text


def _moment(name: str, text: str) -> datetime:
    try:
        moment = instants.to_datetime(instants.parse_instant(text))
    except ValueError:
        message = f"{text[:40]!r} is no timestamp with a time zone, such as 2030-01-31T12:00:00Z."
        raise unprocessable(name, "time.invalid", message) from None
    if moment.year not in YEARS:
        raise unprocessable(name, "time.invalid", f"{text[:40]!r} does not lie in the years 1970 to 2199.")
    return moment


def _wait(name: str, text: str) -> float:
    """Return how long to wait, in seconds: a duration such as `30s`, cut to the site's longest."""
    try:
        wanted = durations.parse_duration(float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text) else text)
    except ValueError:
        raise unprocessable(name, "duration.invalid", f"{text[:40]!r} is no duration such as 30s.") from None
    return min(wanted / MICROSECONDS, settings.PODIUM.wait_max_seconds)


def _cursor(pattern: re.Pattern[str]) -> Parameter:
    """Return the parameter `cursor` of a list whose cursors look like `pattern`."""

    def read(name: str, text: str) -> str:
        if not pattern.fullmatch(text):
            raise bad_request(name, "cursor.invalid", "This is no cursor that an earlier answer gave.")
        return text

    return Parameter("cursor", read, {"type": "string"}, "`next_cursor` of the page before.")


def page_size(default: int, most: int) -> Parameter:
    """Return the parameter `limit`: how many items a page has."""
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", whole_number(1, most), schema, "How many items at most.", default=default)


WORKFLOWS_CURSOR = _cursor(SLUG)
EXECUTIONS_CURSOR = _cursor(re.compile(rf"[0-9]{{1,18}}\.{UUID.pattern}", re.ASCII))
STATUS = Parameter(
    "status",
    _one_of(EXECUTION_STATES),
    {"type": "string", "enum": list(EXECUTION_STATES)},
    "Only executions in one of these states; repeated, or joined by commas.",
    repeated=True,
)
INSTANCES_CURSOR = _cursor(re.compile(rf"[0-9]{{1,17}}\.{UUID.pattern}\.{SERVICE_NAME.pattern}", re.ASCII))
VERSION = Parameter("version", _text(64), {"type": "string"}, "Only instances of this version.")
TAG = Parameter(
    "tag", _text(64), {"type": "string"}, "Only instances with this tag; repeated, with all of them.", repeated=True
)
INSTANCE_STATUS = Parameter(
    "status",
    _one_of(INSTANCE_STATES),
    {"type": "string", "enum": list(INSTANCE_STATES)},
    "Only instances in one of these states; repeated, or joined by commas.",
    repeated=True,
)
HEALTH = Parameter(
    "health",
    _one_of(HEALTH_STATES),
    {"type": "string", "enum": list(HEALTH_STATES)},
    "Only instances of this health; repeated, or joined by commas.",
    repeated=True,
)
METADATA = Parameter(
    "metadata",
    _pair,
    {"type": "string", "example": "zone:a"},
    "Only instances whose metadata say this, `key:value`; repeated, all of them.",
    repeated=True,
)
SERVICE = Parameter("name", _service_name, {"type": "string"}, "Only instances of this service.")
WORKFLOW = Parameter("workflow", _slug, {"type": "string"}, "Only executions of this workflow.")
PARENT = Parameter("parent", _uuid, {"type": "string", "format": "uuid"}, "Only children of this execution.")
SINCE = Parameter("since", _moment, {"type": "string", "format": "date-time"}, "Only those created at or after this.")
UNTIL = Parameter("until", _moment, {"type": "string", "format": "date-time"}, "Only those created before this.")
AFTER = Parameter(
    "after",
    whole_number(0, SEQ_MAX),
    {"type": "integer", "minimum": 0, "default": 0},
    "Only entries with a higher `seq`.",
    default=0,
)
INDEX = Parameter(
    "after",
    whole_number(0, SEQ_MAX),
    {"type": "integer", "minimum": 0},
    "Only events with a higher `index`; default: what comes from now on.",
)
EVENTS_WAIT = Parameter(
    "wait",
    _wait,
    {"type": "string", "example": "30s"},
    "Answer when there is an event, or after this duration at the latest (it is cut to the site's longest).",
    default=0.0,
)
AFTER_VERSION = Parameter(
    "after",
    whole_number(0, 10**9 - 1),
    {"type": "integer", "minimum": 0, "maximum": 10**9 - 1},
    "With `wait`: answer once there is a later version than this one.",
)
SETTING = Parameter(
    "name", _one_of(tuple(CATALOGUE)), {"type": "string", "enum": list(CATALOGUE)}, "Only changes of this setting."
)
VERSIONS_CURSOR = _cursor(re.compile(r"[0-9]{1,9}", re.ASCII))
REVISION = Parameter(
    "revision", whole_number(1, 2**31 - 1), {"type": "integer", "minimum": 1}, "This revision; default: the latest."
)
WAIT = Parameter(
    "wait",
    _wait,
    {"type": "string", "example": "30s"},
    "Answer when the execution has ended, or after this duration at the latest (it is cut to the site's longest).",
)
WAIT_FOR_CHANGE = replace(WAIT, says="With `after`: wait this long for a change (it is cut to the site's longest).")
STEPS = Parameter(
    "steps",
    whole_number(0, 100_000),
    {"type": "integer", "minimum": 0, "maximum": 100_000},
    "How many steps to list at most; default: the site's setting.",
)
