"""Templates: JSON values with `${ expression }` in their texts.

A text that is one `${ … }` keeps the value's type; otherwise the pieces are joined, a text as it stands and anything
else as compact JSON. `$${` is a literal `${`. Keys of objects are not templates.

What mentions `secrets` can be evaluated *sealed*: such a text stays the template it is, beside the other values that
it reads; that much may be journaled, and `unseal` makes the real value of it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from .documents import MAX_PROBLEMS, join_path
from .durations import format_duration
from .errors import ExpressionError, Problem
from .expressions import GROWTH, Expression, ExpressionInvalid, Fault, Reads, check_size, compile_expression, project
from .instants import format_instant, from_datetime
from .limits import LIMITS, Limits

Names = Mapping[str, Any]
Evaluate = Callable[[Names], Any]

_OPENING = re.compile(r"\$?\$\{")
_TOKEN = re.compile(r"""["'{}]|//""")
_CLOSING_QUOTE = {
    quote: re.compile(rf"(?:[^{quote}\\\n]|\\.)*{quote}", re.DOTALL) for quote in ('"', "'")
}  # fmt: skip
_CLOSING_TRIPLE = {
    quote: re.compile(rf"(?:[^{quote}\\]|\\.|{quote}(?!{quote * 2}))*{quote * 3}", re.DOTALL) for quote in ('"', "'")
}
_CACHED = 4096
_LEFT = "@left"
"""Under this name, templates with many joined texts count what all of them together may still grow by."""

_FEW_TEXTS = 8


class TemplateInvalid(ValueError):
    """A value whose templates cannot stand where they are; `problems` has the path of each text, from `path` on."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A compiled template. `constant` tells that it has no expressions, `sealed` that some mention secrets."""

    constant: bool
    sealed: bool
    reads: Mapping[str, Reads | None]
    expression: Expression | None
    _evaluate: Evaluate
    _seal: Callable[[Names, dict[str, Any]], Any] | None
    _most: int
    _texts: int

    def evaluate(self, names: Names) -> Any:
        """Return the value as JSON: timestamps and durations as text. Raise ExpressionError.

        It may share parts with `names` and with the template itself; neither is to be changed.
        """
        return self._bounded(self._evaluate(self._measured(names)))

    def evaluate_raw(self, names: Names) -> Any:
        """Return the value as `evaluate` does, but a lone expression's timestamp as datetime, duration as timedelta."""
        return self.evaluate(names) if self.expression is None else self.expression.evaluate(names)

    def evaluate_sealed(self, names: Names) -> tuple[Any, dict[str, Any]]:
        """Return the value with every text that mentions secrets left as it is written, and what `unseal` needs.

        That is a JSON pointer for each such text -> the other names that it reads, with what it reads of them.
        """
        if self._seal is None:
            return self.evaluate(names), {}
        bindings: dict[str, Any] = {}
        return self._bounded(self._seal(self._measured(names), bindings)), bindings

    def _measured(self, names: Names) -> Names:
        return {**names, _LEFT: [self._most]} if self._texts > _FEW_TEXTS else names

    def _bounded(self, value: Any) -> Any:
        if type(value) in (dict, list) and not self.constant:
            try:
                check_size(value, self._most)
            except Fault as fault:
                raise ExpressionError(str(fault), limit="payload_bytes") from None
        return value


def compile_template(
    value: Any,
    *,
    names: frozenset[str] | None = None,
    step_ids: Container[str] | None = None,
    path: str = "",
    limits: Limits = LIMITS,
) -> Template:
    """Compile a JSON value. Raise TemplateInvalid with all its problems, each with the path of its text."""
    compiler = _Compiler(names, step_ids, limits)
    part = compiler.compile(value, path, "")
    if compiler.problems:
        raise TemplateInvalid(compiler.problems)
    reads: dict[str, Reads | None] = {}
    for expression in part.expressions:
        reads = _union(reads, expression.reads)
    return Template(
        constant=not part.expressions,
        sealed=part.seal is not None,
        reads=reads,
        expression=part.expressions[0] if part.lone else None,
        _evaluate=part.evaluate,
        _seal=part.seal,
        _most=GROWTH * limits.payload_bytes,
        _texts=compiler.texts,
    )


def unseal(value: Any, bindings: Mapping[str, Any], secrets: Mapping[str, Any]) -> Any:
    """Return what a sealed value stands for, given the secrets. Raise ExpressionError.

    `value` and `bindings` are left as they are; parts of `value` are shared.
    """
    for pointer, names in bindings.items():
        value = _replace(value, _pointer_parts(pointer), {**names, "secrets": secrets})
    return value


def _replace(value: Any, parts: list[str], names: Names) -> Any:
    if not parts:
        return _text_template(value).evaluate(names)
    copy = value.copy()
    key: Any = int(parts[0]) if isinstance(copy, list) else parts[0]
    copy[key] = _replace(copy[key], parts[1:], names)
    return copy


@lru_cache(maxsize=_CACHED)
def _text_template(text: str) -> Template:
    return compile_template(text)


def _pointer_parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _union(a: Mapping[str, Reads | None], b: Mapping[str, Reads | None]) -> dict[str, Reads | None]:
    merged = dict(a)
    for key, below in b.items():
        present = merged.get(key, {})
        merged[key] = None if below is None or present is None else _union(present, below)
    return merged


# Compiling --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Part:
    """A compiled piece of a template: what it has for expressions, and its two ways of being evaluated."""

    evaluate: Evaluate
    expressions: tuple[Expression, ...] = ()
    seal: Callable[[Names, dict[str, Any]], Any] | None = None
    lone: bool = False


class _Compiler:
    def __init__(self, names: frozenset[str] | None, step_ids: Container[str] | None, limits: Limits) -> None:
        self.names = names
        self.step_ids = step_ids
        self.limits = limits
        self.problems: list[Problem] = []
        self.texts = 0

    def compile(self, value: Any, path: str, pointer: str) -> _Part:
        if len(self.problems) >= MAX_PROBLEMS:
            return _Part(lambda names: None)
        if isinstance(value, str):
            return self._text(value, path, pointer) if "${" in value else _Part(lambda names: value)
        if isinstance(value, dict):
            parts = {
                key: self.compile(part, join_path(path, key), f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
                for key, part in value.items()
            }
            return _object(value, parts)
        if isinstance(value, list | tuple):
            return _list(value, [self.compile(part, f"{path}[{n}]", f"{pointer}/{n}") for n, part in enumerate(value)])
        return _Part(lambda names: value)

    def _text(self, text: str, path: str, pointer: str) -> _Part:
        try:
            pieces = [
                self._expression(piece.strip()) if is_code else piece
                for is_code, piece in split_text(text, self.limits.expression_length)
            ]
        except ExpressionInvalid as error:
            self.problems.append(Problem(path, error.code, str(error)))
            return _Part(lambda names: None)
        expressions = tuple(piece for piece in pieces if isinstance(piece, Expression))
        if not expressions:
            joined = "".join(map(str, pieces))
            return _Part(lambda names: joined)
        lone = len(pieces) == 1
        self.texts += not lone
        evaluate = _value_of(expressions[0]) if lone else _joined(pieces, GROWTH * self.limits.payload_bytes)
        reads: dict[str, Reads | None] = {}
        for expression in expressions:
            reads = _union(reads, expression.reads)
        seal = _sealing(text, pointer, reads) if "secrets" in reads else None
        return _Part(evaluate, expressions, seal, lone)

    def _expression(self, source: str) -> Expression:
        return compile_expression(source, names=self.names, step_ids=self.step_ids, limits=self.limits)


def split_text(text: str, longest: int = LIMITS.expression_length) -> Iterator[tuple[bool, str]]:
    """Split a text at its `${ … }` into (True, expression) and (False, literal text), the literals unescaped.

    Raise ExpressionInvalid for one that is not closed.
    """
    position, literal = 0, ""
    while True:
        opening = _OPENING.search(text, position)
        if opening is None:
            break
        literal += text[position : opening.start()]
        if opening.group() == "$${":
            literal += "${"
            position = opening.end()
            continue
        end = _closing_brace(text, opening.end(), longest)
        if literal:
            yield False, literal
            literal = ""
        yield True, text[opening.end() : end]
        position = end + 1
    if literal or position < len(text):
        yield False, literal + text[position:]


def _closing_brace(text: str, position: int, longest: int) -> int:
    """Return where the brace that ends an expression stands; quotes, comments and inner braces are respected."""
    start, depth = position, 0
    while True:
        token = _TOKEN.search(text, position)
        if token is None:
            raise ExpressionInvalid("a ${ is not closed")
        if token.start() - start > longest:
            raise ExpressionInvalid(f"a ${{ is not closed within the {longest} characters that an expression may have")
        position, sign = token.end(), token.group()
        if sign == "{":
            depth += 1
        elif sign == "}":
            if not depth:
                return token.start()
            depth -= 1
        elif sign == "//":
            position = text.find("\n", position) + 1 or len(text)
        else:
            position = _after_quote(text, token.start(), sign)


def _after_quote(text: str, position: int, quote: str) -> int:
    triple = text.startswith(quote * 3, position)
    inside = position + (3 if triple else 1)
    match = (_CLOSING_TRIPLE if triple else _CLOSING_QUOTE)[quote].match(text, inside)
    if match is None:
        raise ExpressionInvalid("a ${ is not closed, for a quote in it is not")
    return match.end()


def _object(value: dict[str, Any], parts: dict[str, _Part]) -> _Part:
    live = [(key, part.evaluate) for key, part in parts.items() if part.expressions]
    plain = {key: part.evaluate({}) for key, part in parts.items() if not part.expressions}
    if not live:
        return _Part(lambda names: plain)
    shape = dict.fromkeys(value)
    shape.update(plain)

    def evaluate(names: Names) -> dict[str, Any]:
        result = shape.copy()
        for key, part in live:
            result[key] = part(names)
        return result

    def seal(names: Names, bindings: dict[str, Any]) -> dict[str, Any]:
        return {
            key: part.evaluate(names) if part.seal is None else part.seal(names, bindings)
            for key, part in parts.items()
        }

    return _Part(evaluate, _all_of(parts.values()), seal if any(part.seal for part in parts.values()) else None)


def _list(value: list[Any] | tuple[Any, ...], parts: list[_Part]) -> _Part:
    expressions = _all_of(parts)
    if not expressions:
        plain = [part.evaluate({}) for part in parts]
        return _Part(lambda names: plain)
    evaluates = [part.evaluate for part in parts]

    def seal(names: Names, bindings: dict[str, Any]) -> list[Any]:
        return [part.evaluate(names) if part.seal is None else part.seal(names, bindings) for part in parts]

    return _Part(
        lambda names: [evaluate(names) for evaluate in evaluates],
        expressions,
        seal if any(part.seal for part in parts) else None,
    )


def _all_of(parts: Any) -> tuple[Expression, ...]:
    return tuple(expression for part in parts for expression in part.expressions)


def _value_of(expression: Expression) -> Evaluate:
    evaluate = expression.evaluate
    return (lambda names: _as_json(evaluate(names))) if expression.by_library else evaluate


def _joined(pieces: list[str | Expression], most: int) -> Evaluate:
    parts = [piece if isinstance(piece, str) else piece.evaluate for piece in pieces]

    def evaluate(names: Names) -> str:
        left = names.get(_LEFT) or [most]
        texts = []
        for part in parts:
            text = part if isinstance(part, str) else _as_text(part(names))
            left[0] -= len(text)
            if left[0] < 0:
                raise ExpressionError(f"a text grows beyond {most} bytes", limit="payload_bytes")
            texts.append(text)
        return "".join(texts)

    return evaluate


def _sealing(text: str, pointer: str, reads: Mapping[str, Reads | None]) -> Callable[[Names, dict[str, Any]], Any]:
    others = {name: below for name, below in reads.items() if name != "secrets"}

    def seal(names: Names, bindings: dict[str, Any]) -> str:
        bindings[pointer] = project(names, others)
        return text

    return seal


# Values -----------------------------------------------------------------------------------------------------------


def _as_json(value: Any) -> Any:
    kind = type(value)
    if kind is datetime:
        return format_instant(from_datetime(value))
    if kind is timedelta:
        return format_duration(value // timedelta(microseconds=1))
    if kind is dict:
        return {key: _as_json(part) for key, part in value.items()} if _has_times(value.values()) else value
    if kind is list:
        return [_as_json(part) for part in value] if _has_times(value) else value
    return value


def _has_times(parts: Any) -> bool:
    return any(
        type(part) in (datetime, timedelta)
        or (type(part) is dict and _has_times(part.values()))
        or (type(part) is list and _has_times(part))
        for part in parts
    )


def _as_text(value: Any) -> str:
    value = _as_json(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def is_template(text: str) -> bool:
    """Tell whether a text is a single `${ … }` and nothing else, so that its value can be of any type."""
    if not text.startswith("${"):
        return False
    try:
        return [is_code for is_code, _ in split_text(text)] == [True]
    except ExpressionInvalid:
        return True
