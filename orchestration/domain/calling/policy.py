"""How a service is called: what stands in its policy, what holds where the policy is silent, and its JSON Schema.

A policy is a JSON object that people and programs write; every key may be left out. Durations are texts like `30s` (or
numbers of seconds) there and microseconds here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import ConfigDict, Field, Strict, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from ..definition.shape import root_errors, shape_problems
from ..definition.values import FILE_PATTERN, HOST_PATTERN, Duration, Slug, Texts
from ..documents import check_value
from ..durations import format_duration
from ..errors import DocumentInvalid, Problem
from ..limits import MICROSECONDS

SECOND = MICROSECONDS
_STRICT = ConfigDict(extra="forbid", strict=True)

Share = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[float, Field(gt=0, le=1_000_000)]
Limit = Annotated[int, Field(ge=1, le=1_000_000)]
Few = Annotated[int, Field(ge=1, le=100)]
FileName = Annotated[str, Field(pattern=FILE_PATTERN)]
HostName = Annotated[str, Field(pattern=HOST_PATTERN)]

ROUND_ROBIN = "round-robin"
LEAST_CONNECTIONS = "least-connections"
WEIGHTED = "weighted"
Balance = Literal["round-robin", "least-connections", "weighted"]


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `limit` calls under way at once, over all workers."""

    __pydantic_config__ = _STRICT
    limit: Annotated[Limit, Field(description="calls under way at once, over all workers")]


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `per_second` calls begun a second on average, over all workers, and `burst` of them at once."""

    __pydantic_config__ = _STRICT
    per_second: Annotated[Number, Field(description="calls begun a second on average, over all workers")]
    burst: Annotated[Limit, Field(description="calls that may begin at once")] = 1


@dataclass(frozen=True, slots=True)
class Breaker:
    """The circuit opens when a share of `failures` of at least `minimum_calls` in the last `window` failed.

    It stays open for `open_for`, twice as long each time that the one probe after it fails, at most `open_at_most`.
    """

    __pydantic_config__ = _STRICT
    enabled: Annotated[bool, Field(description="false: the circuit never opens")] = True
    failures: Annotated[
        float, Field(gt=0, le=1, description="the share of failed calls at which the circuit opens")
    ] = 0.5
    minimum_calls: Annotated[Limit, Field(description="calls in the window below which nothing is concluded")] = 20
    window: Annotated[Duration, Field(description="how far back calls are looked at")] = 10 * SECOND
    open_for: Annotated[Duration, Field(description="how long nothing is called before one call may try")] = 5 * SECOND
    open_at_most: Annotated[Duration, Field(description="the longest of these, which double while the trial fails")] = (
        60 * SECOND
    )


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """Calls that are attempted again spend from a bucket, which every success fills by `ratio`.

    Beside successes it is filled by `minimum_per_second`, and never above `cap`.
    """

    __pydantic_config__ = _STRICT
    enabled: Annotated[bool, Field(description="false: every retry is made, however sick the service is")] = True
    ratio: Annotated[Share, Field(description="retries that one success pays for")] = 0.2
    minimum_per_second: Annotated[float, Field(ge=0, le=1_000_000, description="retries a second in any case")] = 5.0
    cap: Annotated[float, Field(ge=1, le=1_000_000, description="retries that can be saved up")] = 20.0


@dataclass(frozen=True, slots=True)
class Ramp:
    """After a recovery the admitted calls grow for `over` from few to all. Zero: all at once."""

    __pydantic_config__ = _STRICT
    over: Annotated[
        Duration, Field(description="how long the admitted calls grow after a recovery; 0: all at once")
    ] = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Outliers:
    """An instance whose calls fail `failures` times in a row gets nothing for `eject_for`, and is probed at once.

    At most the share `at_most` of the instances is out at one time.
    """

    __pydantic_config__ = _STRICT
    enabled: Annotated[bool, Field(description="false: only probes judge an instance")] = True
    failures: Annotated[Few, Field(description="failed calls in a row after which an instance is left out")] = 5
    eject_for: Annotated[Duration, Field(description="how long it is left out")] = 30 * SECOND
    at_most: Annotated[Share, Field(description="the share of the instances that may be left out at one time")] = 0.5


@dataclass(frozen=True, slots=True)
class Probe:
    """Every instance's health address is asked each `interval`; `rise` or `fall` answers in a row turn it."""

    __pydantic_config__ = _STRICT
    interval: Annotated[Duration, Field(description="how often an instance's health address is asked")] = 30 * SECOND
    timeout: Annotated[Duration, Field(description="how long the answer may take")] = 10 * SECOND
    rise: Annotated[Few, Field(description="good answers in a row after which an instance is healthy")] = 2
    fall: Annotated[Few, Field(description="bad answers in a row after which an instance is unhealthy")] = 3


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """An instance that was silent for `ttl` is inactive, and deregistered when `deregister_after` has gone by too.

    Without `ttl` nobody has to send heartbeats, except instances that registered with a time of their own.
    """

    __pydantic_config__ = _STRICT
    ttl: Annotated[Duration | None, Field(description="how long an instance may be silent; left out: for ever")] = None
    deregister_after: Annotated[Duration, Field(description="how long an inactive instance is kept")] = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Tls:
    """What https calls prove and ask for proof of. Files are names in the team's folder of the site's `tls_dir`.

    Without `ca` the system's authorities are trusted; without `server_name` the certificate must carry the host's name.
    """

    __pydantic_config__ = _STRICT
    ca: Annotated[
        FileName | None, Field(description="file of the authorities that are trusted instead of the system's")
    ] = None
    certificate: Annotated[FileName | None, Field(description="file of the client certificate that is shown")] = None
    key: Annotated[FileName | None, Field(description="file of its private key, where it is not in `certificate`")] = (
        None
    )
    server_name: Annotated[HostName | None, Field(description="the name that the service's certificate must carry")] = (
        None
    )


@dataclass(frozen=True, slots=True)
class Select:
    """Which instances are called: those with all of `tags` and of `version`, if there are any such words."""

    __pydantic_config__ = _STRICT
    tags: Annotated[Texts, Field(max_length=32, description="tags that an instance must have, all of them")] = ()
    version: Annotated[str, Field(max_length=64, description="the version that an instance must be of; empty: any")] = (
        ""
    )


@dataclass(frozen=True, slots=True)
class ServicePolicy:
    """How the instances of one service are watched, chosen and called. Durations are microseconds."""

    __pydantic_config__ = _STRICT
    balance: Annotated[Balance, Field(description="how an instance is chosen, where a step does not say")] = (
        "round-robin"
    )
    locality: Annotated[
        Literal["prefer", "ignore"], Field(description="whether instances of the caller's own locality come first")
    ] = "prefer"
    timeout: Annotated[
        Duration | None, Field(description="one attempt, where the step does not say; left out: the site's default")
    ] = None
    select: Select = Select()
    callers: Annotated[
        tuple[Slug, ...],
        Strict(False),
        Field(max_length=100, description="workflows that may call it, by their ids; none named: all of the team"),
    ] = ()
    concurrency: Concurrency | None = None
    rate: Rate | None = None
    breaker: Breaker = Breaker()
    retry_budget: RetryBudget = RetryBudget()
    ramp: Ramp = Ramp()
    outliers: Outliers = Outliers()
    probe: Probe = Probe()
    heartbeat: Heartbeat = Heartbeat()
    tls: Tls | None = None


DEFAULT_POLICY = ServicePolicy()
_POLICY: TypeAdapter[ServicePolicy] = TypeAdapter(ServicePolicy)


class PolicyInvalid(DocumentInvalid):
    """A service's policy that cannot be accepted, with all that is wrong with it."""

    code = "policy_invalid"


def parse_policy(document: Mapping[str, Any], path: str = "") -> ServicePolicy:
    """Return the policy that a JSON object describes. An empty one is the default.

    Raises PolicyInvalid with every problem; their paths start with `path` where one is given.
    """
    if not document and isinstance(document, Mapping):
        return DEFAULT_POLICY
    if not isinstance(document, Mapping):
        raise _invalid([Problem(path, "value.type", "a policy must be an object")])
    document = dict(document)
    problems = check_value(document)
    if problems:
        raise _invalid([_below(path, each) for each in problems])
    try:
        # From text, so that strict checking takes lists and objects for what they stand for.
        policy = _POLICY.validate_json(orjson.dumps(document))
    except ValidationError as error:
        raise _invalid([_below(path, each) for each in _told(error)]) from None
    contradictions = list(_contradictions(policy))
    if contradictions:
        raise _invalid([_below(path, each) for each in contradictions])
    return policy


def policy_document(policy: ServicePolicy) -> dict[str, Any]:
    """Return the policy as the JSON object that `parse_policy` reads, every key that has a value in it."""
    document: dict[str, Any] = _document(policy)
    return document


def policy_schema() -> dict[str, Any]:
    """Return the JSON Schema 2020-12 of a policy; `parse_policy` is the judge."""
    schema = _POLICY.json_schema(schema_generator=_Generator, mode="validation")
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "Podium service policy, version 1"}


def policy_schema_text() -> str:
    """Return the JSON Schema as the reference shows it."""
    return json.dumps(policy_schema(), indent=2, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        """Leave null out: a key that has no value is left out itself."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> dict[str, Any]:
        """Write defaults as the document does: durations as texts, sections left out."""
        inner, default = self.generate_inner(schema["schema"]), schema.get("default")
        if default is None or is_dataclass(default):
            return inner
        if "anyOf" in inner and isinstance(default, int):
            default = format_duration(default)
        return {**inner, "default": list(default) if isinstance(default, tuple) else default}


_DURATIONS = frozenset(
    {"timeout", "window", "open_for", "open_at_most", "over", "eject_for", "interval", "ttl", "deregister_after"}
)
LEAST_DURATION = 1_000
_MAY_BE_ZERO = frozenset({"over"})


def _document(section: Any) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for each in fields(section):
        value = getattr(section, each.name)
        if is_dataclass(value):
            value = _document(value)
        elif each.name in _DURATIONS and value is not None:
            value = format_duration(value)
        elif isinstance(value, tuple):
            value = list(value)
        if value is not None:
            written[each.name] = value
    return written


def _contradictions(policy: ServicePolicy) -> list[Problem]:
    problems = [
        Problem(path, "duration.range", "must be at least 1ms")
        for path, value in _durations(policy, "")
        if value < LEAST_DURATION and path.rpartition(".")[2] not in _MAY_BE_ZERO
    ]
    if policy.breaker.open_at_most < policy.breaker.open_for:
        problems.append(Problem("breaker.open_at_most", "value.range", "must not be shorter than open_for"))
    if policy.probe.timeout > policy.probe.interval:
        problems.append(Problem("probe.timeout", "value.range", "must not be longer than interval"))
    if policy.tls is not None and policy.tls.key is not None and policy.tls.certificate is None:
        problems.append(Problem("tls.certificate", "key.missing", "a key without a certificate proves nothing"))
    return problems


def _durations(section: Any, path: str) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for each in fields(section):
        value = getattr(section, each.name)
        if is_dataclass(value):
            found += _durations(value, f"{path}{each.name}.")
        elif each.name in _DURATIONS and value is not None:
            found.append((f"{path}{each.name}", value))
    return found


def _told(error: ValidationError) -> list[Problem]:
    # Unlike in a definition, a name that is no key has no nearest one of which all else is known.
    kinds = (each["type"] for each in root_errors(error))
    return [_as_told(kind, problem) for kind, problem in zip(kinds, shape_problems(error), strict=True)]


def _as_told(kind: str, problem: Problem) -> Problem:
    if kind in {"unexpected_keyword_argument", "extra_forbidden"}:
        return Problem(problem.path, "key.unknown", "there is no such key")
    return problem


def _below(path: str, problem: Problem) -> Problem:
    if not path:
        return problem
    inner = f"{path}.{problem.path}" if problem.path else path
    return Problem(inner, problem.code, problem.message)


def _invalid(problems: list[Problem]) -> PolicyInvalid:
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    said = f"{first.path}: {first.message}" if first.path else first.message
    return PolicyInvalid(f"{said}{more}", problems)
