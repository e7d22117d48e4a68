"""From a text or a JSON value to a typed definition, or to all that is wrong with it at once."""

from __future__ import annotations

import re
from typing import Any

import orjson
from pydantic import ValidationError

from ..documents import MAX_PROBLEMS, check_value, read_document, unreadable
from ..errors import DefinitionInvalid, DocumentUnreadable, Problem
from ..limits import LIMITS, Limits
from .checks import Checker, count_steps, nesting_problem
from .inputs import compile_schema
from .models import Definition
from .shape import shape_problems

_PLACE = re.compile(r"\[([0-9]+)\]|([^.\[]+)")


def parse_definition(document: Any, *, limits: Limits = LIMITS) -> Definition:
    """Return the definition that a YAML or JSON text, or a JSON value, describes.

    Raise DocumentUnreadable for a text that cannot be read (or a value that is too large), else DefinitionInvalid with
    every problem of the document: one for each path, none that merely follows from another.
    """
    document, problems = _read(document, limits)
    if not isinstance(document, dict):
        raise _invalid([*problems, Problem("", "value.type", "a definition must be an object")])
    count = count_steps(document)
    if count > limits.steps:
        message = f"a definition has at most {limits.steps} steps, not {count}"
        raise _invalid([*problems, Problem("steps", "steps.limit", message)])
    checker = Checker(limits)
    checker.definition(document)
    definition, shape = _validated(document)
    validator, refused = compile_schema(document.get("input_schema"), "input_schema")
    problems = [*problems, *shape, *checker.problems, *refused]
    if checker.cut:
        problems = [problem for problem in problems if not _lies_below(problem.path, checker.cut)]
    if problems or definition is None:
        raise _invalid(problems)
    definition.keep(document, validator)
    return definition


def _read(document: Any, limits: Limits) -> tuple[Any, list[Problem]]:
    try:
        if isinstance(document, str | bytes):
            return read_document(document, limits=limits)
        return document, _value_problems(document, limits)
    except DocumentUnreadable as error:
        ninth = re.match(rf"(?:steps\[[0-9]+\]\.){{{limits.nesting + 1}}}steps", error.problems[0].path)
        if ninth is None or error.problems[0].code != "document.too_deep":
            raise
        raise _invalid([nesting_problem(ninth.group(), limits)]) from None


def _value_problems(document: Any, limits: Limits) -> list[Problem]:
    problems = check_value(document, limits=limits)
    if any(problem.code in ("document.too_deep", "document.too_large") for problem in problems):
        raise unreadable(problems[0].code, problems[0].message, problems[0].path)
    if not problems and len(orjson.dumps(document)) > limits.definition_bytes:
        raise unreadable("document.too_large", f"a definition has at most {limits.definition_bytes} bytes")
    return problems


def _validated(document: dict[str, Any]) -> tuple[Definition | None, list[Problem]]:
    try:
        return Definition.model_validate(document), []
    except ValidationError as error:
        return None, shape_problems(error)


def _lies_below(path: str, cut: list[str]) -> bool:
    return any(path.startswith(f"{above}[") for above in cut)


def _invalid(problems: list[Problem]) -> DefinitionInvalid:
    told: dict[str, Problem] = {}
    for problem in problems:
        told.setdefault(problem.path, problem)
    ordered = sorted(told.values(), key=_place)[:MAX_PROBLEMS]
    more = f" (and {len(ordered) - 1} more)" if len(ordered) > 1 else ""
    first = ordered[0]
    return DefinitionInvalid(
        f"{first.path}: {first.message}{more}" if first.path else f"{first.message}{more}", ordered
    )


def _place(problem: Problem) -> list[tuple[int, int, str]]:
    return [(0, int(number), "") if number else (1, 0, key) for number, key in _PLACE.findall(problem.path)]
