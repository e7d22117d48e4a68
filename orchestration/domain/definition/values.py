"""The kinds of value that keys of a definition have: how each is checked, and how JSON Schema says the same.

An error's type is the stable code that a `Problem` carries.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..durations import parse_duration
from ..quantities import parse_cpu, parse_size
from ..templates import is_template

DURATION_PATTERN = r"^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?([0-9]+us)?$"
SLUG_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"
IDENTIFIER_PATTERN = r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$"
FILE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
HOST_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$"
PATTERN_WORDS = {
    SLUG_PATTERN: "must be 1 to 63 of a-z, 0-9 and -, a letter first",
    IDENTIFIER_PATTERN: "must be 1 to 63 of A-Z, a-z, 0-9, _ and -, a letter or _ first",
    FILE_PATTERN: "must be the name of a file, without a folder: 1 to 100 of A-Z, a-z, 0-9, ., _ and -, a letter or "
    "digit first",
    HOST_PATTERN: "must be a host's name: 1 to 253 of A-Z, a-z, 0-9, . and -, a letter or digit first and last",
}
"""What is said of a text that does not match a pattern."""


def _parsed(parse: Callable[[Any], int], code: str) -> PlainValidator:
    def validate(value: Any) -> int:
        try:
            return parse(value)
        except ValueError as error:
            raise PydanticCustomError(code, "{reason}", {"reason": str(error)}) from None

    return PlainValidator(validate, json_schema_input_type=str | float)


Duration = Annotated[
    int,
    _parsed(parse_duration, "duration.invalid"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, {"type": "number", "minimum": 0}],
            "description": "A duration: text like 250ms, 30s, 1h30m, 7d, or a number of seconds.",
        }
    ),
]
"""Microseconds, written as `1h30m` or as a number of seconds."""

Cpu = Annotated[
    int,
    _parsed(parse_cpu, "quantity.invalid"),
    WithJsonSchema({"type": ["string", "number"], "description": "CPU: millicores like 500m, or a number of cores."}),
]
"""Millicores."""

Size = Annotated[
    int,
    _parsed(parse_size, "quantity.invalid"),
    WithJsonSchema({"type": ["string", "number"], "description": "A size: 256Mi, 1Gi, 10M or a plain number."}),
]
"""Bytes, or bits per second."""

Slug = Annotated[str, Field(pattern=SLUG_PATTERN)]
Identifier = Annotated[str, Field(pattern=IDENTIFIER_PATTERN)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Strict(False)]
Count = Annotated[int, Field(ge=1, le=2**53 - 1)]


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


StepIds = Annotated[tuple[str, ...], Strict(False), AfterValidator(_unique)]
"""Ids of steps in the same list; one that is named twice counts once."""


def _jitter(value: Any) -> float | str:
    if value == "full":
        return "full"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("value.type", "must be a fraction from 0 to 1, or full")
    if not 0 <= value <= 1:
        raise PydanticCustomError("value.range", "must be from 0 to 1, or full")
    return float(value)


Jitter = Annotated[
    float | Literal["full"],
    PlainValidator(_jitter),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"const": "full"}]}),
]


def _multiplier(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("value.type", "must be a number")
    if not 1 <= value <= 1e6 or not math.isfinite(value):
        raise PydanticCustomError("value.range", "must be from 1 to 1000000")
    return float(value)


Multiplier = Annotated[
    float, PlainValidator(_multiplier), WithJsonSchema({"type": "number", "minimum": 1, "maximum": 1_000_000})
]


def _object_or_template(value: Any) -> Any:
    if isinstance(value, dict) or (isinstance(value, str) and is_template(value)):
        return value
    raise PydanticCustomError("value.type", "must be an object, or a text that is one ${ } and gives an object")


def _list_or_template(value: Any) -> Any:
    if isinstance(value, list) or (isinstance(value, str) and is_template(value)):
        return value
    raise PydanticCustomError("value.type", "must be a list, or a text that is one ${ } and gives a list")


def _text_or_texts(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, str) for part in value)):
        return value
    raise PydanticCustomError("value.type", "must be a text or a list of texts")


JsonObject = dict[str, Any]
InputTemplate = Annotated[
    dict[str, Any] | str,
    PlainValidator(_object_or_template),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string", "pattern": r"\$\{"}]}),
]
"""An object of templates, or one template that gives an object."""

ItemsTemplate = Annotated[
    list[Any] | str,
    PlainValidator(_list_or_template),
    WithJsonSchema({"anyOf": [{"type": "array"}, {"type": "string", "pattern": r"\$\{"}]}),
]
"""A list of templates, or one template that gives a list."""

Recipients = Annotated[
    str | list[str],
    PlainValidator(_text_or_texts),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""A text, or a list of texts, with templates in them."""


def _schema(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {} if value else {"not": {}}
    if isinstance(value, dict):
        return value
    raise PydanticCustomError("value.type", "must be a JSON Schema: an object, true or false")


Schema = Annotated[
    dict[str, Any],
    PlainValidator(_schema),
    WithJsonSchema({"$ref": "https://json-schema.org/draft/2020-12/schema"}),
]
"""A JSON Schema 2020-12."""
