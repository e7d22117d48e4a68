"""Bodies that are wrong in themselves: refused with a code and a place, quickly, and nothing is stored."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest

from tests.api.client import Caller
from tests.api.definitions import waiting_definition

START = "workflows/approval/execute"
DEEP = b'{"variables": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
WIDE = b'{"variables": {' + b",".join(b'"k%d":1' % number for number in range(500_000)) + b"}}"


@pytest.fixture(autouse=True)
def _nothing_is_stored(program: Caller):
    program.post("workflows", waiting_definition())
    yield
    assert program.get("executions").body["items"] == []
    assert len(program.get("workflows").body["items"]) == 1


@pytest.mark.parametrize("path", [START, "workflows"])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "document.empty"),
        (b"{", 400, "document.syntax"),
        (b"nonsense", 400, "document.syntax"),
        (b'{"a": 1,}', 400, "document.syntax"),
        (b"{'a': 1}", 400, "document.syntax"),
        (b'{"a": 01}', 400, "document.syntax"),
        (b'{"a": 1} {"b": 2}', 400, "document.syntax"),
        (b"\xff\xfe{\x00}\x00", 400, "document.syntax"),
        (b'{"a": "\xff"}', 400, "document.syntax"),
        (b'"x"', 422, None),
        (b"1", 422, None),
        (b"null", 422, None),
        (b"[]", 422, None),
        (b"true", 422, None),
    ],
)
def test_it_refuses_what_is_no_json_object(program: Caller, path: str, body: bytes, status: int, code: str | None):
    answer = program.post(path, body)

    assert answer.status == status
    assert code is None or answer.code == code
    assert answer.body["path"] == "$"


@pytest.mark.parametrize(
    ("text", "status", "code", "path"),
    [
        (b'{"variables": {"a": NaN}}', 400, "document.not_finite", "variables.a"),
        (b'{"variables": {"a": [1, Infinity]}}', 400, "document.not_finite", "variables.a[1]"),
        (b'{"variables": {"a": -Infinity}}', 400, "document.not_finite", "variables.a"),
        (b'{"variables": {"a": 1e999}}', 400, "document.not_finite", "variables.a"),
        (b'{"variables": {"a": 1, "a": 2}}', 400, "document.duplicate_key", "variables.a"),
        (b'{"variables": {}, "variables": {"a": 1}}', 400, "document.duplicate_key", "variables"),
        (b'{"variables": {"a": 1, "\\u0061": 2}}', 400, "document.duplicate_key", "variables.a"),
        (b'{"variables": {"a": 9007199254740993}}', 422, "value.range", "variables.a"),
        (b'{"variables": {"a": ' + b"9" * 5000 + b"}}", 422, "value.range", "variables.a"),
        (b'{"variables": {"a": "\\ud800"}}', 422, "text.format", "variables.a"),
        (b'{"variables": {"\\udfff": 1}}', 422, "text.format", None),
        (DEEP, 400, "document.too_deep", None),
        (WIDE, 413, "body.too_large", None),
    ],
)
def test_it_refuses_what_json_cannot_carry(
    program: Caller, text: bytes, status: int, code: str | None, path: str | None
):
    answer = program.post(START, text)

    assert answer.status == status
    assert code is None or answer.code == code
    assert path is None or answer.body["path"] == path
    assert answer.body["path"]


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        ({"variabels": {}}, "key.unknown", "variabels"),
        ({"variables": {}, "extra": 1}, "key.unknown", "extra"),
        ({"id": "x"}, "key.read_only", "id"),
        ({"team": 2}, "key.read_only", "team"),
        ({"status": "completed"}, "key.read_only", "status"),
        ({"variables": None}, "value.type", "variables"),
        ({"variables": []}, "value.type", "variables"),
        ({"variables": "a=1"}, "value.type", "variables"),
        ({"revision": "1"}, "value.type", "revision"),
        ({"revision": True}, "value.type", "revision"),
        ({"revision": 1.5}, "value.type", "revision"),
        ({"revision": 0}, "value.range", "revision"),
        ({"revision": 2**40}, "value.range", "revision"),
        ({"priority": 10}, "value.range", "priority"),
        ({"priority": -1}, "value.range", "priority"),
        ({"priority": 0.1 + 0.2}, "value.type", "priority"),
    ],
)
def test_it_refuses_fields_that_are_wrong(program: Caller, body: dict[str, Any], code: str, path: str):
    answer = program.post(START, body)

    assert (answer.status, answer.code, answer.paths) == (422, code, [path])


def test_it_reports_all_fields_at_once(program: Caller):
    answer = program.post(START, {"variables": 1, "priority": "high", "surprise": True})

    assert set(answer.paths) == {"variables", "priority", "surprise"}


def test_it_names_the_nearest_field(program: Caller):
    assert "`variables`" in program.post(START, {"variable": {}}).body["detail"]


@pytest.mark.parametrize(
    "type",
    [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/xml",
        "application/jsonp",
        "application/yaml",
        "garbage",
        "application/json; charset=utf-7",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
    ],
)
def test_it_refuses_other_types(program: Caller, type: str):
    answer = program.post(START, {}, type=type)

    assert answer.status == 415
    assert answer.paths == ["Content-Type"]


def test_it_refuses_a_body_without_a_type(program: Caller):
    answer = program.post(START, {}, Content_Type="")

    assert (answer.status, answer.code) == (415, "type.unsupported")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "x"])
def test_it_refuses_encoded_bodies(program: Caller, encoding: str):
    answer = program.post(START, gzip.compress(b"{}" + b" " * 1_000_000), Content_Encoding=encoding)

    assert (answer.status, answer.code) == (415, "encoding.unsupported")


def test_it_takes_identity_for_no_encoding(program: Caller):
    assert program.post("workflows", waiting_definition(), Content_Encoding="identity").status == 201


@pytest.mark.parametrize("path", [START, "workflows", "workflows/approval/validate", "services"])
def test_it_refuses_ten_megabytes_by_their_length(program: Caller, path: str):
    body = b'{"variables": {"a": "' + b"x" * 10_000_000 + b'"}}'

    began = time.perf_counter()
    answer = program.post(path, body)

    assert time.perf_counter() - began < 1
    assert (answer.status, answer.code) == (413, "body.too_large")


@pytest.mark.parametrize("length", ["10000000000", "99999999999999999"])
def test_it_refuses_a_length_without_reading(program: Caller, length: str):
    answer = program.post(START, b"{", Content_Length=length)

    assert (answer.status, answer.code) == (413, "body.too_large")


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "9" * 50])
def test_it_refuses_a_length_that_is_none(program: Caller, length: str):
    answer = program.post(START, b"{}", Content_Length=length)

    assert (answer.status, answer.code) == (400, "length.invalid")


def test_it_refuses_an_input_over_the_limit(program: Caller):
    answer = program.post(START, {"variables": {"a": "x" * 1_100_000}})

    assert answer.status in {413, 422}
    assert answer.body["path"]


ALIAS_BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (now, now, b",".join([b"*%c" % (now - 1)] * 9)) for now in range(ord("b"), ord("j"))
)


@pytest.mark.parametrize(
    "text",
    [
        ALIAS_BOMB,
        b"id: &a [*a]\nsteps: []",
        b"id: x\nsteps: !!python/object/apply:os.system ['true']",
        b"id: x\n---\nid: y",
        b"base: &b {a: 1}\nid: x\nsteps: [{<<: *b}]",
        b"[" * 50_000,
        b"a: " + b"{b: " * 5_000,
        b"\t- : :\n  -",
        b"id: x\nsteps: \x00",
        b"\xff\xfe",
        b"%YAML 1.1\n---\nid: on",
    ],
)
def test_it_refuses_what_yaml_should_not_do(program: Caller, text: bytes):
    began = time.perf_counter()
    answer = program.post("workflows", text, type="application/yaml")

    assert time.perf_counter() - began < 1
    assert answer.status in {400, 422}
    assert answer.code
    assert answer.body["path"]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (b"id: x\nid: y\nsteps: [{id: a, type: delay, duration: 1s}]", ["id"]),
        (b"id: x\nsteps: [{id: a, type: delay, duration: .nan}]", ["steps[0].duration"]),
        (b"id: x\nsteps: [{id: a, type: delay, duration: 1s, duration: 2s}]\nsurprise: 1", None),
    ],
)
def test_it_names_the_place_in_yaml(program: Caller, text: bytes, paths: list[str] | None):
    answer = program.post("workflows", text, type="application/yaml")

    assert answer.status in {400, 422}
    assert paths is None or answer.paths == paths


def test_it_echoes_little_of_what_was_sent(program: Caller):
    secret = "canary" * 1_000
    for body in ({secret: 1}, {"priority": secret}, {"revision": secret}):
        assert len(json.dumps(program.post(START, body).body)) < 2_000
