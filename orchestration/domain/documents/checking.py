"""What a value may hold to be JSON that every store and every client can carry, checked without recursion."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ..errors import Problem
from ..limits import LIMITS, Limits
from .paths import LONGEST_KEY, join_path

MAX_SAFE_INT = 2**53 - 1
MAX_PROBLEMS = 1000
"""How many problems of one document are told; who made that many does not read on."""

DUPLICATE_KEY = ("document.duplicate_key", "the key stands twice in the same object")
_SURROGATE = re.compile("[\ud800-\udfff]")

Duplicates = Mapping[int, tuple[dict[str, Any], list[str]]]
"""Objects in which keys stood twice, by their id, with those keys."""


class TooDeep(Exception):
    """A list or object lies deeper than a document may go; `path` is where."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class TooMany(Exception):
    """The document has more values than it may have."""


def problem_of_text(text: str, path: str) -> Problem | None:
    """Return what is wrong with a text: half a character (a lone surrogate), or the character 0."""
    if "\0" in text:
        return Problem(path, "text.format", "a text must not contain the character U+0000")
    if not text.isascii() and _SURROGATE.search(text):
        return Problem(path, "text.format", "a text must not contain half a character (a lone surrogate)")
    return None


def problem_of_number(value: float, path: str) -> Problem | None:
    """Return what is wrong with a number: that it is not finite, or whole and beyond what a double carries exactly."""
    if isinstance(value, int):
        if -MAX_SAFE_INT <= value <= MAX_SAFE_INT:
            return None
        return Problem(path, "value.range", "a whole number must be between -(2^53-1) and 2^53-1")
    if math.isfinite(value):
        return None
    return Problem(path, "document.not_finite", "NaN and Infinity are no numbers in JSON")


def find_problems(
    value: Any, path: str = "", *, depth: int, nodes: int, duplicates: Duplicates | None = None
) -> list[Problem]:
    """Return what JSON cannot carry in a value, each with its path.

    Raise TooDeep at the first container below `depth` others, TooMany beyond `nodes` values.
    """
    problems: list[Problem] = []
    stack: list[tuple[Any, str | int | None, Any, int]] = [(None, path, value, 1)]
    while stack:
        trail = stack.pop()
        container, level = trail[2], trail[3]
        pairs: Any
        named = type(container) is dict
        if named:
            pairs = container.items()
        elif type(container) is list:
            pairs = enumerate(container)
        else:
            _note(problems, _scalar_problem(container, path))
            continue
        nodes -= len(container)
        if nodes < 0:
            raise TooMany
        if duplicates and id(container) in duplicates:
            problems += [Problem(_path(trail, key), *DUPLICATE_KEY) for key in duplicates[id(container)][1]]
        for key, part in pairs:
            kind = type(part)
            if kind is dict or kind is list:
                if level >= depth:
                    raise TooDeep(_path(trail, key))
                stack.append((trail, key, part, level + 1))
            elif (
                (kind is str and part.isascii() and "\0" not in part)
                or kind is bool
                or part is None
                or (kind is int and -MAX_SAFE_INT <= part <= MAX_SAFE_INT)
            ):
                pass
            else:
                _note(problems, _scalar_problem(part, _path(trail, key)))
                if len(problems) >= MAX_PROBLEMS:
                    return problems
            if named and not (type(key) is str and key.isascii() and "\0" not in key):
                _note(problems, _key_problem(key, trail))
        if len(problems) >= MAX_PROBLEMS:
            break
    return problems[:MAX_PROBLEMS]


def _note(problems: list[Problem], problem: Problem | None) -> None:
    if problem is not None:
        problems.append(problem)


def _scalar_problem(value: Any, path: str) -> Problem | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        return problem_of_text(value, path)
    if isinstance(value, int | float):
        return problem_of_number(value, path)
    return Problem(path, "value.type", f"{type(value).__name__} is no kind of value that JSON has")


def _key_problem(key: Any, trail: Any) -> Problem | None:
    if isinstance(key, str):
        return problem_of_text(key, _path(trail, key))
    return Problem(_path(trail, str(key)[:LONGEST_KEY]), "value.type", "the keys of an object must be texts")


def _path(trail: Any, *keys: str | int) -> str:
    parts: list[str | int] = [*reversed(keys)]
    while trail[0] is not None:
        parts.append(trail[1])
        trail = trail[0]
    path: str = trail[1]
    for key in reversed(parts):
        path = join_path(path, key)
    return path


def check_value(value: Any, path: str = "", *, limits: Limits = LIMITS) -> list[Problem]:
    """Return what JSON cannot carry in a value, each problem with its path below `path`; nothing if all is well.

    Kinds that JSON does not have, keys that are no texts, NaN, Infinity, whole numbers beyond 2^53-1, lone surrogates
    and U+0000 are problems; so is nesting deeper than `document_depth`, and more values than `payload_bytes`.
    """
    try:
        return find_problems(value, path, depth=limits.document_depth, nodes=limits.payload_bytes)
    except TooDeep as error:
        return [too_deep(error.path, limits)]
    except TooMany:
        return [Problem(path, "document.too_large", f"there are more than {limits.payload_bytes} values")]


def too_deep(path: str, limits: Limits) -> Problem:
    """Return the problem of a list or object that lies too deep."""
    return Problem(path, "document.too_deep", f"lists and objects nest at most {limits.document_depth} deep")
