"""The bodies that requests may bring, as strict models: no field but these, no text where a number is due.

`read` turns what pydantic says of a wrong one into problems, all at once, with codes and paths as in definitions.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from orchestration.domain.definition.shape import told
from orchestration.domain.documents import path_from
from orchestration.domain.errors import Problem

from .errors import WHOLE, RequestRefused, unprocessable

REVISION_MAX = 2**31 - 1
READ_ONLY = frozenset({"id", "team", "team_id", "owner", "fence", "epoch", "status", "is_staff", "created_at", "seq"})
CODES = {
    "missing": "key.missing",
    "greater_than": "value.range",
    "greater_than_equal": "value.range",
    "less_than": "value.range",
    "less_than_equal": "value.range",
    "too_long": "value.range",
    "string_too_short": "text.format",
    "string_too_long": "text.format",
    "string_pattern_mismatch": "text.format",
    "literal_error": "value.choice",
}


ALTERNATIVES = {"str": "a text", "float": "a number", "int": "a whole number", "bool": "true or false"}
"""The kinds of which one value may be any, as pydantic puts them at the end of a place."""


class Body(BaseModel):
    """The root of all bodies."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ExecuteBody(Body):
    """What an execution is started with."""

    variables: dict[str, Any] = Field(default={}, description="The input: overlays the workflow's own `variables`.")
    revision: Annotated[int, Field(ge=1, le=REVISION_MAX)] | None = Field(
        default=None, description="Default: the latest."
    )
    priority: Annotated[int, Field(ge=0, le=9)] | None = Field(
        default=None, description="0 (first) to 9; default: the workflow's."
    )


class NothingBody(Body):
    """An action that needs no words; `{}` or an empty body."""


class CancelBody(Body):
    """How an execution is cancelled."""

    compensate: bool = Field(default=False, description="Undo what was completed before the end.")


class RerunBody(Body):
    """Where an execution is run again from."""

    step: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        description="A top-level step: it and all that follows it is run again."
    )


class SignalBody(Body):
    """What a waiting step is told."""

    value: Any = Field(default=None, description="Any JSON value; it is the step's `output.value`.")
    by: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Whom a program with a key speaks for; default: the key's name."
    )


class CallbackError(Body):
    """Why a service could not do what it had taken on."""

    code: Annotated[str, Field(min_length=1, max_length=200)]
    message: Annotated[str, Field(max_length=10_000)] = ""
    retryable: bool | None = None
    details: dict[str, Any] = {}


class ServiceBody(Body):
    """An instance of a service. The registry judges what the texts say."""

    name: str = Field(description="The service: letters, digits and `.`, `_`, `-`.", examples=["inventory"])
    address: str = Field(description="A URL, a host, or `python:module`.", examples=["http://10.0.0.7:8080/inventory"])
    port: int | None = Field(default=None, description="Default: the address's, or the protocol's.")
    protocol: str | None = Field(default=None, description="`http`, `https` or `python`; default: the address's.")
    version: str = ""
    tags: list[str] = []
    metadata: dict[str, Any] = {}
    dependencies: list[str] = Field(default=[], description="The names of the services that it needs.")
    locality: str = Field(default="", description="Where it is, for calls that stay near.", examples=["eu-west/a"])
    health_path: str | None = Field(default=None, description="Asked for its health; default `/health`, empty: never.")
    ttl: str | float | None = Field(
        default=None,
        description="How long it may send no heartbeat, a duration; default: it sends none, only probes judge it.",
        examples=["90s"],
    )


class InstanceBody(Body):
    """What changes of an instance; what is left out stays."""

    version: str = ""
    tags: list[str] = []
    metadata: dict[str, Any] = {}
    dependencies: list[str] = []
    locality: str = ""
    health_path: str = Field(default="", description="Asked for its health; empty: never.")
    ttl: str | float | None = Field(default=None, description="A duration, or null: it sends no heartbeats.")


class PolicyBody(Body):
    """What changes of a service's policy."""

    policy: dict[str, Any] = Field(description="Laid over the policy as it is; null takes a key back to its default.")
    version: Annotated[int, Field(ge=1, le=REVISION_MAX)] | None = Field(
        default=None,
        description="The version that this was made from; another one is refused. `If-Match` does the same.",
    )


SETTINGS_VERSION_MAX = 10**9 - 1
SettingsVersion = Annotated[int, Field(ge=0, le=SETTINGS_VERSION_MAX)]
Reason = Annotated[str, Field(max_length=500, description="Why; it stands in the history.")]
ExpectedVersion = Annotated[
    SettingsVersion | None,
    Field(description="The version that this was made from; another one is refused. `If-Match` does the same."),
]
SettingValue = Annotated[
    Any,
    Field(
        description="A text with a unit (`30s`, `1MB`), seconds, bytes or a count, a word; null: the default.",
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
    ),
]


class SettingBody(Body):
    """One setting's new value."""

    value: SettingValue
    reason: Reason = ""
    version: ExpectedVersion = None


class SettingsBody(Body):
    """New values of settings, by name."""

    values: dict[str, SettingValue] = Field(
        examples=[{"workflows.max_concurrent": 50, "registry.heartbeat_interval": "20s"}]
    )
    reason: Reason = ""
    version: ExpectedVersion = None


class RestoreBody(Body):
    """Which version's settings are to hold again; 0: the defaults alone."""

    restore: SettingsVersion
    reason: Reason = ""
    version: ExpectedVersion = None


Kind = TypeVar("Kind", bound=Body)


def read(kind: type[Kind], document: Any) -> Kind:
    """Return the body as its model; raise RequestRefused (422) with everything that is wrong with it."""
    if not isinstance(document, dict):
        raise unprocessable(WHOLE, "value.type", "The body is a JSON object.")
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, *_problems(error, list(kind.model_fields))) from None


def _problems(error: ValidationError, fields: Sequence[str]) -> Iterator[Problem]:
    alternatives: dict[tuple[int | str, ...], list[str]] = {}
    for each in error.errors(include_url=False):
        place, last = each["loc"][:-1], each["loc"][-1] if each["loc"] else ""
        if place and last in ALTERNATIVES:
            # One value, of which each kind that it may be says that it is not that.
            alternatives.setdefault(place, []).append(ALTERNATIVES[str(last)])
        else:
            yield _problem(each, fields)
    for place, kinds in alternatives.items():
        yield Problem(path_from(place), "value.type", f"This must be {' or '.join(kinds)}.")


def _problem(error: ErrorDetails, fields: Sequence[str]) -> Problem:
    path = path_from(error["loc"])
    if error["type"] == "extra_forbidden":
        return _unknown_key(path, str(error["loc"][-1]), fields)
    _, words = told(error["type"], error.get("ctx", {}), error["msg"])
    said = f"{words[:1].upper()}{words[1:]}" if words.startswith("the ") else f"This {words}"
    return Problem(path, CODES.get(error["type"], "value.type"), f"{said}.")


def _unknown_key(path: str, name: str, fields: Sequence[str]) -> Problem:
    if name in READ_ONLY:
        return Problem(path, "key.read_only", "The platform sets this itself.")
    near = difflib.get_close_matches(name[:100], fields, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else f" Known: {', '.join(fields) or 'none'}."
    return Problem(path, "key.unknown", f"There is no key `{name[:60]}` here.{hint}")
