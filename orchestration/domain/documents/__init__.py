"""Documents at the door: JSON and YAML texts, read strictly, with all that is wrong told at once and where.

Texts come from anywhere. They are measured before they are read, and reading stops at what is too deep or too many.
"""

from __future__ import annotations

from typing import Any

from ..errors import DocumentInvalid, Problem
from ..limits import LIMITS, Limits
from .checking import MAX_PROBLEMS, check_value
from .json_text import NoJson, decode_text, read_json_text, unreadable
from .merging import merged
from .paths import join_path, path_from
from .yaml_text import read_yaml_text

__all__ = [
    "MAX_PROBLEMS",
    "check_value",
    "join_path",
    "merged",
    "parse_document",
    "parse_json",
    "path_from",
    "read_document",
    "unreadable",
]


def parse_document(text: str | bytes, *, limits: Limits = LIMITS) -> Any:
    """Return the value of a YAML or JSON document of at most `definition_bytes`.

    Raise DocumentUnreadable for a text that is neither, too large or too deep; DocumentInvalid, with all problems, for
    one with keys given twice, numbers that JSON does not have, anchors, aliases or tags.
    """
    value, problems = read_document(text, limits=limits)
    if problems:
        raise DocumentInvalid(_summary(problems), problems)
    return value


def parse_json(text: str | bytes, *, limits: Limits = LIMITS) -> Any:
    """Return the value of a JSON text of at most twice `payload_bytes`; errors as in `parse_document`."""
    text = decode_text(text, 2 * limits.payload_bytes)
    try:
        value, problems = read_json_text(text, limits=limits, nodes=2 * limits.payload_bytes)
    except NoJson as error:
        raise unreadable("document.syntax", f"this is not JSON: {error}") from None
    if problems:
        raise DocumentInvalid(_summary(problems), problems)
    return value


def read_document(text: str | bytes, *, limits: Limits = LIMITS) -> tuple[Any, list[Problem]]:
    """Return the value of a YAML or JSON document beside what is wrong with it. Raise DocumentUnreadable."""
    text = decode_text(text, limits.definition_bytes)
    reason = None
    if text.lstrip()[:1] in ("{", "["):
        try:
            return read_json_text(text, limits=limits, nodes=limits.document_nodes)
        except NoJson as error:
            reason = str(error)
    try:
        return read_yaml_text(text, limits=limits, nodes=limits.document_nodes)
    except DocumentInvalid as error:
        if reason is not None and error.problems[0].code == "document.syntax":
            raise unreadable("document.syntax", f"{error.problems[0].message} (as JSON: {reason})") from None
        raise


def _summary(problems: list[Problem]) -> str:
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{first.path}: {first.message}{more}" if first.path else f"{first.message}{more}"
