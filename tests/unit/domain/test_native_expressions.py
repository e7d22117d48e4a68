"""Two evaluators, one language: what is evaluated natively is what the CEL library makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.expressions.library import check_source, evaluate_program, parse_source
from orchestration.domain.expressions.native import BUDGET_KEY, STEPS, Unsupported, build
from orchestration.domain.expressions.operators import Fault
from orchestration.domain.expressions.tree import decode

FAULT = object()

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([2**53 - 1, -(2**53) + 1, 0.5, -1.0, 2.0, 1e300, "", "a", "ab", "Zoë", "1", "true", "😀"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "k k", "é"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace('"', '\\"') + '"'
    return repr(value)


def _infix(parts: tuple[str, str, str]) -> str:
    return f"({parts[0]} {parts[1]} {parts[2]})"


leaves = st.one_of(
    scalars.map(_literal),
    st.sampled_from(
        ["vars", "vars.a", "vars.b", 'vars["k k"]', "vars.a.b", "vars.a[0]", "input", "input.a", "input[1]"]
    ),
    st.sampled_from(["x", "y"]),
)


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"]
    binary = st.tuples(inner, st.sampled_from(operators), inner).map(_infix)
    unary = st.tuples(st.sampled_from(["!", "-", "size", "string", "int", "double", "bool", "dyn"]), inner).map(
        lambda t: f"{t[0]}({t[1]})"
    )
    method = st.tuples(inner, st.sampled_from(["contains", "startsWith", "endsWith", "matches"]), inner).map(
        lambda t: f"({t[0]}).{t[1]}({t[2]})"
    )
    macro = st.tuples(
        inner, st.sampled_from(["all", "exists", "exists_one", "map", "filter"]), st.sampled_from(["x", "y"]), inner
    ).map(lambda t: f"({t[0]}).{t[1]}({t[2]}, {t[3]})")
    mapped = st.tuples(inner, inner, inner).map(lambda t: f"({t[0]}).map(x, {t[1]}, {t[2]})")
    chosen = st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} ? {t[1]} : {t[2]})")
    indexed = st.tuples(inner, inner).map(lambda t: f"({t[0]})[{t[1]}]")
    selected = st.tuples(inner, st.sampled_from(["a", "b"])).map(lambda t: f"({t[0]}).{t[1]}")
    tested = st.tuples(inner, st.sampled_from(["a", "b"])).map(lambda t: f"has(({t[0]}).{t[1]})")
    listed = st.lists(inner, max_size=3).map(lambda t: f"[{', '.join(t)}]")
    entered = st.lists(inner, max_size=2).map(
        lambda t: "{" + ", ".join(f'"{key}": {v}' for key, v in zip("ab", t, strict=False)) + "}"
    )
    return st.one_of(binary, unary, method, macro, mapped, chosen, indexed, selected, tested, listed, entered)


expressions = st.recursive(leaves, _deeper, max_leaves=7)


# Expressions whose types go together, so that most of them come to something -----------------------------------------

_ints: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.integers(-9, 9).map(str),
        st.sampled_from(
            ["vars.n", "input.n", 'input["m"]', "9223372036854775807", "vars.l[0]", "-9223372036854775808"]
        ),
        st.tuples(_ints, st.sampled_from("+-*/%"), _ints).map(_infix),
        st.one_of(_lists, _texts).map(lambda part: f"size({part})"),
        st.one_of(_ints, _doubles).map(lambda part: f"int({part})"),
        st.tuples(_bools, _ints, _ints).map(lambda t: f"({t[0]} ? {t[1]} : {t[2]})"),
        st.tuples(_lists, st.integers(0, 2)).map(lambda t: f"{t[0]}[{t[1]}]"),
    )
)
_doubles: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["0.5", "-2.0", "1e300", "vars.d", "1e10"]),
        st.tuples(_doubles, st.sampled_from("+-*"), _doubles).map(_infix),
        _ints.map(lambda part: f"double({part})"),
    )
)
_texts: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(['"a"', '"Zoë"', "vars.s", '"😀b"', '""']),
        st.tuples(_texts, _texts).map(lambda t: f"({t[0]} + {t[1]})"),
        st.one_of(_ints, _bools, _doubles, _texts).map(lambda part: f"string({part})"),
    )
)
_lists: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["vars.l", "[1, 2, 3]", "[]"]),
        st.lists(_ints, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
        st.tuples(_lists, _lists).map(lambda t: f"({t[0]} + {t[1]})"),
        st.tuples(_lists, _ints).map(lambda t: f"{t[0]}.map(x, x + {t[1]})"),
        st.tuples(_lists, _bools).map(lambda t: f"{t[0]}.filter(x, x > 1 || {t[1]})"),
        st.tuples(_lists, _ints, _bools).map(lambda t: f"{t[0]}.map(y, {t[2]}, y * {t[1]})"),
    )
)
_bools: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["true", "vars.yes", "has(vars.n)", "has(vars.nothing)", "vars.absent", '"n" in vars']),
        st.tuples(_bools, st.sampled_from(["&&", "||", "==", "!=", "<"]), _bools).map(_infix),
        st.tuples(
            st.one_of(_ints, _doubles), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.one_of(_ints, _doubles)
        ).map(_infix),
        st.tuples(_texts, st.sampled_from(["<", ">=", "==", "!="]), _texts).map(_infix),
        st.tuples(_texts, st.sampled_from(["contains", "startsWith", "endsWith"]), _texts).map(
            lambda t: f"{t[0]}.{t[1]}({t[2]})"
        ),
        st.tuples(_texts, st.sampled_from(['"a.*"', '"^Z"', '"("'])).map(lambda t: f"{t[0]}.matches({t[1]})"),
        st.tuples(_lists, st.sampled_from(["all", "exists", "exists_one"]), _ints).map(
            lambda t: f"{t[0]}.{t[1]}(x, x == {t[2]})"
        ),
        st.tuples(st.one_of(_ints, _doubles), _lists).map(lambda t: f"({t[0]} in {t[1]})"),
        st.tuples(_lists, st.sampled_from(["==", "!="]), _lists).map(_infix),
        _bools.map(lambda part: f"!({part})"),
    )
)
sensible = st.one_of(_ints, _doubles, _texts, _lists, _bools)
SENSIBLE_NAMES = {
    "vars": {"n": 4, "l": [3, 1, 2], "s": "straße", "d": 2.5, "yes": True, "none": None},
    "input": {"n": -7, "m": 2**53 - 1},
}


def _evaluator(source: str) -> Callable[[dict[str, Any]], Any]:
    closure = build(decode(parse_source(source).serialize()))
    return lambda names: closure({**names, BUDGET_KEY: [STEPS]})


def _natively(source: str, names: dict[str, Any]) -> Any:
    evaluate = _evaluator(source)
    try:
        return evaluate(names)
    except Fault:
        return FAULT


def _by_library(source: str, names: dict[str, Any]) -> Any:
    try:
        program = check_source(source)
    except ValueError:
        program = parse_source(source)
    try:
        return evaluate_program(program, names)
    except ValueError:
        return FAULT


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b):
        return True
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


@settings(max_examples=150, deadline=None)
@given(expressions, st.dictionaries(st.sampled_from(["a", "b", "k k"]), values, max_size=3), values)
def test_it_agrees_with_the_cel_library(source: str, variables: dict[str, Any], given_input: Any) -> None:
    names = {"vars": variables, "input": given_input}
    try:
        ours = _natively(source, names)
    except Unsupported:
        return
    theirs = _by_library(source, names)
    assert _same(ours, theirs), (source, names, ours, theirs)


@settings(max_examples=150, deadline=None)
@given(sensible)
def test_it_agrees_with_the_cel_library_where_types_go_together(source: str) -> None:
    try:
        ours = _natively(source, SENSIBLE_NAMES)
    except ValueError:
        return
    theirs = _by_library(source, SENSIBLE_NAMES)
    assert _same(ours, theirs), (source, ours, theirs)


def test_it_takes_long_lists_in_time_that_grows_with_them() -> None:
    evaluate = _evaluator("vars.l.map(x, x + 1).filter(x, x % 2 == 0)")
    assert len(evaluate({"vars": {"l": list(range(50_000))}})) == 25_000


@pytest.mark.parametrize(
    "source",
    [
        "vars.l.all(a, vars.l.all(b, a + b >= 0))",
        "vars.l.map(a, vars.l + vars.l).size() > 0",
        "vars.l.all(a, vars.l == vars.m)",
        "vars.l.exists(a, -1 in vars.l)",
        '["x"]' + ".map(a, a + a)" * 25,
        "[vars.t].map(a, a + a).map(a, a + a)",
        'vars.l.filter(x, "aaaa".matches("(a{1,50}){1,5}"))',
        "(vars.l + vars.l).map(x, string(x))",
        "vars.m == vars.l" + " && vars.m == vars.l" * 60,
    ],
)
def test_it_gives_up_what_takes_too_long_or_grows_too_large(source: str) -> None:
    evaluate = _evaluator(source)
    names = {"vars": {"l": list(range(5_000)), "m": list(range(5_000)), "t": "x" * 2_500_000}}
    with pytest.raises(Fault):
        evaluate(names)


def test_it_counts_steps_anew_for_every_evaluation() -> None:
    evaluate = _evaluator("vars.l.all(x, x >= 0)")
    names = {"vars": {"l": list(range(STEPS // 2))}}
    assert [evaluate(names) for _ in range(3)] == [True] * 3
