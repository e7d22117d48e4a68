"""How a request's body is read: its size first, then its encoding and type, then strictly (domain/documents.py).

A body that is too long is refused by its Content-Length before a byte is read; one that does not say how long it is
is read up to the limit and no further. An empty body needs no content type.
"""

from __future__ import annotations

from email.message import Message
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request

from orchestration.domain.documents import parse_json
from orchestration.domain.errors import DocumentInvalid, DocumentUnreadable, Problem

from .errors import RequestRefused, bad_request

JSON = "application/json"
YAML = "application/yaml"
YAML_TYPES = frozenset({YAML, "application/x-yaml", "text/yaml", "text/x-yaml"})
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
CONTENT_TYPE = "Content-Type"


def read_json(request: Request, *, limit: int, optional: bool = False) -> Any:
    """Return the JSON value that the body is, at most `limit` bytes; raise RequestRefused or DocumentUnreadable.

    With `optional` an empty body stands for an empty object.
    """
    body = read_bytes(request, limit=limit)
    if not body and optional:
        return {}
    if not body:
        raise bad_request("$", "document.empty", "The body is empty where a JSON object is due.")
    check_type(request, frozenset({JSON}))
    return parse_json(body)


def read_definition(request: Request, *, limit: int) -> bytes | None:
    """Return the text of a definition, JSON or YAML as its content type says; None for an empty body."""
    body = read_bytes(request, limit=limit)
    if not body:
        return None
    if check_type(request, YAML_TYPES | {JSON}) == JSON:
        _check_json(body)
    return body


def _check_json(body: bytes) -> None:
    """Raise DocumentUnreadable for what is not JSON. All else that is wrong is told with the definition's errors."""
    try:
        parse_json(body)
    except DocumentUnreadable:
        raise
    except DocumentInvalid:
        return


def read_bytes(request: Request, *, limit: int) -> bytes:
    """Return the body, at most `limit` bytes; raise RequestRefused for a longer or a compressed one."""
    plain: HttpRequest = request._request
    encoding = plain.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        message = f"A body is sent as it is, not encoded as {encoding[:40]!r}."
        raise RequestRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Problem("Content-Encoding", "encoding.unsupported", message)
        )
    length = _content_length(plain)
    if length is not None and length > limit:
        raise too_large(limit)
    body = plain.read(limit + 1 if length is None else length)
    if len(body) > limit:
        raise too_large(limit)
    return body


def check_type(request: Request, allowed: frozenset[str]) -> str:
    """Return the body's media type; raise RequestRefused (415) for one that is not allowed, or not in UTF-8."""
    header = Message()
    header[CONTENT_TYPE] = request.META.get("CONTENT_TYPE", "")
    kind = header.get_content_type() if request.META.get("CONTENT_TYPE") else ""
    charset = str(header.get_param("charset", "utf-8")).lower()
    if kind not in allowed:
        wanted = " or ".join(sorted(allowed & {JSON, YAML}))
        raise _unsupported("type.unsupported", f"The body's type is {kind[:60] or 'not given'}; it should be {wanted}.")
    if charset not in CHARSETS:
        raise _unsupported("charset.unsupported", f"The body's charset is {charset[:40]!r}; it should be utf-8.")
    return kind


def too_large(limit: int) -> RequestRefused:
    """Return the refusal of a body of more than `limit` bytes."""
    message = f"The body is larger than the {limit} bytes that are read here."
    return RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Problem("$", "body.too_large", message))


def _unsupported(code: str, message: str) -> RequestRefused:
    return RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Problem(CONTENT_TYPE, code, message))


def _content_length(request: HttpRequest) -> int | None:
    text = request.META.get("CONTENT_LENGTH")
    if text in {None, ""}:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise bad_request("Content-Length", "length.invalid", "Content-Length is a number of bytes.")
    return int(text)
