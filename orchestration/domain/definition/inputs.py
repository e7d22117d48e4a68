"""`input_schema`: whether it is a JSON Schema, and what it says of an execution's input.

Schemas refer to nothing outside themselves, and their patterns give up after a bounded number of steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import islice
from typing import Any

import jsonschema_rs
import orjson

from ..documents import MAX_PROBLEMS, check_value, join_path, path_from
from ..errors import InputInvalid, Problem
from ..limits import LIMITS, Limits
from .models import Definition

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LONGEST_REASON = 200
_ALL_ERRORS_BYTES = 64 * 1024
_BACKTRACKING = 100_000
_PATTERN_BYTES = 1_000_000


@cache
def _meta_schema() -> Any:
    return jsonschema_rs.Draft202012Validator({"$ref": DIALECT}, offline=True)


def compile_schema(schema: Any, path: str) -> tuple[Any, list[Problem]]:
    """Return the validator of a JSON Schema 2020-12, or None and what keeps the value from being one.

    None stands for no schema. Other kinds of value than objects and bools are for the model to refuse.
    """
    if isinstance(schema, bool):
        schema = {} if schema else {"not": {}}
    if not isinstance(schema, dict):
        return None, []
    dialect = schema.get("$schema", DIALECT)
    if isinstance(dialect, str) and dialect.rstrip("#") != DIALECT:
        return None, [Problem(f"{path}.$schema", "value.choice", f"must be {DIALECT}")]
    problems = [
        Problem(path_from(error.instance_path, path), "schema.invalid", _refused_schema(error))
        for error in _errors(_meta_schema(), schema, _size(schema))
    ]
    if problems:
        return None, problems
    patterns = jsonschema_rs.FancyRegexOptions(
        backtrack_limit=_BACKTRACKING, size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES
    )
    try:
        return (
            jsonschema_rs.Draft202012Validator(schema, offline=True, pattern_options=patterns, validate_formats=False),
            [],
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return None, [Problem(path_from(_place(error), path), "schema.invalid", _reason(str(error)))]


def _refused_schema(error: Any) -> str:
    """Say what a schema's key must be; of alternatives the validator says only that none of them fits."""
    if error.kind.name in ("anyOf", "enum"):
        key = next((str(each) for each in reversed(error.instance_path) if isinstance(each, str)), "")
        allowed = _ALLOWED.get(key)
        if allowed is not None:
            return allowed
    return _reason(error.message)


_ALLOWED = {
    "type": "must be one of array, boolean, integer, null, number, object and string, or a list of some of them",
}


def _place(error: Exception) -> list[str | int]:
    return list(getattr(error, "instance_path", None) or [])


def _reason(message: str) -> str:
    message = message.split("\n\nFailed validating", maxsplit=1)[0]
    return message if len(message) <= _LONGEST_REASON else f"{message[:_LONGEST_REASON]}…"


def check_input(definition: Definition, value: Any, *, limits: Limits = LIMITS) -> None:
    """Check an execution's input: a JSON object of at most `payload_bytes` that `input_schema` takes.

    Raise InputInvalid with all that it refuses; paths start with `input`, a missing key's is where it would be.
    """
    problems = check_value(value, "input", limits=limits)
    if not problems and not isinstance(value, dict):
        problems = [Problem("input", "value.type", "must be an object")]
    size = 0 if problems else _size(value)
    if size > limits.payload_bytes:
        problems = [Problem("input", "document.too_large", f"must have at most {limits.payload_bytes} bytes as JSON")]
    if not problems and definition.validator is not None:
        problems = _refusals(definition.validator, value, size)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InputInvalid(f"{problems[0].path}: {problems[0].message}{more}", problems)


def _size(value: Any) -> int:
    """Return how many bytes a value has as JSON; what JSON cannot carry is told elsewhere and counts as nothing."""
    try:
        return len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        return 0


def _errors(validator: Any, value: Any, size: int) -> list[Any]:
    """Return what a validator says of a value: all of it, or of a large value the first thing (all take too long)."""
    if validator.is_valid(value):
        return []
    if size <= _ALL_ERRORS_BYTES:
        return list(islice(validator.iter_errors(value), MAX_PROBLEMS))
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return [error]
    return []


def _refusals(validator: Any, value: dict[str, Any], size: int) -> list[Problem]:
    told: dict[str, Problem] = {}
    for error in _errors(validator, value, size):
        kind, keys = _refused_keys(error, value)
        path = path_from(error.instance_path, "input")
        for place in [join_path(path, key) for key in keys] if keys else [path]:
            told.setdefault(place, Problem(place, f"input.{kind}", _reason(error.message)))
    return list(told.values())


def _refused_keys(error: Any, value: dict[str, Any]) -> tuple[str, list[str]]:
    """Return an error's kind, and which keys of the object at its place it is about: a missing one, those too many."""
    kind = error.kind.name
    if kind == "required":
        return kind, [error.kind.property]
    if kind in ("additionalProperties", "unevaluatedProperties"):
        return kind, list(error.kind.unexpected)
    if kind == "falseSchema" and error.schema_path[-1] == "additionalProperties":
        return "additionalProperties", list(_at(value, error.instance_path))
    return kind, []


def _at(value: Any, place: Iterable[str | int]) -> Any:
    for key in place:
        value = value[key]
    return value
