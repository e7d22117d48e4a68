"""Templates: `${ }` in the texts of a value, evaluated openly or with the secrets left out."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.errors import ExpressionError
from orchestration.domain.templates import TemplateInvalid, compile_template, is_template, unseal

NAMES: dict[str, Any] = {
    "input": {"n": 7, "name": "Zoë", "list": [1, 2, 3], "nothing": None, "yes": True, "half": 2.5, "whole": 5.0},
    "vars": {"a": {"b": 1, "c": 2}, "big": "x" * 2_500_000},
    "secrets": {"key": "k-123"},
}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${input.list}", [1, 2, 3]),
        ("${input.nothing}", None),
        (" ${input.n}", " 7"),
        ("${input.n}${input.n}", "77"),
        ("n=${input.n} ${input.list} ${input.yes} ${input.nothing} ${input.name}", "n=7 [1,2,3] true null Zoë"),
        ("${input.half}/${input.whole}/${vars.a}", '2.5/5.0/{"b":1,"c":2}'),
        ("$${input.n} costs $5", "${input.n} costs $5"),
        ("$${a} ${input.n}", "${a} 7"),
        ("$$${input.n}", "$${input.n}"),
        ("$", "$"),
        ("$ {input.n} {}", "$ {input.n} {}"),
        ('${"}" + input.name}', "}Zoë"),
        ("${'{' + \"\\\"}\"}", '{"}'),
        ("${'''}''' + \"\"\"'}\"\"\"}", "}'}"),
        ('${r"\\d" + "}"}', "\\d}"),
        ('${ {"a": {"b": input.n}} }', {"a": {"b": 7}}),
        ("${input.n // } a comment\n}", 7),
        ('${"//" + "}"}', "//}"),
        ({"a": ["${input.n + 1}", {"b": "x"}], "${input.n}": 1}, {"a": [8, {"b": "x"}], "${input.n}": 1}),
        ('${timestamp("2030-01-01T00:00:00.5Z")}', "2030-01-01T00:00:00.5Z"),
        ('in ${duration("90s")}', "in 1m30s"),
        ('${[duration("90ms"), {"at": timestamp("2030-01-01T00:00:00Z")}]}', ["90ms", {"at": "2030-01-01T00:00:00Z"}]),
        (5, 5),
        ([], []),
        ("", ""),
    ],
)  # fmt: skip
def test_it_comes_to_its_value(template: Any, value: Any) -> None:
    result = compile_template(template).evaluate(NAMES)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    "text",
    ["${", "text ${vars.a", '${"}', "${'}", '${"a\\"}', '${"""}', "${ {", "${ // }", "a ${vars.a} ${", "${}", "${ }"],
)
def test_it_refuses_what_is_not_closed_or_empty(text: str) -> None:
    with pytest.raises(TemplateInvalid) as refusal:
        compile_template({"k": [text]}, path="steps[0].input")
    assert [(problem.path, problem.code) for problem in refusal.value.problems] == [
        ("steps[0].input.k[0]", "expression.invalid")
    ]


def test_it_tells_all_problems_at_once() -> None:
    value = {"ok": "${vars.a}", "a": "${vars.}", "l": [1, "${nope}", "${input.x} ${steps.ghost}"]}
    with pytest.raises(TemplateInvalid) as refusal:
        compile_template(value, names=frozenset({"vars", "input", "steps"}), step_ids=frozenset({"pay"}))
    assert [(problem.path, problem.code) for problem in refusal.value.problems] == [
        ("a", "expression.invalid"),
        ("l[1]", "expression.unknown_name"),
        ("l[2]", "expression.unknown_name"),
    ]


def test_it_knows_whether_it_is_constant_and_what_it_reads() -> None:
    template = compile_template({"a": "${vars.a.b}", "b": ["${vars.a.c} ${input.n}", 1]})
    assert (template.constant, template.sealed) == (False, False)
    assert template.reads == {"vars": {"a": {"b": None, "c": None}}, "input": {"n": None}}
    assert compile_template({"a": ["$${x}"]}).constant


def test_it_keeps_the_order_of_keys() -> None:
    template = compile_template({"b": "${input.n}", "a": 1, "c": "${input.n}"})
    assert list(template.evaluate(NAMES)) == ["b", "a", "c"]


@pytest.mark.parametrize("template", ["${input.absent}", "a ${input.absent}", {"a": ["${1 / 0}"]}])
def test_it_fails_with_the_text_of_the_expression(template: Any) -> None:
    with pytest.raises(ExpressionError):
        compile_template(template).evaluate(NAMES)


def test_it_refuses_values_that_grow_too_large() -> None:
    for template in (
        "${vars.big}${vars.big}",
        {"a": "${vars.big}", "b": "${vars.big}"},
        ["${vars.big}", ["${vars.big}"]],
        {f"k{n}": f"{n} ${{vars.big}}" for n in range(2000)},
    ):
        with pytest.raises(ExpressionError) as failure:
            compile_template(template).evaluate(NAMES)
        assert failure.value.details["limit"] == "payload_bytes"


def test_it_leaves_what_mentions_secrets_as_it_is_written() -> None:
    value = {"key": "${secrets.key}", "a/b": ["Bearer ${secrets.key} for ${vars.a.b}", "${vars.a}"], "plain": "$${x}"}
    template = compile_template(value)
    sealed, bindings = template.evaluate_sealed(NAMES)
    assert template.sealed
    assert sealed == {"key": value["key"], "a/b": [value["a/b"][0], {"b": 1, "c": 2}], "plain": "${x}"}
    assert bindings == {"/key": {}, "/a~1b/0": {"vars": {"a": {"b": 1}}}}
    assert "k-123" not in repr((sealed, bindings))
    before = repr(sealed)
    assert unseal(sealed, bindings, {"key": "k-123"}) == template.evaluate(NAMES)
    assert unseal(sealed, bindings, {"key": "new"})["key"] == "new"
    assert repr(sealed) == before


def test_it_seals_a_lone_text_too() -> None:
    sealed, bindings = compile_template("${secrets.key}").evaluate_sealed(NAMES)
    assert (sealed, bindings) == ("${secrets.key}", {"": {}})
    assert unseal(sealed, bindings, {"key": "k"}) == "k"


def test_it_has_nothing_to_unseal_without_secrets() -> None:
    sealed, bindings = compile_template({"n": "${input.n}"}).evaluate_sealed(NAMES)
    assert (sealed, bindings) == ({"n": 7}, {})
    assert unseal(sealed, bindings, {}) == {"n": 7}


def test_it_knows_a_text_that_is_one_template() -> None:
    assert [is_template(text) for text in ("${a}", "${a} ", "x${a}", "${a}${b}", "a", "$${a}")] == [True] + [False] * 5


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_it_takes_every_text_literally_that_is_escaped(text: str) -> None:
    if "${" not in text.replace("$${", ""):
        return
    escaped = text.replace("${", "$${")
    assert compile_template(escaped).evaluate({}) == text


@given(st.text("${}\"'\\/ab\n", max_size=30))
def test_it_is_invalid_or_has_a_value_or_an_error(text: str) -> None:
    try:
        template = compile_template(text)
    except TemplateInvalid:
        return
    with suppress(ExpressionError):
        template.evaluate(NAMES)
