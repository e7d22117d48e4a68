"""Expressions: what they may say at their place, what they read, what they come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.errors import ExpressionError
from orchestration.domain.expressions import NAMES, ExpressionInvalid, compile_expression, project

CONTEXT = {
    "input": {"n": 7, "strange key": "odd", "users": [{"name": "ana"}, {"name": "ben"}]},
    "vars": {"a": {"b": 1}, "l": [3, 1, 2], "s": "Zoë", "none": None, "yes": True, "f": 0.5},
    "steps": {
        "pay": {"status": "completed", "output": {"id": "p-1"}},
        "bad-one": {"status": "failed", "error": {"code": "x"}},
    },
    "execution": {"id": "e", "started_at": "2030-01-01T00:00:00Z"},
}


def evaluate(source: str, names: Mapping[str, Any] = CONTEXT) -> Any:
    return compile_expression(source).evaluate(names)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("vars.a.b", 1),
        ('input["strange key"]', "odd"),
        ("input['n']", 7),
        (" vars . l [ 1 ] ", 1),
        ("input.users[1].name", "ben"),
        ('steps["pay"].output.id', "p-1"),
        ('steps["bad-one"].error.code', "x"),
        ("steps.pay.status", "completed"),
        ("has(vars.a.b)", True),
        ("has(vars.a.c)", False),
        ('has(steps["pay"].error)', False),
        ("vars.none", None),
        ("input.n > 5 && vars.yes", True),
        ('input.n > 5 ? "big" : "small"', "big"),
        ("vars.l.filter(i, i > 1).map(i, i * 10)", [30, 20]),
        ("vars.l.map(i, i > 1, i)", [3, 2]),
        ("vars.l.exists_one(x, x == 1)", True),
        ("input.users.map(u, u.name)", ["ana", "ben"]),
        ('{"a": {"b": input.n}}', {"a": {"b": 7}}),
        ("size(vars.s)", 3),
        ("vars.s.startsWith('Z') && vars.s.contains('o')", True),
        ('vars.s.matches("^Z.*$")', True),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("1.5 * 2.0", 3.0),
        ("vars.missing || true", True),
        ("false && vars.missing", False),
        ('"b" in vars.a', True),
        ("2 in vars.l", True),
        ("1 == 1.0", True),
        ("true == 1", False),
        ("1u + 2u", 3),
        ("string(1.5)", "1.5"),
        ("int('12')", 12),
        ("vars.`a`.b", 1),
        ("[1].map(vars, vars + 1)", [2]),
        ("[1].exists(vars, .vars.a.b == vars)", True),
        ("timestamp(execution.started_at).getFullYear()", 2030),
        ('duration("90s") == duration("1m30s")', True),
        ('timestamp(execution.started_at) + duration("90ms")', datetime(2030, 1, 1, 0, 0, 0, 90_000, tzinfo=UTC)),
        ('duration("90ms")', timedelta(milliseconds=90)),
        ('[duration("1s")]', [timedelta(seconds=1)]),
        ("r'\\d' == '\\\\d'", True),
    ],
)
def test_it_comes_to_what_cel_says(source: str, value: Any) -> None:
    result = evaluate(source)
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    "source",
    [
        "vars.missing",
        "vars.a.b.c",
        "vars.l.name",
        "vars.l[3]",
        "vars.s[0]",
        'vars["a"]["z"]',
        "item",
        "has(vars.z.z)",
        "has(vars.l.a)",
        '1 + "a"',
        "1 + 1.0",
        "vars.a.b && true",
        "vars.yes ? vars.nope : 1",
        "1 / 0",
        "9223372036854775807 + 1",
        "9007199254740991 + 1",
        "1.0 / 0.0",
        "[0.0 / 0.0]",
        "-vars.s",
        "!vars.l",
        "size(1)",
        "vars.l.map(x, x.y)",
        "vars.s.map(x, x)",
        "vars.l.filter(x, x)",
        "b'x'",
        "type(1)",
        "[type(1)]",
        "{1: 2}",
        '{"a": 1, "a": 2}',
        'timestamp("tomorrow")',
        'vars.s.matches("(")',
        "int(vars.s)",
        "1u + 1",
    ],
)
def test_it_fails_with_its_text_and_a_reason(source: str) -> None:
    with pytest.raises(ExpressionError) as failure:
        evaluate(source)
    assert failure.value.code == "expression_error"
    assert failure.value.details["expression"] == source
    assert source in failure.value.message


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", "expression.invalid"),
        ("  ", "expression.invalid"),
        ("vars.", "expression.invalid"),
        ("vars.a >", "expression.invalid"),
        ("vars.in", "expression.invalid"),
        ("vars[", "expression.invalid"),
        ("vars.?a", "expression.invalid"),
        ("a b", "expression.invalid"),
        ("(" * 40 + "1" + ")" * 40, "expression.invalid"),
        ("vars" + ".a" * 40, "expression.invalid"),
        ("1 +" * 2000 + "1", "expression.invalid"),
        ("nope", "expression.unknown_name"),
        ("nope.x", "expression.unknown_name"),
        ("now()", "expression.unknown_name"),
        ("random()", "expression.unknown_name"),
        ("vars.a.f()", "expression.unknown_name"),
        ('(1 + "a").foo()', "expression.unknown_name"),
        ('f(1 + "a")', "expression.unknown_name"),
        ("cel.bind(x, 1, x)", "expression.unknown_name"),
        ("vars.l.map(x, y)", "expression.unknown_name"),
        ("[1].map(x, x) == [x]", "expression.unknown_name"),
        ("Foo{a: 1}", "expression.unknown_name"),
    ],
)
def test_it_refuses_what_cannot_be_said(source: str, code: str) -> None:
    with pytest.raises(ExpressionInvalid) as refusal:
        compile_expression(source)
    assert refusal.value.code == code


def test_it_refuses_names_and_steps_that_are_not_there() -> None:
    names, ids = frozenset({"vars", "steps"}), frozenset({"pay", "bad-one"})
    for source in ("vars.x", "[1].map(item, item)", 'steps["pay"].x', "steps.pay", "steps[vars.x]", '"ghost" in steps'):
        compile_expression(source, names=names, step_ids=ids)
    for source in (
        "item",
        "vars.x + item.y",
        'steps["ghost"]',
        "has(steps.ghost)",
        'vars.x == 1 && steps["ghost"].output.y == 1',
        '[1].map(x, steps["ghost"].output)',
        "has(secrets.k)",
    ):
        with pytest.raises(ExpressionInvalid) as refusal:
            compile_expression(source, names=names, step_ids=ids)
        assert refusal.value.code == "expression.unknown_name"


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("vars.a.b + vars.a.c", {"vars": {"a": {"b": None, "c": None}}}),
        ("vars.a.b == vars.a", {"vars": {"a": None}}),
        ("vars.a == vars.a.b", {"vars": {"a": None}}),
        ('has(steps["x"].output.y) && vars["k"]', {"steps": {"x": {"output": {"y": None}}}, "vars": {"k": None}}),
        ("vars.l.map(x, x.y + input.z)", {"vars": {"l": None}, "input": {"z": None}}),
        ("vars.l[0].x", {"vars": {"l": None}}),
        ("vars[input.k]", {"vars": None, "input": {"k": None}}),
        ("has(vars.a).b", {"vars": {"a": None}}),
        ("[1].map(vars, vars)", {}),
        ("item + index", {"item": None, "index": None}),
        ("int(vars.a)", {"vars": {"a": None}}),
    ],
)
def test_it_knows_what_it_reads(source: str, reads: dict[str, Any]) -> None:
    assert compile_expression(source).reads == reads


def test_it_projects_what_is_read_and_nothing_else() -> None:
    reads = compile_expression('vars.a.b + steps["pay"].output.id + vars.z.z + vars.l.q + input.n.x').reads
    assert project(CONTEXT, reads) == {
        "vars": {"a": {"b": 1}, "l": []},
        "steps": {"pay": {"output": {"id": "p-1"}}},
        "input": {"n": 7},
    }


class _Lazy(Mapping[str, Any]):
    """Steps that note which of them was looked at."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getitem__(self, key: str) -> Any:
        self.asked.append(key)
        return {"status": "completed", "output": {"when": "2030-01-01T00:00:00Z"}}

    def __iter__(self) -> Iterator[str]:
        return iter(("a", "b"))

    def __len__(self) -> int:
        return 2


@pytest.mark.parametrize(
    "source", ['steps["a"].status', 'timestamp(steps["a"].output.when)', 'steps["a"].status == "x"']
)
def test_it_looks_only_at_the_steps_it_names(source: str) -> None:
    steps = _Lazy()
    evaluate(source, {"steps": steps})
    assert set(steps.asked) == {"a"}


def test_it_makes_plain_objects_of_all_the_steps() -> None:
    value = evaluate("steps", {"steps": _Lazy()})
    assert type(value) is dict
    assert set(value) == {"a", "b"}


def test_it_does_not_tell_secrets_when_it_fails() -> None:
    for source in ("timestamp(secrets.k)", 'vars[secrets.k] == "x"', "int(secrets.k)", "secrets.k + 1"):
        with pytest.raises(ExpressionError) as failure:
            evaluate(source, {**CONTEXT, "secrets": {"k": "hush-hush"}})
        assert "hush-hush" not in failure.value.message + repr(failure.value.details)


def test_it_refuses_results_that_are_too_large_or_too_deep() -> None:
    deep: Any = 1
    for _ in range(60):
        deep = [deep]
    names = {"vars": {"t": "x" * 2_500_000, "deep": deep}}
    for source in ("vars.t + vars.t", "[vars.t, vars.t]", '{"a": vars.t, "b": {"c": vars.t}}', "[[[[[vars.deep]]]]]"):
        with pytest.raises(ExpressionError, match=r"payload_bytes|larger than|document_depth"):
            evaluate(source, names)


def test_it_compiles_the_same_text_once() -> None:
    assert compile_expression("vars.once + 1") is compile_expression("vars.once + 1")


@settings(max_examples=150, deadline=None)
@given(st.text("abvars.()[]{}\"'+-*/%&|!?:=<>0123 \\\n`,é", max_size=40))
def test_it_is_invalid_or_comes_to_a_value_or_an_error(source: str) -> None:
    try:
        expression = compile_expression(source, names=NAMES)
    except ExpressionInvalid:
        return
    with suppress(ExpressionError):
        expression.evaluate(CONTEXT)
