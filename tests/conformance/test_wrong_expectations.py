"""The runner notices every wrong expectation: a runner that checks nothing, or forgets a key, fails here."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from orchestration.management.conformance.runner import Result, check_virtual
from orchestration.management.conformance.scenario import read_scenario

ORDER: dict[str, Any] = {
    "scenario": "order",
    "about": "One of everything that can be expected of executions.",
    "definition": {
        "id": "order",
        "steps": [
            {"id": "book", "type": "service", "service_name": "s", "method": "book", "input": {"n": "${input.n}"}},
            {"id": "off", "type": "service", "service_name": "s", "method": "off", "condition": "false"},
            {
                "id": "weak",
                "type": "service",
                "service_name": "s",
                "method": "weak",
                "optional": True,
                "retry": {"max_attempts": 2, "delay": "20ms", "jitter": 0},
            },
            {"id": "sub", "type": "subflow", "workflow": "child", "dependencies": ["book"]},
            {"id": "last", "type": "service", "service_name": "s", "method": "last", "dependencies": ["sub"]},
        ],
    },
    "children": [
        {
            "id": "child",
            "steps": [{"id": "one", "type": "service", "service_name": "s", "method": "one"}],
            "output": {"from_child": 1},
        }
    ],
    "input": {"n": 7},
    "services": {
        "s.book": [{"after": "20ms", "output": {"id": "b-1", "parts": [{"name": "x", "n": 1}]}}],
        "s.weak": [{"after": "10ms", "error": {"code": "http_503"}}],
        "s.one": [{"after": "30ms"}],
        "s.last": [{"after": "50ms"}],
    },
    "actions": [{"at": "40ms", "do": "resume"}, {"at": "45ms", "do": "signal", "name": "x"}],
    "expect": {
        "status": "completed",
        "output": {"n": 7, "id": "b-1", "parts": [{"name": "x", "n": 1}], "from_child": 1},
        "output_includes": {"parts": [{"name": "x"}]},
        "steps": {
            "book": {
                "status": "completed",
                "attempts": 1,
                "output": {"id": "b-1", "parts": [{"name": "x", "n": 1}]},
                "output_includes": {"id": "b-1"},
            },
            "off": "skipped",
            "weak": {"status": "failed", "attempts": 2, "error": "http_503"},
            "sub": "completed",
        },
        "absent": ["sub.one", "nothing"],
        "calls": ["s.book", "s.weak", "s.one", "s.weak", "s.last"],
        "never_called": ["s.off"],
        "inputs": {"s.book": [{"n": 7}], "s.weak": [{}, {}]},
        "before": [["book", "sub"], ["sub", "last"], ["weak", "last"]],
        "max_in_flight": 2,
        "elapsed": "100ms",
        "elapsed_between": ["90ms", "110ms"],
        "journal": [["workflow.started"], ["step.completed", "book"], ["step.failed", "weak"], ["workflow.completed"]],
        "journal_never": [["workflow.paused"], ["step.started", "off"]],
        "children": [
            {
                "workflow": "child",
                "status": "completed",
                "output": {"from_child": 1},
                "steps": {"one": {"status": "completed", "attempts": 1}},
                "elapsed": "30ms",
                "journal": [["step.started", "one"], ["step.completed", "one"]],
            }
        ],
        "refused": [0],
    },
}

FAILING: dict[str, Any] = {
    "scenario": "failing",
    "definition": {
        "id": "failing",
        "steps": [{"id": "bad", "type": "service", "service_name": "s", "method": "bad"}],
    },
    "services": {"s.bad": [{"after": "10ms", "error": {"code": "http_400"}}]},
    "expect": {"status": "failed", "error": "http_400", "steps": {"bad": {"error": "http_400"}}},
}

REFUSED_INPUT: dict[str, Any] = {
    "scenario": "refused-input",
    "definition": {
        "id": "refused-input",
        "input_schema": {"type": "object", "required": ["n"], "properties": {"m": {"type": "integer"}}},
        "steps": [{"id": "a", "type": "service", "service_name": "s", "method": "a"}],
    },
    "input": {"m": "x"},
    "services": {"s.a": [{}]},
    "expect": {"invalid_input": ["input.n", "input.m"]},
}

INVALID: dict[str, Any] = {
    "scenario": "invalid",
    "definition": {"id": "invalid", "owner": "me", "steps": [{"id": "a", "type": "delay"}]},
    "expect": {"invalid": ["owner", "steps[0].duration"]},
}


def run(scenario: dict[str, Any], **expect: Any) -> Result:
    changed = copy.deepcopy(scenario)
    changed["expect"].update(expect)
    return check_virtual(read_scenario(changed))


@pytest.mark.parametrize("scenario", [ORDER, FAILING, REFUSED_INPUT, INVALID], ids=lambda each: each["scenario"])
def test_it_passes_what_is_right(scenario):
    result = run(scenario)
    assert result.passed, result.reason


def child(**changes: Any) -> dict[str, Any]:
    return {"children": [{**ORDER["expect"]["children"][0], **changes}]}


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": "failed"}),
    ("status", {"status": "cancelled"}),
    ("error", {"error": "http_503"}),
    ("output", {"output": {}}),
    ("output", {"output": {"n": 7, "id": "b-1", "parts": [{"name": "x", "n": 2}], "from_child": 1}}),
    ("output", {"output": {"n": 7, "id": "b-1", "parts": [{"name": "x", "n": True}], "from_child": 1}}),
    ("output", {"output": {"n": 7, "id": "b-1", "parts": [{"name": "x"}], "from_child": 1}}),
    ("output", {"output": None}),
    ("output_includes", {"output_includes": {"missing": 1}}),
    ("output_includes", {"output_includes": {"parts": []}}),
    ("output_includes", {"output_includes": {"parts": [{"name": "y"}]}}),
    ("steps.book", {"steps": {"book": "failed"}}),
    ("steps.book", {"steps": {"book": {"status": "skipped"}}}),
    ("steps.weak.attempts", {"steps": {"weak": {"attempts": 1}}}),
    ("steps.off.attempts", {"steps": {"off": {"attempts": 1}}}),
    ("steps.book.output", {"steps": {"book": {"output": {"id": "b-1"}}}}),
    ("steps.book.output", {"steps": {"book": {"output": None}}}),
    ("steps.book.output_includes", {"steps": {"book": {"output_includes": {"id": "b-2"}}}}),
    ("steps.weak.error", {"steps": {"weak": {"error": "http_500"}}}),
    ("steps.weak.error", {"steps": {"weak": {"error": None}}}),
    ("steps.book.error", {"steps": {"book": {"error": "timeout"}}}),
    ("steps.nobody", {"steps": {"nobody": "completed"}}),
    ("absent", {"absent": ["book"]}),
    ("absent", {"absent": ["off"]}),
    ("calls", {"calls": []}),
    ("calls", {"calls": ["s.book", "s.weak", "s.weak", "s.one", "s.last"]}),
    ("calls", {"calls": ["s.book", "s.weak", "s.one", "s.weak"]}),
    ("calls", {"calls": {"s.book": 1, "s.weak": 2, "s.one": 1, "s.last": 2}}),
    ("calls", {"calls": {"s.book": 1, "s.weak": 2, "s.last": 1}}),
    ("calls", {"calls": {}}),
    ("never_called", {"never_called": ["s.off", "s.last"]}),
    ("inputs", {"inputs": {"s.book": []}}),
    ("inputs", {"inputs": {"s.book": [{"n": 8}]}}),
    ("inputs", {"inputs": {"s.weak": [{}]}}),
    ("inputs", {"inputs": {"s.off": [{}]}}),
    ("before", {"before": [["last", "book"]]}),
    ("before", {"before": [["sub", "sub"]]}),
    ("before", {"before": [["book", "off"]]}),
    ("before", {"before": [["nobody", "book"]]}),
    ("max_in_flight", {"max_in_flight": 1}),
    ("max_in_flight", {"max_in_flight": 3}),
    ("elapsed", {"elapsed": "99ms"}),
    ("elapsed", {"elapsed": "100001us"}),
    ("elapsed_between", {"elapsed_between": ["101ms", "200ms"]}),
    ("elapsed_between", {"elapsed_between": ["0s", "99ms"]}),
    ("journal", {"journal": [["workflow.completed"], ["workflow.started"]]}),
    ("journal", {"journal": [["step.started", "off"]]}),
    ("journal", {"journal": [["step.started", "book"], ["step.started", "book"]]}),
    ("journal", {"journal": [["step.completed"]]}),
    ("journal_never", {"journal_never": [["step.retrying", "weak"]]}),
    ("journal_never", {"journal_never": [["workflow.completed"]]}),
    ("refused", {"refused": []}),
    ("refused", {"refused": [0, 1]}),
    ("refused", {"refused": [1]}),
    ("children", {"children": []}),
    ("children", {"children": [{"workflow": "child"}, {"workflow": "child"}]}),
    ("children[0]: workflow", child(workflow="order")),
    ("children[0]: status", child(status="failed")),
    ("children[0]: error", child(error="timeout")),
    ("children[0]: output", child(output={})),
    ("children[0]: output_includes", child(output_includes={"x": 1})),
    ("children[0]: steps.one", child(steps={"one": "failed"})),
    ("children[0]: steps.one.attempts", child(steps={"one": {"attempts": 2}})),
    ("children[0]: absent", child(absent=["one"])),
    ("children[0]: before", child(before=[["one", "one"]])),
    ("children[0]: elapsed", child(elapsed="31ms")),
    ("children[0]: elapsed_between", child(elapsed_between=["0s", "29ms"])),
    ("children[0]: journal", child(journal=[["step.failed", "one"]])),
    ("children[0]: journal_never", child(journal_never=[["step.completed", "one"]])),
    ("invalid", {"invalid": ["id"]}),
    ("invalid", {"invalid": []}),
    ("invalid_input", {"invalid_input": ["input.n"]}),
]


@pytest.mark.parametrize(("says", "expect"), WRONG, ids=lambda each: str(each)[:60])
def test_it_fails_what_is_wrong(says, expect):
    result = run(ORDER, **expect)
    assert result.passed is False
    assert result.reason.startswith(says), result.reason


@pytest.mark.parametrize(
    ("says", "expect"),
    [
        ("error", {"error": "http_500"}),
        ("error", {"error": None}),
        ("steps.bad.error", {"steps": {"bad": {"error": "http_401"}}}),
        ("status", {"status": "completed"}),
    ],
)
def test_it_fails_a_wrong_error(says, expect):
    result = run(FAILING, **expect)
    assert result.passed is False
    assert result.reason.startswith(says), result.reason


def test_it_expects_no_error_unless_one_is_given():
    changed = copy.deepcopy(FAILING)
    del changed["expect"]["error"]
    result = check_virtual(read_scenario(changed))
    assert result.passed is False
    assert result.reason == "error: expected none, got http_400"


def test_it_expects_no_refusal_unless_one_is_given():
    changed = copy.deepcopy(ORDER)
    del changed["expect"]["refused"]
    result = check_virtual(read_scenario(changed))
    assert result.passed is False
    assert result.reason == "refused: expected the actions [], got [0]"


@pytest.mark.parametrize(
    "expect",
    [{"invalid_input": ["input.n"]}, {"invalid_input": ["input.n", "input.m", "input.x"]}, {"status": "completed"}],
)
def test_it_fails_a_wrong_refusal_of_the_input(expect):
    assert run(REFUSED_INPUT, **expect).passed is False


def test_it_fails_an_input_that_nobody_expected_to_be_refused():
    changed = {**copy.deepcopy(REFUSED_INPUT), "expect": {}}
    result = check_virtual(read_scenario(changed))
    assert result.passed is False
    assert "the input was refused" in result.reason


@pytest.mark.parametrize(
    "expect", [{"invalid": ["owner"]}, {"invalid": ["owner", "steps[0].duration", "id"]}, {"status": "completed"}]
)
def test_it_fails_wrong_paths_of_a_definition(expect):
    assert run(INVALID, **expect).passed is False


def test_it_fails_a_definition_that_nobody_expected_to_be_refused():
    changed = {**copy.deepcopy(INVALID), "expect": {}}
    result = check_virtual(read_scenario(changed))
    assert result.passed is False
    assert "the definition was refused" in result.reason


def test_it_notices_every_key_that_can_be_expected():
    said = {key for _, expect in WRONG for key in expect}
    assert said | {"error"} >= {*ORDER["expect"], "error", "invalid", "invalid_input"}
