"""The one place that touches the CEL library: parsing, checking, and evaluating what is left to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cel_expr_python import cel

NAMES = frozenset({"input", "vars", "steps", "execution", "item", "index", "output", "error", "event", "secrets"})
"""All names that expressions can have anywhere; each place has some of them."""

_PLAIN = (str, int, float, bool, type(None), datetime, timedelta)
_REASON = re.compile(r"<input>:(-?\d+):(-?\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to ('.*') \(in container ''\)")
_REASON_LENGTH = 160


class SyntaxFault(ValueError):
    """The text is no expression, or uses what is not there; `unknown` tells the second."""

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


@cache
def _environment() -> Any:
    return cel.NewEnv(variables=dict.fromkeys(NAMES, cel.Type.DYN))


@cache
def _single(function: str, arity: int) -> Any:
    names = [f"a{number}" for number in range(arity)]
    environment = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
    return environment.compile(f"{function}({', '.join(names)})")


def parse_source(source: str) -> Any:
    """Return the library's program for a text that parses, without a look at names and types. Raise SyntaxFault."""
    try:
        return _environment().compile(source, disable_check=True)
    except RuntimeError as error:
        raise SyntaxFault(_reasons(str(error))[0]) from None


def check_source(source: str) -> Any:
    """Return the library's program for a text that parses, type-checked where its types go together.

    Raise SyntaxFault for an unknown name or function. A mere mismatch of types is no fault of the text: it shows when
    the program is evaluated.
    """
    try:
        return _environment().compile(source)
    except RuntimeError as error:
        reasons = _reasons(str(error))
    unknown = next((reason for reason in reasons if "there is no name or function" in reason), None)
    if unknown is not None:
        raise SyntaxFault(unknown, unknown=True)
    return parse_source(source)


def _reasons(text: str) -> list[str]:
    reasons = []
    for line, column, reason in _REASON.findall(text):
        told = _UNDECLARED.sub(r"there is no name or function \1", reason).split(" expecting {")[0]
        reasons.append(_place(line, column) + told[:_REASON_LENGTH])
    return reasons or [text.split(" [", maxsplit=1)[0][:_REASON_LENGTH]]


def _place(line: str, column: str) -> str:
    if not line.isdecimal() or len(line) > 4:
        return ""
    return f"column {column}: " if line == "1" else f"line {line}, column {column}: "


def call_library(function: str, *args: Any) -> Any:
    """Return one of the library's functions of JSON values; ValueError with the library's reason."""
    names = {f"a{number}": value for number, value in enumerate(args)}
    return evaluate_program(_single(function, len(args)), names)


def evaluate_program(program: Any, names: Mapping[str, Any]) -> Any:
    """Return a program's value as plain Python: JSON, and datetime and timedelta. ValueError with the reason.

    Map keys that are no texts, bytes, types and messages are refused.
    """
    try:
        value = program.eval(data=names)
        kind = value.type()
        result = value.plain_value()
    except (RuntimeError, TypeError, ValueError, OverflowError, SystemError) as error:
        raise ValueError(_without_status(str(error))) from None
    if kind == cel.Type.ERROR:
        raise ValueError(_without_status(str(result)))
    return _plain(result)


def _without_status(text: str) -> str:
    return re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", text)[:_REASON_LENGTH]


def _plain(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("the keys of an object must be texts")
        return {key: _plain(item) for key, item in value.items()}
    raise ValueError("the value is of a kind that JSON does not have")
