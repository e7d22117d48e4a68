"""Addresses and methods that are not there, and both spellings of those that are."""

from __future__ import annotations

import pytest

from tests.api.client import Caller


@pytest.mark.parametrize("path", ["services", "workflows", "executions"])
def test_it_works_with_and_without_a_slash(program: Caller, path: str):
    assert program.get(path).status == program.get(f"{path}/").status == 200


@pytest.mark.parametrize("path", ["", "nothing", "workflows/a/b/c", "executions//", "workflows//execute", "%00", "é"])
def test_it_finds_nothing_at_other_addresses(program: Caller, path: str):
    answer = program.get(path)

    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize(
    "identity",
    [
        "0",
        "1",
        "FFFFFFFF-FFFF-4FFF-8FFF-FFFFFFFFFFFF",
        "{ffffffff-ffff-4fff-8fff-ffffffffffff}",
        "urn:uuid:ffffffff-ffff-4fff-8fff-ffffffffffff",
        "ffffffffffff4fff8fffffffffffffff",
        "ffffffff-ffff-4fff-8fff-ffffffffffff%00",
        "ffffffff-ffff-4fff-8fff-ffffffffffff%0A",
        "ffffffff-ffff-4fff-8fff-ffffffffffff",
        "..",
        "%2e%2e",
        "a" * 5000,
        "' OR 1=1 --",
        "é",
    ],
)
@pytest.mark.parametrize("noun", ["executions", "services", "workflows"])
def test_it_finds_nothing_under_an_id_that_is_none(program: Caller, noun: str, identity: str):
    answer = program.get(f"{noun}/{identity}")

    assert (answer.status, answer.code) == (404, "not_found")
    assert answer.body == program.get("executions/00000000-0000-4000-8000-000000000000").body


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND", "FOO"])
def test_it_refuses_a_method_that_is_not_there(program: Caller, method: str):
    answer = program.ask(method, "workflows")

    assert (answer.status, answer.code) == (405, "method.not_allowed")
    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "POST"}


@pytest.mark.parametrize("header", ["X_HTTP_Method_Override", "X_HTTP_Method", "X_Method_Override"])
def test_it_takes_no_method_from_a_header(program: Caller, header: str):
    answer = program.get("workflows", **{header: "DELETE"})

    assert answer.status == 200


def test_it_answers_head_without_a_body(program: Caller):
    answer = program.ask("HEAD", "workflows")

    assert (answer.status, answer.body) == (200, None)


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "", "*/*", "garbage"])
def test_it_answers_in_json_whatever_is_asked_for(program: Caller, accept: str):
    assert program.get("workflows", Accept=accept).headers["Content-Type"] == "application/json"


def test_it_keeps_answers_out_of_caches(program: Caller):
    assert program.get("workflows").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["workflows", "services", "workflows/a", "executions/a", "executions/a/pause"])
def test_it_refuses_unknown_parameters_everywhere(program: Caller, path: str):
    method = "POST" if path.endswith("pause") else "GET"

    answer = program.ask(method, f"{path}?surprise=1")

    assert (answer.status, answer.code, answer.paths) == (400, "param.unknown", ["surprise"])
