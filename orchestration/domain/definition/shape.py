"""What the typed model says of a document, as problems with the paths and codes of the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from ..documents import join_path
from ..errors import Problem
from .models import STEP_MODELS, TRIGGER_MODELS, UNTYPED, Definition
from .values import PATTERN_WORDS

_TAGS = frozenset({*STEP_MODELS, *TRIGGER_MODELS, UNTYPED})
_MODELS: dict[str, type[BaseModel]] = {**STEP_MODELS, **TRIGGER_MODELS, **Definition.SECTIONS}
_CONSEQUENCE = "default_factory_not_called"
_SHORT = "too_short"

_SUGGESTIONS = 50
_LONGEST_SUGGESTED = 64

_KINDS = {
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number within 2^53-1",
    "float_type": "must be a number",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dataclass_type": "must be an object",
    "dataclass_exact_type": "must be an object",
    "finite_number": "must be a finite number",
    "none_required": "must be left out",
}
_LENGTHS = {
    "too_short": "has {actual_length} entries; at least {min_length} must be there",
    "too_long": "has {actual_length} entries; at most {max_length} are allowed",
    "string_too_long": "must have at most {max_length} characters",
}
_RANGES = {
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "greater_than": "must be more than {gt}",
}


def root_errors(error: ValidationError, *, short_lists: bool = False) -> list[Any]:
    """Return the errors of the model that do not merely follow from others, as pydantic tells them.

    A list may be short for what is wrong in it. With `short_lists` it is an error of its own where nothing is;
    definitions are looked at for that as documents.
    """
    found = [each for each in error.errors(include_url=False, include_input=False) if each["type"] != _CONSEQUENCE]
    inner = {each["loc"][:end] for each in found for end in range(len(each["loc"]))} if short_lists else set()
    return [each for each in found if each["type"] != _SHORT or (short_lists and each["loc"] not in inner)]


def shape_problems(error: ValidationError, *, short_lists: bool = False) -> list[Problem]:
    """Return a problem for each of the `root_errors`, in their order."""
    problems = []
    suggestions = 0
    for detail in root_errors(error, short_lists=short_lists):
        kind, location = detail["type"], detail["loc"]
        if kind == "extra_forbidden":
            suggestions += 1
            message = _unknown_key(location, suggest=suggestions <= _SUGGESTIONS)
            problems.append(Problem(_path(location), "key.unknown", message))
        else:
            code, message = told(kind, detail.get("ctx", {}), detail["msg"])
            problems.append(Problem(_path(location), code, message))
    return problems


def told(kind: str, context: Mapping[str, Any], message: str) -> tuple[str, str]:
    """Return the code and the words for what the model says of a value: pydantic's type, context and message.

    Where we have no words of our own, its message stands.
    """
    if kind == "missing":
        return "key.missing", "the key is missing"
    if kind == "literal_error":
        return "value.choice", f"must be {context['expected']}"
    if kind == "union_tag_invalid":
        *others, last = context["expected_tags"].split(", ")
        allowed = f"{', '.join(others)} or {last}" if others else last
        return "value.choice", f"{context['discriminator'].strip(chr(39))} must be {allowed}"
    if kind == "union_tag_not_found":
        return "key.missing", f"the key {context['discriminator'].strip(chr(39))} is missing"
    if kind in _KINDS:
        return "value.type", _KINDS[kind]
    if kind == "string_too_short":
        return "text.format", "must not be empty"
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return "text.format", PATTERN_WORDS.get(pattern, f"must match {pattern}")
    if kind in _LENGTHS:
        return "text.length" if kind == "string_too_long" else "list.length", _LENGTHS[kind].format(**context)
    if kind in _RANGES:
        return "value.range", _RANGES[kind].format(**{name: _bound(bound) for name, bound in context.items()})
    return (kind, message) if "." in kind else ("value.type", message)


def _bound(bound: Any) -> str:
    """Return a bound as people write it: 1 rather than 1.0."""
    return str(int(bound)) if isinstance(bound, float) and bound.is_integer() else str(bound)


def _path(location: Sequence[int | str]) -> str:
    path = ""
    for position, key in enumerate(location):
        if not _is_tag(location, position):
            path = join_path(path, key)
    return path


def _is_tag(location: Sequence[int | str], position: int) -> bool:
    """Tell whether a part of a location is the type by which the model of a list's element was chosen."""
    return (
        position >= 2
        and location[position] in _TAGS
        and isinstance(location[position - 1], int)
        and location[position - 2] in ("steps", "triggers")
    )


def _unknown_key(location: Sequence[int | str], *, suggest: bool) -> str:
    key, owner = str(location[-1]), location[-2] if len(location) > 1 else ""
    model = _MODELS.get(str(owner), Definition)
    keys = _keys(model)
    nearest = get_close_matches(key, keys, n=1, cutoff=0.0) if suggest and len(key) <= _LONGEST_SUGGESTED else []
    return f"there is no such key; the nearest is {nearest[0]}" if nearest else "there is no such key"


@cache
def _keys(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in model.model_fields.items())
