"""Which names exist where: each place of the language has the names that WORKFLOWS.md gives it, and no others."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.domain.expressions import NAMES
from tests.unit.domain.definitions import box, call, codes, loop, workflow

EVERYWHERE = {"input", "vars", "steps", "execution"}
LOG = {"id": "n", "type": "notification", "channel": "log"}


def text(name: str) -> str:
    return f"${{{name}}}"


def bare(name: str) -> str:
    return f"{name} == 1"


PLACES: list[tuple[str, Any, str, set[str]]] = [
    ("condition", lambda n: call(condition=bare(n)), "steps[0].condition", EVERYWHERE),
    ("input", lambda n: call(input={"k": [text(n)]}), "steps[0].input.k[0]", EVERYWHERE | {"secrets"}),
    ("whole input", lambda n: call(input=text(n)), "steps[0].input", EVERYWHERE | {"secrets"}),
    ("output", lambda n: call(output={"k": text(n)}), "steps[0].output.k", EVERYWHERE | {"output"}),
    (
        "compensate.input",
        lambda n: call(compensate={"service_name": "s", "method": "m", "input": {"k": text(n)}}),
        "steps[0].compensate.input.k",
        EVERYWHERE | {"output", "secrets"},
    ),
    ("items", lambda n: loop(call(), items=text(n)), "steps[0].items", EVERYWHERE),
    ("item of items", lambda n: loop(call(), items=[1, text(n)]), "steps[0].items[1]", EVERYWHERE),
    ("while", lambda n: loop(call(), **{"while": bare(n)}), "steps[0].while", EVERYWHERE | {"index"}),
    (
        "loop's result",
        lambda n: loop(call(), result={"k": text(n)}),
        "steps[0].result.k",
        EVERYWHERE | {"item", "index"},
    ),
    (
        "while loop's result",
        lambda n: loop(call(), result=text(n), **{"while": "true"}),
        "steps[0].result",
        EVERYWHERE | {"index"},
    ),
    ("loop's output", lambda n: loop(call(), output={"k": text(n)}), "steps[0].output.k", EVERYWHERE | {"output"}),
    ("loop's condition", lambda n: loop(call(), condition=bare(n)), "steps[0].condition", EVERYWHERE),
    (
        "loop's compensate",
        lambda n: loop(call(), compensate={"service_name": "s", "method": "m", "input": {"k": text(n)}}),
        "steps[0].compensate.input.k",
        EVERYWHERE | {"output", "secrets"},
    ),
    ("parallel's result", lambda n: box(call(), result=text(n)), "steps[0].result", EVERYWHERE),
    (
        "in a loop",
        lambda n: loop(call(condition=bare(n))),
        "steps[0].steps[0].condition",
        EVERYWHERE | {"item", "index"},
    ),
    (
        "in a while loop",
        lambda n: loop(call(condition=bare(n)), **{"while": "true"}),
        "steps[0].steps[0].condition",
        EVERYWHERE | {"index"},
    ),
    (
        "in a while loop in a loop",
        lambda n: loop(loop(call(input={"k": text(n)}), **{"while": "true"})),
        "steps[0].steps[0].steps[0].input.k",
        EVERYWHERE | {"item", "index", "secrets"},
    ),
    (
        "items in a loop",
        lambda n: loop(loop(call(), items=text(n))),
        "steps[0].steps[0].items",
        EVERYWHERE | {"item", "index"},
    ),
    ("in a parallel", lambda n: box(call(condition=bare(n))), "steps[0].steps[0].condition", EVERYWHERE),
    ("until", lambda n: {"id": "d", "type": "delay", "until": text(n)}, "steps[0].until", EVERYWHERE),
    (
        "match",
        lambda n: {"id": "w", "type": "wait", "event": "e", "match": bare(n)},
        "steps[0].match",
        EVERYWHERE | {"event"},
    ),
    *(
        (key, lambda n, key=key: {**LOG, key: text(n)}, f"steps[0].{key}", EVERYWHERE)
        for key in ("to", "subject", "body")
    ),
    (
        "notification's input",
        lambda n: {**LOG, "input": {"k": text(n)}},
        "steps[0].input.k",
        EVERYWHERE | {"secrets"},
    ),
    (
        "subflow's input",
        lambda n: {"id": "n", "type": "subflow", "workflow": "w", "input": {"k": text(n)}},
        "steps[0].input.k",
        EVERYWHERE | {"secrets"},
    ),
]


@pytest.mark.parametrize(
    ("make", "path", "allowed"), [place[1:] for place in PLACES], ids=[place[0] for place in PLACES]
)
def test_it_has_the_names_of_its_place_and_no_others(make: Any, path: str, allowed: set[str]) -> None:
    known = {name for name in NAMES if codes(workflow(make(name))) == {}}
    assert known == allowed
    for name in NAMES - allowed:
        assert codes(workflow(make(name))) == {path: "expression.unknown_name"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_it_has_the_names_of_the_top_in_the_workflows_output(name: str) -> None:
    expected = {} if name in EVERYWHERE else {"output.k": "expression.unknown_name"}
    assert codes(workflow(call(), output={"k": text(name)})) == expected


@pytest.mark.parametrize("name", sorted(NAMES))
def test_it_has_only_the_event_in_triggers(name: str) -> None:
    trigger = {"type": "manual", "condition": bare(name), "input": {"k": text(name)}}
    places = ("triggers[0].condition", "triggers[0].input.k")
    expected = {} if name == "event" else dict.fromkeys(places, "expression.unknown_name")
    assert codes(workflow(call(), triggers=[trigger])) == expected


def test_it_has_the_error_in_steps_that_an_on_failure_names_and_in_what_is_nested_there() -> None:
    uses = {"input": {"e": "${error.code}"}, "output": {"e": "${error}"}, "condition": "error == null"}
    undo = {"service_name": "s", "method": "m", "input": {"e": "${error}"}}
    handlers = (
        call("b", compensate=undo, **uses),
        box(call("x", **uses), loop(call("y", **uses)), result="${error}"),
    )
    assert codes(workflow(call("a", on_failure=["b", "box"]), *handlers)) == {}
    found = codes(workflow(call("a", on_success=["b"], on_failure=["z"]), call("z", dependencies=["b"]), *handlers))
    assert set(found.values()) == {"expression.unknown_name"}
    assert len(found) == 4 + 3 + 3 + 1


def test_it_has_no_error_in_a_namesake_in_another_list() -> None:
    inner = call("b", input={"e": "${error}"})
    assert codes(workflow(call("a", on_failure=["b"]), call("b"), box(inner))) == {
        "steps[2].steps[0].input.e": "expression.unknown_name"
    }


def test_it_does_not_tell_of_the_error_where_on_failure_itself_is_wrong() -> None:
    document = workflow(call("a", on_failure="b"), call("b", input={"e": "${error}"}))
    assert codes(document) == {"steps[0].on_failure": "value.type"}


def test_it_knows_the_steps_of_its_list_and_of_those_around_it() -> None:
    def says(step_id: str) -> str:
        return f'${{steps["{step_id}"].status}}'

    document = workflow(
        call("a", input={"own": says("a"), "later": says("z"), "nested": says("x"), "ghost": "${steps.ghost}"}),
        box(
            call("x", input={"up": says("a"), "self": says("box"), "deeper": says("y")}),
            loop(
                call("y", input={"up": says("a"), "around": says("x")}),
                result=[says("y"), says("x"), says("a"), says("q")],
            ),
            result={"in": says("x"), "deeper": says("y")},
            output={"in": says("x")},
        ),
        call("z", condition='has(steps["x"].output) || steps[vars.which].status == "completed"'),
        output={"a": says("a"), "x": says("x")},
    )
    assert codes(document) == {
        "steps[0].input.nested": "expression.unknown_name",
        "steps[0].input.ghost": "expression.unknown_name",
        "steps[1].steps[0].input.deeper": "expression.unknown_name",
        "steps[1].steps[1].result[3]": "expression.unknown_name",
        "steps[1].result.deeper": "expression.unknown_name",
        "steps[1].output.in": "expression.unknown_name",
        "steps[2].condition": "expression.unknown_name",
        "output.x": "expression.unknown_name",
    }


def test_it_takes_what_is_no_template_as_it_is() -> None:
    document = workflow(
        {"id": "w", "type": "wait", "signal": "${nope", "form": {"t": "${nope"}, "assignees": ["${nope"]},
        call(name="${nope", service_name="${nope"),
        description="${nope",
        variables={"t": "${nope"},
    )
    assert codes(document) == {}
