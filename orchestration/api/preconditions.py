"""Changes that hold only for one version of a thing: `If-Match`, with what `ETag` said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from orchestration.domain.errors import Conflict, Problem

from .errors import RequestRefused, bad_request

IF_MATCH = "If-Match"
IF_MATCH_HEADER = OpenApiParameter(
    IF_MATCH,
    {"type": "string", "example": '"3"'},
    OpenApiParameter.HEADER,
    description="Only if it is of this version, as `ETag` said it.",
)
VERSION_TAG = re.compile(r'"([0-9]{1,9})"')


def tagged(version: int) -> dict[str, str]:
    """Return the header that tells a thing's version."""
    return {"ETag": f'"{version}"'}


def version_asked(request: Request) -> int | None:
    """Return the version that `If-Match` names, None for any. Raise RequestRefused for what is no version."""
    header = request.META.get("HTTP_IF_MATCH")
    if header is None or header.strip() == "*":
        return None
    match = VERSION_TAG.fullmatch(header.strip())
    if match is None:
        raise bad_request(IF_MATCH, "header.invalid", 'If-Match is a version in quotes, as ETag gave it: "3".')
    return int(match[1])


@contextmanager
def precondition(asked: int | None, stale: type[Conflict]) -> Iterator[None]:
    """Refuse (412) what turns out `stale` where `If-Match` asked for a version; elsewhere it stays a conflict."""
    try:
        yield
    except stale as error:
        if asked is None:
            raise
        raise RequestRefused(HTTPStatus.PRECONDITION_FAILED, Problem(IF_MATCH, error.code, error.message)) from None
