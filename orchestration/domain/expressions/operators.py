"""CEL's operators and functions over JSON values, each as the specification has it. What does not fit raises Fault."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..limits import LIMITS
from .library import call_library

GROWTH = 4
"""How many times `payload_bytes` a value may grow to. What is merely too large is refused, under its own name, by
whoever wants to send or keep it; this bound keeps evaluation itself from growing without end."""

_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1

Charge = Callable[[int], None]


class Fault(Exception):
    """The expression comes to nothing; the message says why."""


def _no_overload(sign: str, a: Any, b: Any) -> Fault:
    return Fault(f"{sign} does not go with {_kind(a)} and {_kind(b)}")


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "this value")


_KINDS = {
    bool: "a bool",
    int: "an int",
    float: "a double",
    str: "a text",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def _in_range(value: int) -> int:
    if _MIN_INT <= value <= _MAX_INT:
        return value
    raise Fault("a whole number leaves the range of 64 bits")


def _bounded(length: int) -> None:
    if length > GROWTH * LIMITS.payload_bytes:
        raise Fault(f"a value grows far beyond payload_bytes ({LIMITS.payload_bytes})")


def add(a: Any, b: Any) -> Any:
    """Return `a + b`: two ints, doubles, texts or lists."""
    kind = type(a)
    if kind is type(b):
        if kind is int:
            return _in_range(a + b)
        if kind is float:
            return a + b
        if kind is str or kind is list:
            _bounded(len(a) + len(b))
            return a + b
    raise _no_overload("+", a, b)


def _subtract(a: Any, b: Any) -> Any:
    kind = type(a)
    if kind is type(b):
        if kind is int:
            return _in_range(a - b)
        if kind is float:
            return a - b
    raise _no_overload("-", a, b)


def _multiply(a: Any, b: Any) -> Any:
    kind = type(a)
    if kind is type(b):
        if kind is int:
            return _in_range(a * b)
        if kind is float:
            return a * b
    raise _no_overload("*", a, b)


def _divide(a: Any, b: Any) -> Any:
    kind = type(a)
    if kind is type(b) and (kind is int or kind is float):
        if b:
            return a / b if kind is float else _in_range(_truncated(a, b))
        if kind is int:
            raise Fault("a division by zero")
        return math.nan if not a or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)
    raise _no_overload("/", a, b)


def _truncated(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _modulo(a: Any, b: Any) -> Any:
    if type(a) is int and type(b) is int:
        if not b:
            raise Fault("a remainder by zero")
        return a - b * _in_range(_truncated(a, b))
    raise _no_overload("%", a, b)


def negate(a: Any) -> Any:
    """Return `-a` of a number."""
    if type(a) is int:
        return _in_range(-a)
    if type(a) is float:
        return -a
    raise Fault(f"- does not go with {_kind(a)}")


_NUMBERS = (int, float)
_ORDERED = (int, float, str, bool)


def _ordered(sign: str, compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def apply(a: Any, b: Any) -> bool:
        left, right = type(a), type(b)
        if left in _ORDERED if left is right else left in _NUMBERS and right in _NUMBERS:
            return compare(a, b)
        raise _no_overload(sign, a, b)

    return apply


def equal(a: Any, b: Any, charge: Charge) -> bool:
    """Return `a == b`: numbers by value, whatever their kind, and anything else only with its own kind."""
    left, right = type(a), type(b)
    if left is not right:
        if left in (int, float) and right in (int, float):
            return bool(a == b)
        return isinstance(a, Mapping) and isinstance(b, Mapping) and _equal_objects(a, b, charge)
    if left is list:
        if len(a) != len(b):
            return False
        charge(len(a))
        return all(equal(x, y, charge) for x, y in zip(a, b, strict=True))
    if left is dict:
        return _equal_objects(a, b, charge)
    return bool(a == b)


def _equal_objects(a: Mapping[str, Any], b: Mapping[str, Any], charge: Charge) -> bool:
    if len(a) != len(b):
        return False
    charge(len(a))
    return all(key in b and equal(value, b[key], charge) for key, value in a.items())


def contains_element(element: Any, container: Any, charge: Charge) -> bool:
    """Return `element in container`: an element of a list, a key of an object."""
    if isinstance(container, list):
        charge(len(container) // 2)
        return any(equal(element, item, charge) for item in container)
    if isinstance(container, Mapping):
        return isinstance(element, str) and element in container
    raise _no_overload("in", element, container)


def index(container: Any, key: Any) -> Any:
    """Return `container[key]`: an element of a list by number, a value of an object by text."""
    if isinstance(container, list):
        if type(key) is float and key.is_integer():
            key = int(key)
        if type(key) is not int:
            raise Fault(f"a list is indexed by {_kind(key)}")
        if not 0 <= key < len(container):
            raise Fault(f"a list of {len(container)} has no element {key}")
        return container[key]
    if isinstance(container, Mapping):
        if not isinstance(key, str) or key not in container:
            raise Fault("an object does not have the key that is asked for")
        return container[key]
    raise Fault(f"{_kind(container)} cannot be indexed")


def size(value: Any) -> int:
    """Return the number of characters, elements or keys."""
    if isinstance(value, str | list | Mapping):
        return len(value)
    raise Fault(f"{_kind(value)} has no size")


def _text_method(name: str, method: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def apply(text: Any, other: Any) -> bool:
        if isinstance(text, str) and isinstance(other, str):
            return method(text, other)
        raise _no_overload(name, text, other)

    return apply


def _through_library(function: str, *args: Any) -> Any:
    try:
        return call_library(function, *args)
    except ValueError as error:
        raise Fault(f"{function}() cannot be made of this: {error}") from None


def _to_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else _through_library("string", value)


def _to_int(value: Any) -> Any:
    return value if type(value) is int else _through_library("int", value)


def _to_double(value: Any) -> Any:
    if type(value) is int:
        return float(value)
    return value if type(value) is float else _through_library("double", value)


def _to_bool(value: Any) -> Any:
    return value if isinstance(value, bool) else _through_library("bool", value)


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "_-_": _subtract,
    "_*_": _multiply,
    "_/_": _divide,
    "_%_": _modulo,
    "_<_": _ordered("<", lambda a, b: a < b),
    "_<=_": _ordered("<=", lambda a, b: a <= b),
    "_>_": _ordered(">", lambda a, b: a > b),
    "_>=_": _ordered(">=", lambda a, b: a >= b),
}
"""Operators that cost the same whatever their operands."""

matches = _text_method("matches", lambda text, pattern: bool(_through_library("matches", text, pattern)))
"""Return whether a text has a part that the pattern (RE2) describes."""

METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "contains": _text_method("contains", lambda text, other: other in text),
    "startsWith": _text_method("startsWith", str.startswith),
    "endsWith": _text_method("endsWith", str.endswith),
}
"""Methods of texts."""

CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "string": _to_text,
    "int": _to_int,
    "double": _to_double,
    "bool": _to_bool,
    "dyn": lambda value: value,
}
