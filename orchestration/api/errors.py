"""The one map from what went wrong to a status and a problem document (RFC 9457).

Every refusal is `application/problem+json` with `type`, `title`, `status`, `code` and `detail`; where something in the
request is to blame `path` names it, and `errors` lists all that is. Nothing else in the project knows a status.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response

from orchestration.domain import errors as domain
from orchestration.domain.errors import Problem
from orchestration.registry.queries import IndexGone

logger = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
WHOLE = "$"
DETAIL_LENGTH = 1_000
ERRORS_SHOWN = 1_000

# A class stands for those below it; the nearest one named here decides.
STATUSES: Mapping[type[Exception], HTTPStatus] = {
    domain.NotFound: HTTPStatus.NOT_FOUND,
    domain.Refused: HTTPStatus.CONFLICT,
    domain.Conflict: HTTPStatus.CONFLICT,
    domain.Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    domain.DocumentUnreadable: HTTPStatus.BAD_REQUEST,
    domain.DocumentInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    domain.ExpressionError: HTTPStatus.UNPROCESSABLE_ENTITY,
    domain.LimitExceeded: HTTPStatus.UNPROCESSABLE_ENTITY,
    IndexGone: HTTPStatus.GONE,
    OperationalError: HTTPStatus.SERVICE_UNAVAILABLE,
    InterfaceError: HTTPStatus.SERVICE_UNAVAILABLE,
}
# Codes that say more than their class.
STATUSES_OF_CODES: Mapping[str, HTTPStatus] = {
    "idempotency.mismatch": HTTPStatus.UNPROCESSABLE_ENTITY,
    "document.too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "document.duplicate_key": HTTPStatus.BAD_REQUEST,
    "document.not_finite": HTTPStatus.BAD_REQUEST,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
TITLES = {
    HTTPStatus.UNPROCESSABLE_ENTITY: "Unprocessable Content",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content Too Large",
}
CODES_OF_FRAMEWORK = {
    "not_authenticated": "unauthenticated",
    "authentication_failed": "unauthenticated",
    "permission_denied": "denied",
    "method_not_allowed": "method.not_allowed",
    "unsupported_media_type": "type.unsupported",
    "throttled": "rate.limited",
    "parse_error": "request.malformed",
}
# What a refusal may tell besides: the state of the thing and what would be allowed in it.
TOLD: Mapping[type[Exception], tuple[str, ...]] = {
    domain.Refused: ("state", "allowed"),
    domain.LimitExceeded: ("limit",),
    domain.Overloaded: ("limit",),
    IndexGone: ("latest", "oldest"),
}
UNAVAILABLE_SECONDS = 1


class RequestRefused(Exception):
    """A request that is wrong in itself, before any operation is asked: its status and all that is wrong with it."""

    def __init__(self, status: HTTPStatus, *problems: Problem) -> None:
        super().__init__(problems[0].message)
        self.status = status
        self.problems = problems


def bad_request(path: str, code: str, message: str) -> RequestRefused:
    """Return the refusal (400) of what cannot be read."""
    return RequestRefused(HTTPStatus.BAD_REQUEST, Problem(path, code, message))


def unprocessable(path: str, code: str, message: str) -> RequestRefused:
    """Return the refusal (422) of what can be read and is not allowed."""
    return RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, Problem(path, code, message))


def answer_for(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the problem document for any error that a view raised; what nobody expected is logged and says nothing."""
    if isinstance(error, RequestRefused):
        return problem(error.status, problems=error.problems)
    if isinstance(error, domain.OrchestrationError) and _status(error) is not None:
        return _of_platform(error)
    if isinstance(error, DatabaseError | InterfaceError) and _status(error) is not None:
        return _of_database(error)
    known = _of_framework(error)
    return known if known is not None else _unexpected(error, context)


def problem(
    status: HTTPStatus,
    *,
    code: str = "",
    detail: str = "",
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
    **told: Any,
) -> Response:
    """Return a problem document. Without `code` and `detail` they are those of the first of `problems`."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES.get(status, status.phrase),
        "status": status.value,
        "code": code or problems[0].code,
        "detail": _plain(detail or problems[0].message),
    }
    if problems:
        body["path"] = _plain(problems[0].path) or WHOLE
        body["errors"] = [
            {"path": _plain(each.path) or WHOLE, "code": each.code, "message": _plain(each.message)}
            for each in problems[:ERRORS_SHOWN]
        ]
    body.update(told)
    return Response(body, status=status, content_type=PROBLEM_JSON, headers=dict(headers or {}))


def _plain(text: str) -> str:
    """Return a text that may hold parts of a request so that it can be sent: no half characters, and not too long."""
    return text[:DETAIL_LENGTH].encode(errors="backslashreplace").decode()


def _status(error: Exception) -> HTTPStatus | None:
    return next((STATUSES[each] for each in type(error).__mro__ if each in STATUSES), None)


def _of_platform(error: domain.OrchestrationError) -> Response:
    status = STATUSES_OF_CODES.get(error.code) or _status(error) or HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, domain.NotFound):
        return not_found()
    if isinstance(error, domain.DocumentInvalid) and error.problems:
        return _of_document(error, status)
    if isinstance(error, domain.LimitExceeded):
        problems = [Problem(str(error.details.get("path", "")), error.code, error.message)]
        return problem(status, problems=problems, **_told(error))
    headers = {}
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = str(max(1, math.ceil(float(error.details.get("retry_after", UNAVAILABLE_SECONDS)))))
    return problem(status, code=error.code, detail=error.message, headers=headers, **_told(error))


def _told(error: domain.OrchestrationError) -> dict[str, Any]:
    tells = next((TOLD[each] for each in type(error).__mro__ if each in TOLD), ())
    return {name: error.details[name] for name in tells if name in error.details}


def _of_document(error: domain.DocumentInvalid, status: HTTPStatus) -> Response:
    """Tell all problems: under the first one's code for a text that is wrong as such, else under the error's own."""
    if type(error) in {domain.DocumentInvalid, domain.DocumentUnreadable}:
        return problem(STATUSES_OF_CODES.get(error.problems[0].code, status), problems=error.problems)
    return problem(status, code=error.code, detail=error.message, problems=error.problems)


def not_found() -> Response:
    """Return the answer for what is not there and for what is another team's: always the same."""
    return problem(HTTPStatus.NOT_FOUND, code="not_found", detail="There is nothing here for you.")


def _of_database(error: Exception) -> Response:
    logger.warning("the database did not answer: %s", type(error).__name__, exc_info=error)
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        code="unavailable",
        detail="The database does not answer just now; nothing was changed that was not acknowledged.",
        headers={"Retry-After": str(UNAVAILABLE_SECONDS)},
    )


def _of_framework(error: Exception) -> Response | None:
    match error:
        case Http404():
            return not_found()
        case RequestDataTooBig():
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, code="body.too_large", detail="The body is too large.")
        case SuspiciousOperation() | UnreadablePostError():
            return problem(HTTPStatus.BAD_REQUEST, code="request.malformed", detail="The request cannot be read.")
        case PermissionDenied():
            return problem(HTTPStatus.FORBIDDEN, code="denied", detail="This is not yours to do.")
        case exceptions.APIException():
            return _of_rest_framework(error)
    return None


def _of_rest_framework(error: exceptions.APIException) -> Response:
    headers: dict[str, str] = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, round(wait)))
    code = error.get_codes()
    named = code if isinstance(code, str) else error.default_code
    named = CODES_OF_FRAMEWORK.get(named, named)
    return problem(HTTPStatus(error.status_code), code=named, detail=str(error.detail), headers=headers)


def _unexpected(error: Exception, context: Mapping[str, Any]) -> Response:
    if (request := context.get("request")) is not None:
        got_request_exception.send(sender=None, request=request._request)
    logger.error("a request failed by our own fault: %s", type(error).__name__, exc_info=error)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, code="internal", detail="Something went wrong on our side; it was recorded."
    )
