"""Texts at the door: strict JSON and YAML, every problem at its path, nothing that takes long or crashes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.documents import check_value, parse_document, parse_json, read_document
from orchestration.domain.errors import DocumentInvalid, DocumentUnreadable
from orchestration.domain.limits import Limits


def problems_of(text: str | bytes, read: Any = parse_document) -> list[tuple[str, str]]:
    with pytest.raises(DocumentInvalid) as refusal:
        read(text)
    return [(problem.path, problem.code) for problem in refusal.value.problems]


def test_it_reads_yaml_by_the_core_schema() -> None:
    text = """
        words: [on, off, yes, no, y, N, 2001-01-01, 12:30:45, 1_000, 0b1, "1", '~', =]
        nothing: [~, null, Null, NULL, ]
        empty:
        truth: [true, True, FALSE]
        whole: [7, -7, +7, 007, 0x1F, 0o17]
        real: [.5, 1., 1e3, -1.5E-3]
    """
    assert parse_document(text) == {
        "words": ["on", "off", "yes", "no", "y", "N", "2001-01-01", "12:30:45", "1_000", "0b1", "1", "~", "="],
        "nothing": [None] * 4,
        "empty": None,
        "truth": [True, True, False],
        "whole": [7, -7, 7, 7, 31, 15],
        "real": [0.5, 1.0, 1000.0, -0.0015],
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.0, null, "é"]}', {"a": [1, 2.0, None, "é"]}),
        ('\ufeff{"a": 1}', {"a": 1}),
        (b'{"a": "\xc3\xa9"}', {"a": "é"}),
        ("{id: a, steps: []}", {"id": "a", "steps": []}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("%YAML 1.2\n---\na: 1", {"a": 1}),
        ("just a text", "just a text"),
    ],
)
def test_it_reads_json_and_yaml_alike(text: str | bytes, value: Any) -> None:
    assert parse_document(text) == value


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a: 1\nb: {c: 1, c: 2}\na: 3", [("b.c", "document.duplicate_key"), ("a", "document.duplicate_key")]),
        ('{"b": [{"c": 1, "c": 2}]}', [("b[0].c", "document.duplicate_key")]),
        ('{"b": 1, "b": 2, "b": 3}', [("b", "document.duplicate_key")]),
        ("a: [.nan, {b: -.inf}]", [("a[0]", "document.not_finite"), ("a[1].b", "document.not_finite")]),
        ('{"a": NaN, "b": 1e999}', [("a", "document.not_finite"), ("b", "document.not_finite")]),
        ('{"a": 9007199254740992, "b": 123456789012345678901234567890}', [("a", "value.range"), ("b", "value.range")]),
        ("- 9007199254740991\n- -9007199254740992", [("[1]", "value.range")]),
        ("- 0xFFFFFFFFFFFFFFFFFFFF", [("[0]", "value.range")]),
        ('{"a": "\\ud800"}', [("a", "text.format")]),
        ('{"a": "x\\u0000"}', [("a", "text.format")]),
        ('a: "\\0"', [("a", "text.format")]),
        ("a: &x 1\nb: *x", [("a", "yaml.alias"), ("b", "yaml.alias")]),
        ("a: !!str 1\nb: !x {c: 1}", [("a", "yaml.tag"), ("b", "yaml.tag")]),
        ("<<: {a: 1}", [("<<", "yaml.alias")]),
        ("1: a\nnull: b\ntrue: c", [("1", "value.type"), ("null", "value.type"), ("true", "value.type")]),
    ],
)  # fmt: skip
def test_it_tells_all_that_json_does_not_have_with_its_place(text: str, problems: list[tuple[str, str]]) -> None:
    assert sorted(problems_of(text)) == sorted(problems)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "document.syntax"),
        ("# nothing", "document.syntax"),
        ("a: b: c", "document.syntax"),
        ('{"a": 1}x', "document.syntax"),
        ('{"id": tru', "document.syntax"),
        ("a: \x07", "document.syntax"),
        (b"\xff\xfe", "document.syntax"),
        ("? [a]\n: b", "document.syntax"),
        ("--- a\n--- b", "yaml.multi"),
        ("*a : b", "yaml.alias"),
        ("[" * 100_000, "document.too_deep"),
        ('{"a":' * 40_000, "document.too_deep"),
        ("- " * 100_000, "document.too_deep"),
        ("[" * 65 + "]" * 65, "document.too_deep"),
        ("x" * 300_000, "document.too_large"),
        ("é" * 140_000, "document.too_large"),
        ("[" + "a," * 60_000 + "]", "document.too_large"),
        ("[" + "1," * 60_000 + "1]", "document.too_large"),
        ("{" + ",".join(f'"k{n}":1' for n in range(600_000)) + "}", "document.too_large"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_it_refuses_what_it_cannot_read(text: str | bytes, code: str) -> None:
    with pytest.raises(DocumentUnreadable) as refusal:
        parse_document(text)
    assert [problem.code for problem in refusal.value.problems] == [code]


def test_it_names_the_place_of_what_lies_too_deep_in_json_and_yaml_alike() -> None:
    shallow = Limits(document_depth=3)
    for text in ('{"a": [1, {"b": [2]}]}', "a:\n- 1\n- b: [2]\n"):
        with pytest.raises(DocumentUnreadable) as refusal:
            parse_document(text, limits=shallow)
        assert refusal.value.problems[0].path == "a[1].b"
    with pytest.raises(DocumentUnreadable) as refusal:
        parse_json('{"x": [1, "[", {"a\\"": ' + "[" * 100_000)
    assert refusal.value.problems[0].path == 'x[2].a\\"' + "[0]" * 61


def test_it_lets_an_alias_bomb_go_without_unfolding_it() -> None:
    lines = ["a: &a [x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    assert {code for _, code in problems_of("\n".join(lines))} == {"yaml.alias"}


def test_it_tells_no_more_problems_than_anybody_reads() -> None:
    assert len(problems_of("[" + "NaN," * 30_000 + "1]")) == 1000
    assert len(problems_of("- .nan\n" * 30_000)) == 1000


def test_it_cuts_very_long_keys_in_paths() -> None:
    path, _ = problems_of(json.dumps({"k" * 5000: [float("nan")]}))[0]
    assert len(path) < 120


def test_it_reads_json_only_where_json_is_asked_for() -> None:
    assert parse_json(b'{"a": [1]}') == {"a": [1]}
    assert problems_of("a: 1", parse_json) == [("", "document.syntax")]
    assert problems_of('{"a": 1, "a": 2}', parse_json) == [("a", "document.duplicate_key")]
    assert problems_of('["' + "x" * 3_000_000 + '"]', parse_json) == [("", "document.too_large")]
    assert problems_of("[" * 100_000, parse_json)[0][1] == "document.too_deep"


def test_it_hands_out_the_value_beside_its_problems() -> None:
    value, problems = read_document("a: [1, .inf]\nb: x")
    assert value["b"] == "x"
    assert [problem.path for problem in problems] == ["a[1]"]


def test_it_checks_values_that_were_never_text() -> None:
    looped: list[Any] = []
    looped.append(looped)
    value = {"a": (1,), "b": {1: 2}, "c": [float("inf"), "\ud800", 2**60], "d": {"e": object()}, "\0": 1}
    assert {(problem.path, problem.code) for problem in check_value(value, "output")} == {
        ("output.a", "value.type"),
        ("output.b.1", "value.type"),
        ("output.c[0]", "document.not_finite"),
        ("output.c[1]", "text.format"),
        ("output.c[2]", "value.range"),
        ("output.d.e", "value.type"),
        ("output.\0", "text.format"),
    }
    assert [problem.code for problem in check_value(looped)] == ["document.too_deep"]
    assert [problem.code for problem in check_value(float("nan"), "x")] == ["document.not_finite"]
    assert check_value({"a": [1, "é", None, True, 0.5]}) == []


def test_it_gives_up_on_values_that_share_their_way_to_enormous_size() -> None:
    bomb: list[Any] = [1] * 10
    for _ in range(20):
        bomb = [bomb] * 10
    assert [problem.code for problem in check_value(bomb)] == ["document.too_large"]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
yamlish = st.text("{}[]:,-&*!#|>'\"%@` \n\tab01.~?<", max_size=60)


@given(json_values)
def test_it_reads_back_all_of_json(value: Any) -> None:
    text = json.dumps(value)
    assert parse_json(text) == value
    assert parse_document(json.dumps({"v": value})) == {"v": value}
    assert check_value(value) == []


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), yamlish, st.binary(max_size=40)))
def test_it_never_fails_in_any_other_way(text: str | bytes) -> None:
    for read in (parse_document, parse_json):
        try:
            value = read(text)
        except DocumentInvalid:
            continue
        assert check_value(value) == []
