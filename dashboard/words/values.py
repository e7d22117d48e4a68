"""JSON values as people read them: pretty, bounded, and an example that fits a schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SHOWN_CHARACTERS = 6_000
SHORT_CHARACTERS = 160
EXAMPLE_DEPTH = 8


@dataclass(frozen=True, slots=True)
class JsonText:
    """A JSON value as text: `text` is at most SHOWN_CHARACTERS long, `cut` says how many more there were."""

    text: str
    cut: int

    @property
    def empty(self) -> bool:
        """Say whether there is nothing to show."""
        return self.text in {"", "null", "{}", "[]"}


def pretty(value: Any) -> JsonText:
    """Return `value` as indented JSON, cut where it gets long."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return JsonText(text[:SHOWN_CHARACTERS], max(0, len(text) - SHOWN_CHARACTERS))


def short(text: str, limit: int = SHORT_CHARACTERS) -> str:
    """Return `text` on one line, cut with an ellipsis after `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def error_sentence(error: Mapping[str, Any] | None) -> str:
    """Say an error on one line: its code, and its message where that says more."""
    if not error:
        return ""
    code, message = str(error.get("code", "error")), str(error.get("message", ""))
    return short(code if message in {"", code} else f"{code}: {message}")


def example_input(document: Mapping[str, Any]) -> Any:
    """Return an input to start a workflow with: its schema's own example, else one made from the schema."""
    schema = document.get("input_schema")
    if isinstance(schema, Mapping):
        return example(schema, EXAMPLE_DEPTH)
    variables = document.get("variables")
    return dict(variables) if isinstance(variables, Mapping) else {}


def example(schema: Any, depth: int) -> Any:
    """Return a value that a JSON Schema would accept, as far as that can be read off it."""
    if not isinstance(schema, Mapping) or depth <= 0:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return example(schema[key][0], depth - 1)
    return _by_type(schema, depth)


def _by_type(schema: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind == "object" or (kind is None and "properties" in schema):
        return _object(schema, depth)
    if kind == "array":
        return [example(schema["items"], depth - 1)] if isinstance(schema.get("items"), Mapping) else []
    if kind in {"integer", "number"}:
        return _number(schema)
    return {"string": "", "boolean": False}.get(str(kind))


def _object(schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    known = dict(properties) if isinstance(properties, Mapping) else {}
    required = schema.get("required")
    names = [*known, *(name for name in required if name not in known)] if isinstance(required, list) else list(known)
    return {name: example(known.get(name, {"type": "string"}), depth - 1) for name in names}


def _number(schema: Mapping[str, Any]) -> Any:
    if isinstance(schema.get("minimum"), int | float):
        return schema["minimum"]
    if isinstance(schema.get("exclusiveMinimum"), int | float):
        return schema["exclusiveMinimum"] + 1
    return 0
