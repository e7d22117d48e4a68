"""Expressions: compiled once per text, told what they may name, evaluated with as little conversion as can be.

A text that is a plain path (`vars.a.b`, `steps["x"].output.y`, `has(output.id)`) is not even shown to the CEL library;
any other is parsed by it. Evaluation is native where `native` can, else the library's, which then checks the text too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from ..errors import ExpressionError
from ..limits import LIMITS, Limits
from .library import NAMES, SyntaxFault, check_source, evaluate_program, parse_source
from .native import BUDGET_KEY, STEPS, Closure, Unsupported, build
from .operators import GROWTH, Fault
from .tree import Call, Constant, Findings, Ident, Node, Reads, Select, decode, examine

MAX_SAFE_INT = 2**53 - 1
_CACHED = 8192
_LIBRARY_ITEMS = 1_000
_LIBRARY_WEIGHT = 256 * 1024
_LIBRARY_GROWTH = 128 * 1024 * 1024
"""What the library's folds may be given: it copies what it collects at every item, and texts grow without a limit."""

_GAP = r"[ \t\n\r\f]*+"
_FIELD = rf"{_GAP}\.{_GAP}([A-Za-z_][A-Za-z0-9_]*+)"
_INDEX = rf"""{_GAP}\[{_GAP}(?:"([^"\\\r\n]*+)"|'([^'\\\r\n]*+)'|([0-9]{{1,9}}+)){_GAP}\]"""
_STEP = re.compile(f"{_FIELD}|{_INDEX}")
_START = re.compile(rf"{_GAP}(has\({_GAP})?+([a-z]++)")
_END = re.compile(rf"{_GAP}(\){_GAP})?+")
_KEYWORDS = frozenset({"in", "true", "false", "null"})
_LONGEST_PATH = 28

_FUNCTIONS = frozenset(
    [
        "_&&_",
        "_||_",
        "_?_:_",
        "!_",
        "-_",
        "_[_]",
        "_+_",
        "_-_",
        "_*_",
        "_/_",
        "_%_",
        "_==_",
        "_!=_",
        "_<_",
        "_<=_",
        "_>_",
        "_>=_",
        "@in",
        "@not_strictly_false",
        "size",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "string",
        "int",
        "uint",
        "double",
        "bool",
        "bytes",
        "dyn",
        "type",
        "timestamp",
        "duration",
        "getFullYear",
        "getMonth",
        "getDate",
        "getDayOfMonth",
        "getDayOfYear",
        "getDayOfWeek",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
    ]
)
_PLAIN_TYPES = frozenset({str, int, float, bool, type(None), list, dict, datetime, timedelta})


class ExpressionInvalid(ValueError):
    """A text that is no expression where it stands. `code` is `expression.invalid` or `expression.unknown_name`."""

    def __init__(self, message: str, code: str = "expression.invalid") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A compiled expression: its text, what it reads of which names, and how it is evaluated."""

    source: str
    reads: Mapping[str, Reads | None]
    step_ids: frozenset[str]
    is_path: bool
    _closure: Closure | None
    _program: Any
    _growth: tuple[int, int]
    _most: int

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        """Return the value: JSON as plain Python, a timestamp as datetime, a duration as timedelta.

        The value may share parts with `names`: neither is to be changed. Raise ExpressionError with the text and the
        reason; where secrets are mentioned, without the reason, which might tell them.
        """
        closure = self._closure
        try:
            if closure is None:
                return settle(self._evaluate_by_library(names), self._most)
            if not self.is_path:
                return settle(closure({**names, BUDGET_KEY: [STEPS]}), self._most)
            value = closure(names)
            return value if type(value) in _PLAIN_TYPES else plain(value)
        except (Fault, ValueError) as reason:
            raise self._error(reason) from None

    @property
    def by_library(self) -> bool:
        """Tell whether the CEL library evaluates it: only then can there be timestamps and durations in the value."""
        return self._closure is None

    def _evaluate_by_library(self, names: Mapping[str, Any]) -> Any:
        given = project(names, self.reads)
        folds, sums = self._growth
        if folds or sums:
            _check_growth(given, folds, sums, len(self.source))
        return evaluate_program(self._program, given)

    def _error(self, reason: Exception) -> ExpressionError:
        source = self.source if len(self.source) <= 200 else f"{self.source[:200]}…"
        if "secrets" in self.reads:
            return ExpressionError(f"an expression that uses secrets failed: {source}", expression=source)
        return ExpressionError(f"{reason}: {source}", expression=source)


def compile_expression(
    source: str,
    *,
    names: frozenset[str] | None = None,
    step_ids: Container[str] | None = None,
    limits: Limits = LIMITS,
) -> Expression:
    """Compile a CEL expression that may use `names` (all, if None) and mention the steps `step_ids` (any, if None).

    Raise ExpressionInvalid for a text that does not parse, is too long, or mentions a name, function or step that
    cannot exist there. That types do not go together shows when it is evaluated.
    """
    if len(source) > limits.expression_length:
        raise ExpressionInvalid(f"an expression has at most {limits.expression_length} characters")
    expression = _compile(source, GROWTH * limits.payload_bytes)
    if names is not None:
        for name in expression.reads:
            if name not in names:
                raise ExpressionInvalid(f"there is no name {name!r} here", "expression.unknown_name")
    if step_ids is not None:
        for step_id in expression.step_ids:
            if step_id not in step_ids:
                raise ExpressionInvalid(f"there is no step {step_id[:80]!r} here", "expression.unknown_name")
    return expression


@lru_cache(maxsize=_CACHED)
def _compile(source: str, most: int) -> Expression:
    path = _parse_path(source)
    if path is not None:
        return _expression(source, examine(path), build(path), None, most, is_path=True)
    try:
        program = parse_source(source)
        tree = decode(program.serialize())
        findings = examine(tree)
        closure = _native(tree, findings)
        if closure is None:
            program = check_source(source)
            _check_functions(findings)
    except SyntaxFault as fault:
        raise ExpressionInvalid(str(fault), _code(fault)) from None
    except ValueError as error:
        raise ExpressionInvalid(str(error)) from None
    return _expression(source, findings, closure, None if closure else program, most)


def _native(tree: Node, findings: Findings) -> Closure | None:
    """Return the closure for a tree of known names and functions, None for one that needs the library's attention."""
    if findings.foreign or not NAMES.issuperset(findings.reads) or not _FUNCTIONS.issuperset(findings.functions):
        return None
    try:
        return build(tree)
    except Unsupported:
        return None


def _expression(
    source: str, findings: Findings, closure: Closure | None, program: Any, most: int, *, is_path: bool = False
) -> Expression:
    return Expression(
        source=source,
        reads={name: below for name, below in findings.reads.items() if name in NAMES},
        step_ids=frozenset(findings.step_ids),
        is_path=is_path,
        _closure=closure,
        _program=program,
        _growth=(findings.folds, findings.sums),
        _most=most,
    )


def _code(fault: SyntaxFault) -> str:
    return "expression.unknown_name" if fault.unknown else "expression.invalid"


def _check_functions(findings: Findings) -> None:
    """Refuse what the type check did not come to, because it had found a mismatch before."""
    for function in findings.functions:
        if function not in _FUNCTIONS:
            raise SyntaxFault(f"there is no name or function {function!r}", unknown=True)


def _parse_path(source: str) -> Node | None:
    """Return the tree of a plain path, or of `has()` of one; None for anything else."""
    start = _START.match(source)
    if start is None or start[2] not in NAMES:
        return None
    node: Node = Ident(start[2])
    position = start.end()
    for _ in range(_LONGEST_PATH):
        step = _STEP.match(source, position)
        if step is None:
            break
        field, double, single, number = step.groups()
        if field in _KEYWORDS:
            return None
        key = int(number) if number else double if single is None else single
        node = Select(node, field, False) if field else Call("_[_]", None, (node, Constant(key)))
        position = step.end()
    end = _END.fullmatch(source, position)
    if end is None or (end[1] is None) is not (start[1] is None):
        return None
    if start[1] is None:
        return node
    return Select(node.operand, node.key, True) if isinstance(node, Select) else None


# Values -----------------------------------------------------------------------------------------------------------


def project(names: Mapping[str, Any], reads: Mapping[str, Reads | None]) -> dict[str, Any]:
    """Return what `reads` tells of `names`, as plain Python; what is not there is left out."""
    return {name: _project(names[name], below) for name, below in reads.items() if name in names}


def _project(value: Any, reads: Reads | None) -> Any:
    if reads is None:
        return plain(value)
    if isinstance(value, Mapping):
        found = {}
        for key, below in reads.items():
            try:
                part = value[key]
            except KeyError:
                continue
            found[key] = _project(part, below)
        return found
    return [] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """Return the value with every mapping as a dict; dicts and lists are taken to be plain already."""
    if type(value) in _PLAIN_TYPES:
        return value
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return list(value) if isinstance(value, tuple) else value


def settle(value: Any, most: int) -> Any:
    """Return a result that JSON can carry (and times, as they are); raise Fault for any other, or one too large."""
    kind = type(value)
    if kind is bool or value is None or kind is datetime or kind is timedelta:
        return value
    if kind is int or kind is float:
        _check_number(value)
        return value
    if kind is str:
        if len(value) > most:
            raise Fault(f"the result is larger than {most} bytes")
        return value
    value = plain(value)
    check_size(value, most)
    return value


def _check_number(value: Any) -> None:
    if isinstance(value, int):
        if not -MAX_SAFE_INT <= value <= MAX_SAFE_INT:
            raise Fault("the result is a whole number that JSON cannot carry exactly")
    elif not math.isfinite(value):
        raise Fault("the result is no finite number")


def check_size(value: Any, most: int) -> None:
    """Raise Fault for a value that is too large, nests too deep, or has numbers that JSON cannot carry.

    It costs no more than `most` small steps, however often parts of the value are shared.
    """
    left, depth, level = most, 0, [value]
    while level:
        depth += 1
        if depth > LIMITS.document_depth:
            raise Fault(f"the result nests deeper than document_depth ({LIMITS.document_depth})")
        below: list[Any] = []
        for part in level:
            kind = type(part)
            if kind is str:
                left -= len(part) + 2
            elif kind is dict:
                left -= sum(map(len, part)) + 3 * len(part) + 2
                below.extend(part.values() if left >= 0 else ())
            elif kind is list:
                left -= len(part) + 2
                below.extend(part if left >= 0 else ())
            elif kind is int or kind is float:
                _check_number(part)
            if left < 0:
                raise Fault(f"the result is larger than {most} bytes")
        level = below


def _check_growth(given: Mapping[str, Any], folds: int, sums: int, source_length: int) -> None:
    """Raise Fault for what the library might take too long over, or make too much of: a generous estimate."""
    longest, weight, rest = source_length // 2, source_length, list(given.values())
    while rest:
        part = rest.pop()
        if isinstance(part, str | dict | list):
            weight += len(part)
            if not isinstance(part, str):
                longest = max(longest, len(part))
                rest.extend(part.values() if isinstance(part, dict) else part)
    if folds and (longest > _LIBRARY_ITEMS or weight > _LIBRARY_WEIGHT):
        raise Fault("there is too much to walk through for an expression of this kind")
    if weight * (sums + 1) ** (folds or 1) * (longest if folds else 1) > _LIBRARY_GROWTH:
        raise Fault("the value of the expression might grow too large")
