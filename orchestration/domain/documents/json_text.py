"""JSON texts, read strictly: what the standard parser lets pass (NaN, keys given twice, half characters) is told."""

from __future__ import annotations

import json
import re
from typing import Any

from ..errors import DocumentUnreadable, Problem
from ..limits import Limits
from .checking import TooDeep, TooMany, find_problems, too_deep
from .paths import join_path

_LONG_NUMBER = re.compile(r"[0-9]{18}")
_UNSAFE = 10**18
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)


def unreadable(code: str, message: str, path: str = "") -> DocumentUnreadable:
    """Return the error of a text that cannot be read at all."""
    return DocumentUnreadable(f"{path}: {message}" if path else message, [Problem(path, code, message)])


def decode_text(text: str | bytes, longest: int) -> str:
    """Return the text, which may be UTF-8 with a byte order mark. Raise DocumentUnreadable beyond `longest` bytes."""
    size = len(text)
    if size > longest or (
        isinstance(text, str) and not text.isascii() and len(text.encode(errors="replace")) > longest
    ):
        raise unreadable("document.too_large", f"the document is larger than {longest} bytes")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise unreadable("document.syntax", f"the document is not UTF-8: byte {error.start}") from None
    return text.removeprefix("\ufeff")


class NoJson(Exception):
    """The text is not JSON; it might be YAML."""


def read_json_text(text: str, *, limits: Limits, nodes: int) -> tuple[Any, list[Problem]]:
    """Return the value of a JSON text and its problems. Raise NoJson, or DocumentUnreadable: too deep, too large."""
    duplicates: dict[int, tuple[dict[str, Any], list[str]]] = {}

    def pairs_hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            duplicates[id(found)] = found, _twice(pairs)
        return found

    try:
        value = json.loads(
            text, object_pairs_hook=pairs_hook, parse_int=_parse_int if _LONG_NUMBER.search(text) else None
        )
        problems = find_problems(value, depth=limits.document_depth, nodes=nodes, duplicates=duplicates)
    except ValueError as error:
        raise NoJson(str(error)) from None
    except RecursionError:
        raise _as_unreadable(_deepest_path(text, limits.document_depth), limits) from None
    except TooDeep as error:
        raise _as_unreadable(error.path, limits) from None
    except TooMany:
        raise unreadable("document.too_large", f"the document has more than {nodes} values") from None
    return value, problems


def _twice(pairs: list[tuple[str, Any]]) -> list[str]:
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for key, _ in pairs:
        if key in seen:
            twice[key] = None
        seen.add(key)
    return list(twice)


def _parse_int(digits: str) -> int:
    return int(digits) if len(digits) < 18 else _UNSAFE


def _as_unreadable(path: str, limits: Limits) -> DocumentUnreadable:
    problem = too_deep(path, limits)
    return unreadable(problem.code, problem.message, problem.path)


def _deepest_path(text: str, depth: int) -> str:
    """Return the path of the first container that lies below `depth` others."""
    keys: list[str | int] = []
    last_text = ""
    for match in _TOKEN.finditer(text):
        sign = match.group()
        if sign in "[{":
            if len(keys) >= depth:
                break
            if keys and isinstance(keys[-1], str):
                keys[-1] = last_text
            keys.append(0 if sign == "[" else "")
        elif sign in "]}":
            if keys:
                keys.pop()
        elif sign == ",":
            if keys and isinstance(keys[-1], int):
                keys[-1] += 1
        else:
            last_text = sign[1:-1]
    if keys and isinstance(keys[-1], str):
        keys[-1] = last_text
    path = ""
    for key in keys:
        path = join_path(path, key)
    return path
