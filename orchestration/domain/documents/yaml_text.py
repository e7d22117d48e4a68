"""YAML texts by the 1.2 core schema, as far as it is JSON: no anchors, aliases, tags, merge keys or several documents.

The parser's events are put together here, with a stack instead of recursion, so that each problem has its path and a
document is let go at the first value that is too deep or too many.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from ..errors import DocumentUnreadable, Problem
from ..limits import Limits
from .checking import DUPLICATE_KEY, MAX_PROBLEMS, problem_of_number, problem_of_text, too_deep
from .json_text import unreadable
from .paths import path_from

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + word: float("inf") for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **{f"-{word}": float("-inf") for word in (".inf", ".Inf", ".INF")},
}
_NUMBER_STARTS = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_PREFIXED = re.compile(r"0o([0-7]+)|0x([0-9a-fA-F]+)")
_LONGEST_INT = 18
_UNSAFE = 10**18


def resolve(text: str) -> Any:
    """Return what a plain scalar stands for by the core schema: null, a bool, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if _INT.fullmatch(text):
        return int(text) if len(text) < _LONGEST_INT else _UNSAFE
    if _FLOAT.fullmatch(text):
        return float(text)
    prefixed = _PREFIXED.fullmatch(text)
    if prefixed is None:
        return text
    if len(text) > _LONGEST_INT:
        return _UNSAFE
    return int(prefixed[1], 8) if prefixed[1] else int(prefixed[2], 16)


@dataclass(slots=True)
class _Frame:
    """A list or object that is being filled. `key` is the place of the next value; an object waits for it first."""

    container: Any
    key: str | int | None


class _Composer:
    def __init__(self, limits: Limits, nodes: int) -> None:
        self.limits = limits
        self.nodes = nodes
        self.frames: list[_Frame] = []
        self.value: Any = None
        self.documents = 0
        self.problems: list[Problem] = []

    def path(self) -> str:
        return path_from(frame.key for frame in self.frames if frame.key is not None)

    def note(self, code: str, message: str) -> None:
        self.problems.append(Problem(self.path(), code, message))
        if len(self.problems) >= MAX_PROBLEMS:
            raise DocumentUnreadable("the document has too many problems", self.problems)

    def take(self, event: Any) -> None:
        if isinstance(event, ScalarEvent):
            self._scalar(event)
        elif isinstance(event, MappingStartEvent):
            self._open(event, {}, None)
        elif isinstance(event, SequenceStartEvent):
            self._open(event, [], 0)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self.frames.pop()
            self._filled()
        elif isinstance(event, AliasEvent):
            self._alias()
        elif isinstance(event, DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise unreadable("yaml.multi", f"a second document begins in line {_line(event)}")

    def _expects_key(self) -> bool:
        return bool(self.frames) and self.frames[-1].key is None

    def _put(self, value: Any) -> None:
        self.nodes -= 1
        if self.nodes < 0:
            raise unreadable("document.too_large", "the document has too many values")
        if not self.frames:
            self.value = value
            return
        frame = self.frames[-1]
        if isinstance(frame.container, list):
            frame.container.append(value)
        else:
            frame.container[frame.key] = value

    def _filled(self) -> None:
        """The value at the innermost place is complete: on to the next place."""
        if self.frames:
            frame = self.frames[-1]
            frame.key = frame.key + 1 if isinstance(frame.key, int) else None

    def _open(self, event: Any, container: Any, key: int | None) -> None:
        if self._expects_key():
            raise unreadable("document.syntax", "a key must be a text, not a list or an object", self.path())
        self._marks(event)
        if len(self.frames) >= self.limits.document_depth:
            problem = too_deep(self.path(), self.limits)
            raise unreadable(problem.code, problem.message, problem.path)
        self._put(container)
        self.frames.append(_Frame(container, key))

    def _alias(self) -> None:
        if self._expects_key():
            raise unreadable("yaml.alias", "aliases are not taken", self.path())
        self.note("yaml.alias", "aliases are not taken; write the value out")
        self._put(None)
        self._filled()

    def _marks(self, event: Any) -> None:
        if event.anchor is not None:
            self.note("yaml.alias", "anchors are not taken; write each value out")
        if event.tag is not None:
            self.note("yaml.tag", "tags are not taken")

    def _scalar(self, event: Any) -> None:
        if self._expects_key():
            self._key(event)
            return
        value = resolve(event.value) if event.style is None or not event.style else event.value
        if event.anchor is not None or event.tag is not None:
            self._marks(event)
        problem = None
        if type(value) is str:
            if not value.isascii() or "\0" in value:
                problem = problem_of_text(value, self.path())
        elif type(value) is int or type(value) is float:
            problem = problem_of_number(value, "")
        if problem is not None:
            self.note(problem.code, problem.message)
        self._put(value)
        self._filled()

    def _key(self, event: Any) -> None:
        frame, key = self.frames[-1], event.value
        plain = not event.style
        frame.key = key
        if event.anchor is not None or event.tag is not None:
            self._marks(event)
        if plain and key == "<<":
            self.note("yaml.alias", "merge keys are not taken; write the keys out")
        elif plain and not isinstance(resolve(key), str):
            self.note("value.type", "a key must be a text; put it in quotes")
        elif problem_of_text(key, "") is not None:
            self.note("text.format", "a key must not contain U+0000 or half a character")
        elif key in frame.container:
            self.note(*DUPLICATE_KEY)


def read_yaml_text(text: str, *, limits: Limits, nodes: int) -> tuple[Any, list[Problem]]:
    """Return the value of a YAML text and its problems. Raise DocumentUnreadable."""
    composer = _Composer(limits, nodes)
    parser = None
    try:
        parser = _PARSER(text)
        while True:
            event = parser.get_event()
            if isinstance(event, StreamEndEvent):
                break
            composer.take(event)
    except yaml.YAMLError as error:
        raise unreadable("document.syntax", _reason(error)) from None
    except UnicodeEncodeError:
        raise unreadable("text.format", "the document contains half a character (a lone surrogate)") from None
    finally:
        if parser is not None:
            parser.dispose()
    if not composer.documents:
        raise unreadable("document.syntax", "the document is empty")
    return composer.value, composer.problems


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _reason(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem or error.context}"
    reason = getattr(error, "reason", None)
    return f"the document contains a character that YAML does not allow: {reason}" if reason else "this is not YAML"
