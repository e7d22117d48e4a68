"""The one map from what went wrong to a status."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions
from rest_framework.request import Request

from orchestration.api.errors import ERRORS_SHOWN, answer_for, bad_request, unprocessable
from orchestration.api.operation import JsonRenderer
from orchestration.domain import errors as domain
from orchestration.domain.errors import Problem


def body(error: Exception) -> tuple[int, dict]:
    answer = answer_for(error, {})
    assert answer.content_type == "application/problem+json"
    return answer.status_code, json.loads(JsonRenderer().render(answer.data))


PROBLEMS = [Problem("steps[0].x", "key.unknown", "no such key"), Problem("", "value.type", "an object")]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (domain.NotFound("execution 7 of team 3"), 404, "not_found"),
        (domain.Refused("it is over", state="completed", allowed=[]), 409, "refused"),
        (domain.Conflict("taken"), 409, "conflict"),
        (domain.Overloaded("later"), 429, "overloaded"),
        (domain.DocumentUnreadable("x", [Problem("", "document.syntax", "x")]), 400, "document.syntax"),
        (domain.DocumentUnreadable("x", [Problem("", "document.too_large", "x")]), 413, "document.too_large"),
        (domain.DocumentInvalid("x", [Problem("a", "value.range", "x")]), 422, "value.range"),
        (domain.DocumentInvalid("x", [Problem("a", "document.not_finite", "x")]), 400, "document.not_finite"),
        (domain.DefinitionInvalid("x", PROBLEMS), 422, "definition_invalid"),
        (domain.InputInvalid("x", PROBLEMS), 422, "invalid_input"),
        (domain.ExpressionError("x"), 422, "expression_error"),
        (domain.LimitExceeded("x", limit="steps"), 422, "limit_exceeded"),
        (bad_request("cursor", "cursor.invalid", "x"), 400, "cursor.invalid"),
        (unprocessable("limit", "value.range", "x"), 422, "value.range"),
        (exceptions.NotAuthenticated(), 401, "unauthenticated"),
        (exceptions.MethodNotAllowed("FOO"), 405, "method.not_allowed"),
        (exceptions.Throttled(3), 429, "rate.limited"),
        (exceptions.UnsupportedMediaType("x"), 415, "type.unsupported"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "denied"),
        (RequestDataTooBig(), 413, "body.too_large"),
        (SuspiciousOperation("x"), 400, "request.malformed"),
        (OperationalError("database is locked"), 503, "unavailable"),
        (InterfaceError("connection already closed"), 503, "unavailable"),
    ],
)
def test_it_gives_every_error_its_status_and_code(error: Exception, status: int, code: str):
    answered, document = body(error)

    assert (answered, document["status"], document["code"]) == (status, status, code)


def test_it_tells_all_problems_with_their_places():
    _, document = body(domain.DefinitionInvalid("2 problems", PROBLEMS))

    assert document["path"] == "steps[0].x"
    assert document["errors"] == [
        {"path": "steps[0].x", "code": "key.unknown", "message": "no such key"},
        {"path": "$", "code": "value.type", "message": "an object"},
    ]


def test_it_tells_no_more_problems_than_the_limit():
    many = [Problem(f"steps[{at}]", "x", "x") for at in range(ERRORS_SHOWN + 1)]

    assert len(body(domain.DefinitionInvalid("many", many))[1]["errors"]) == ERRORS_SHOWN


def test_it_says_the_same_of_everything_that_is_not_there():
    assert body(domain.NotFound("execution 7 of team 3")) == body(Http404("workflow x"))


def test_it_tells_the_state_and_what_would_be_allowed():
    _, document = body(domain.Refused("paused already", state="paused", allowed=["resume"], secret="x"))

    assert (document["state"], document["allowed"]) == ("paused", ["resume"])
    assert "secret" not in document


@pytest.mark.parametrize("error", [domain.Overloaded("x", retry_after=2.4), exceptions.Throttled(2.4)])
def test_it_says_when_to_come_again(error: Exception):
    assert answer_for(error, {}).headers["Retry-After"] in {"2", "3"}


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("password=canary"),
        domain.InvariantViolated("canary"),
        domain.IllegalTransition("canary"),
        domain.OrchestrationError("canary"),
    ],
)
def test_it_says_nothing_of_our_own_faults_and_reports_them(error: Exception):
    heard = []

    def hear(**kwargs: object) -> None:
        heard.append(kwargs)

    got_request_exception.connect(hear)
    try:
        request = Request(RequestFactory().get("/"))
        answer = answer_for(error, {"request": request})
    finally:
        got_request_exception.disconnect(hear)

    assert (answer.status_code, answer.data["code"]) == (500, "internal")
    assert "canary" not in json.dumps(answer.data)
    assert len(heard) == 1
