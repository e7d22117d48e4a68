"""Definitions: what the typed model holds, and every problem at once, each at its path with its code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.definition import Definition, check_input, parse_definition
from orchestration.domain.errors import DefinitionInvalid, DocumentInvalid, DocumentUnreadable, InputInvalid
from orchestration.domain.limits import Limits
from tests.unit.domain.definitions import at, box, call, codes, loop, problems, workflow

SECOND = 1_000_000


def test_it_fills_in_the_defaults_of_the_language() -> None:
    definition = parse_definition("{id: orders, steps: [{id: pay, type: service, service_name: bank, method: charge}]}")
    step: Any = definition.steps[0]
    config = definition.config
    assert (definition.name, definition.description, definition.version, definition.output) == ("orders", "", "", None)
    assert (definition.variables, definition.triggers, definition.input_schema) == ({}, (), None)
    assert (config.timeout, config.parallel_limit, config.failure_policy) == (None, 50, "fail-fast")
    assert (config.max_retries, config.compensation, config.max_concurrent) == (0, "completed", None)
    assert (config.priority, config.log_level) == (5, "info")
    assert (step.name, step.dependencies, step.join, step.condition, step.timeout) == (
        "pay",
        (),
        "all_success",
        None,
        None,
    )
    assert (step.completion, step.delivery, step.optional, step.output) == ("reply", "at-least-once", False, None)
    assert step.retry.model_dump() == {
        "max_attempts": None,
        "delay": SECOND,
        "backoff": "exponential",
        "multiplier": 2.0,
        "max_delay": 300 * SECOND,
        "jitter": 0.2,
        "deadline": None,
        "on": None,
        "never": (),
    }


def test_it_reads_every_type_of_step() -> None:
    text = """
    id: all-of-it
    name: All of it
    version: "3"
    config: {timeout: 5m, max_concurrent: 2, log_level: debug}
    triggers:
      - {type: schedule, schedule: 0 6 * * 1-5, timezone: Europe/Berlin, overlap: skip, input: {at: "${event.id}"}}
      - {type: event, event: order.*, condition: event.payload.total > 10, enabled: false}
      - {type: webhook, id: hook}
      - {type: manual}
    steps:
      - {id: each, type: loop, items: "${input.list}", parallel_limit: 3, steps: [{id: x, type: delay, duration: 0.5}]}
      - {id: again, type: loop, while: "index < 3", steps: [{id: x, type: delay, until: "2030-01-01T00:00:00Z"}]}
      - {id: both, type: parallel, mode: race, steps: [{id: x, type: condition, condition: "true"}]}
      - {id: sign, type: wait, signal: signed, assignees: [ana], form: {ok: boolean}, on_timeout: continue}
      - {id: paid, type: wait, event: payment.done, match: event.payload.id == vars.id, timeout: 1h}
      - {id: tell, type: notification, channel: email, to: ["${input.mail}"], subject: hi}
      - {id: sub, type: subflow, workflow: other, revision: 2, wait: false, input: "${input}"}
      - id: heavy
        type: service
        service_name: s
        method: m
        resources: {cpu: 500m, memory: 1Gi, constraints: {zone: a}}
    """
    definition = parse_definition(text)
    steps: Any = definition.steps
    each, again, both, sign, paid, tell, sub, heavy = steps
    assert (each.items, each.parallel_limit, each.while_, each.max_iterations) == ("${input.list}", 3, None, 1000)
    assert (each.steps[0].duration, again.while_, again.steps[0].until) == (
        500_000,
        "index < 3",
        "2030-01-01T00:00:00Z",
    )
    assert (both.mode, both.parallel_limit, both.steps[0].condition) == ("race", None, "true")
    assert (sign.timeout, sign.on_timeout, sign.assignees, sign.form) == (
        None,
        "continue",
        ("ana",),
        {"ok": "boolean"},
    )
    assert (paid.timeout, paid.match, tell.to, tell.body) == (
        3600 * SECOND,
        "event.payload.id == vars.id",
        ["${input.mail}"],
        None,
    )
    assert (sub.workflow, sub.revision, sub.wait, sub.input) == ("other", 2, False, "${input}")
    assert (heavy.resources.cpu, heavy.resources.memory, heavy.resources.constraints) == (500, 2**30, {"zone": "a"})
    schedule, event = definition.triggers[:2]
    assert [trigger.id for trigger in definition.triggers] == ["schedule", "event", "hook", "manual"]
    assert (schedule.timezone, schedule.on_missed, event.enabled) == ("Europe/Berlin", "run_last", False)


def test_it_keeps_the_document_that_it_was_made_from() -> None:
    document = workflow(call(timeout="30s"), name="W")
    assert parse_definition(document).document == document
    assert parse_definition(parse_definition(json.dumps(document)).document) == parse_definition(document)


def test_it_counts_a_step_that_is_named_twice_once() -> None:
    step: Any = parse_definition(workflow(call(), call("b", dependencies=["a", "a"]))).steps[1]
    assert step.dependencies == ("a",)


def test_it_cannot_be_changed() -> None:
    definition = parse_definition(workflow(call()))
    with pytest.raises(ValueError, match="frozen"):
        definition.id = "other"  # type: ignore[misc]


@pytest.mark.parametrize("document", [None, 5, "text", [], [1], True, "- a", '["a"]', "5", "~"])
def test_it_must_be_an_object(document: Any) -> None:
    assert list(codes(document).values()) == ["value.type"]


def test_it_names_the_nearest_key_of_an_unknown_one() -> None:
    found = problems(workflow(call(retry={"max_atempts": 2}, timeot="5s"), confg={}, config={"prioriti": 1}))
    assert {path: problem.message.rpartition(" ")[2] for path, problem in found.items()} == {
        "confg": "config",
        "config.prioriti": "priority",
        "steps[0].retry.max_atempts": "max_attempts",
        "steps[0].timeot": "timeout",
    }


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"timeout": None}, {"timeout": "value.type"}),
        ({"optional": 1}, {"optional": "value.type"}),
        ({"retry": {"max_attempts": True}}, {"retry.max_attempts": "value.type"}),
        ({"retry": {"max_attempts": 2.0}}, {"retry.max_attempts": "value.type"}),
        ({"retry": {"multiplier": 0.5}}, {"retry.multiplier": "value.range"}),
        ({"retry": {"multiplier": True}}, {"retry.multiplier": "value.type"}),
        ({"retry": {"jitter": "half"}}, {"retry.jitter": "value.type"}),
        ({"retry": {"jitter": -0.1}}, {"retry.jitter": "value.range"}),
        ({"retry": {"on": "timeout"}}, {"retry.on": "value.type"}),
        ({"retry": {"never": [5, ""]}}, {"retry.never[0]": "value.type", "retry.never[1]": "text.format"}),
        ({"retry": 3}, {"retry": "value.type"}),
        ({"dependencies": {"b": 1}}, {"dependencies": "value.type"}),
        ({"dependencies": ["a", 1]}, {"dependencies[1]": "value.type", "..steps": "graph.cycle"}),
        ({"input": [1]}, {"input": "value.type"}),
        ({"input": "plain"}, {"input": "value.type"}),
        ({"output": "${output}"}, {"output": "value.type"}),
        ({"condition": True}, {"condition": "value.type"}),
        ({"condition": "${vars.a}"}, {"condition": "expression.invalid"}),
        ({"method": ""}, {"method": "text.format"}),
        ({"completion": "later"}, {"completion": "value.choice"}),
        ({"resources": {"cpu": "much"}}, {"resources.cpu": "quantity.invalid"}),
        ({"resources": {"memory": "1gb"}}, {"resources.memory": "quantity.invalid"}),
        ({"compensate": {"service_name": "s", "method": "m", "on": 1}}, {"compensate.on": "key.unknown"}),
        ({"compensate": "undo"}, {"compensate": "value.type"}),
    ],
)  # fmt: skip
def test_it_tells_what_is_wrong_with_a_value(keys: dict[str, Any], expected: dict[str, str]) -> None:
    assert {path if path != "steps" else "..steps": code for path, code in at(**keys).items()} == expected


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"type": "delay"}, {"duration": "key.missing"}),
        ({"type": "delay", "duration": 1, "until": "2030-01-01T00:00:00Z"}, {"until": "key.excluded"}),
        ({"type": "delay", "until": "tomorrow"}, {"until": "text.format"}),
        ({"type": "delay", "until": 5}, {"until": "value.type"}),
        ({"type": "wait"}, {"signal": "key.missing"}),
        ({"type": "wait", "event": "e", "signal": "s"}, {"event": "key.excluded"}),
        ({"type": "wait", "signal": "s", "match": "true"}, {"match": "key.excluded"}),
        ({"type": "loop", "steps": [call()]}, {"items": "key.missing"}),
        ({"type": "loop", "items": [], "while": "true", "steps": [call()]}, {"while": "key.excluded"}),
        ({"type": "loop", "while": "true", "parallel_limit": 2, "steps": [call()]}, {"parallel_limit": "key.excluded"}),
        ({"type": "loop", "items": 5, "steps": []}, {"items": "value.type", "steps": "value.range"}),
        ({"type": "loop", "items": "a ${vars.x}", "steps": [call()]}, {"items": "value.type"}),
        ({"type": "loop", "items": [1], "mode": "race", "steps": [call()]}, {"mode": "value.choice"}),
        ({"type": "loop", "items": [1]}, {"steps": "key.missing"}),
        ({"type": "loop", "items": [1], "max_iterations": 0, "steps": [call()]}, {"max_iterations": "value.range"}),
        ({"type": "loop", "items": [1], "max_iterations": 10**6, "steps": [call()]}, {"max_iterations": "value.range"}),
        ({"type": "parallel", "steps": {}}, {"steps": "value.type"}),
        ({"type": "parallel", "steps": [5]}, {"steps[0]": "value.type"}),
        ({"type": "parallel", "parallel_limit": 10**6, "steps": [call()]}, {"parallel_limit": "value.range"}),
        ({"type": "condition"}, {"condition": "key.missing"}),
        ({"type": "subflow", "workflow": "Other"}, {"workflow": "text.format"}),
        ({"type": "notification", "channel": "log", "to": 5}, {"to": "value.type"}),
        ({"type": "service"}, {"service_name": "key.missing", "method": "key.missing"}),
        ({}, {"type": "key.missing"}),
        ({"type": 5, "input": 5, "condition": "1 +"}, {"type": "value.choice", "condition": "expression.invalid"}),
        ({"type": ["service"], "optional": 1}, {"type": "value.choice", "optional": "value.type"}),
    ],
)  # fmt: skip
def test_it_tells_what_is_wrong_with_a_step(step: dict[str, Any], expected: dict[str, str]) -> None:
    found = codes(workflow({"id": "x", **step}))
    assert {path.removeprefix("steps[0]."): code for path, code in found.items()} == expected


def test_it_checks_the_graph_of_every_list_by_itself() -> None:
    document = workflow(
        call("a", on_success=["b"]),
        call("b", dependencies=["c", "c"], on_failure=["b", "nobody"]),
        call("c", dependencies=["loop"]),
        box(call("a"), call("a"), call("b", dependencies=["c"])),
        loop(call("x", on_success=["y"]), call("y", on_failure=["x"])),
    )
    assert codes(document) == {
        "steps": "graph.cycle",
        "steps[1].on_failure[1]": "graph.unknown_step",
        "steps[3].steps[1].id": "id.duplicate",
        "steps[3].steps[2].dependencies[0]": "graph.unknown_step",
        "steps[4].steps": "graph.cycle",
    }


def test_it_takes_diamonds_and_long_chains_for_no_circles() -> None:
    chain = [call(f"s{n}", dependencies=[f"s{n - 1}"] if n else []) for n in range(1500)]
    assert codes(workflow(*chain)) == {}
    assert codes(workflow(call("a"), call("b", dependencies=["a"]), call("c", dependencies=["a", "b"]))) == {}


def test_it_refuses_what_lies_too_deep_and_says_nothing_of_what_is_in_it() -> None:
    inner: dict[str, Any] = call(nonsense=1, condition="nope")
    for _ in range(11):
        inner = box(inner)
    ninth = "steps[0]." * 9 + "steps"
    assert codes(workflow(inner)) == {ninth: "nesting.limit"}
    for _ in range(60):
        inner = box(inner)
    assert codes(workflow(inner)) == {ninth: "nesting.limit"}


def test_it_refuses_more_steps_than_the_limit_nested_ones_included() -> None:
    limits = Limits(steps=5)
    parse_definition(workflow(call(), box(call(), call("b"), call("c"))), limits=limits)
    with pytest.raises(DefinitionInvalid) as refusal:
        parse_definition(workflow(call(), box(call(), call(), call("b"), call("c"))), limits=limits)
    assert [(problem.path, problem.code) for problem in refusal.value.problems] == [("steps", "steps.limit")]


def test_it_refuses_a_document_that_is_too_large_whatever_it_comes_as() -> None:
    document = workflow(call(input={"t": "x" * 300_000}))
    for given_as in (document, json.dumps(document)):
        with pytest.raises(DocumentUnreadable) as refusal:
            parse_definition(given_as)
        assert refusal.value.problems[0].code == "document.too_large"


def test_it_tells_the_texts_problems_beside_its_own() -> None:
    text = (
        "{id: w, id: w, owner: me, steps: [{id: a, type: delay, duration: .inf}, {id: a, type: delay, duration: 1s}]}"
    )
    assert codes(text) == {
        "id": "document.duplicate_key",
        "owner": "key.unknown",
        "steps[0].duration": "document.not_finite",
        "steps[1].id": "id.duplicate",
    }


def test_it_tells_at_most_a_thousand_problems() -> None:
    assert len(problems(workflow(call(**{f"key{n}": 1 for n in range(3000)})))) == 1000


def test_it_checks_triggers() -> None:
    document = workflow(
        call(),
        triggers=[
            {"type": "schedule", "schedule": "0 6 * *", "timezone": "Mars/Olympus"},
            {
                "type": "schedule",
                "schedule": "@daily",
                "id": "daily",
                "timezone": "../../etc/passwd",
                "overlap": "both",
            },
            {"type": "schedule", "id": "none"},
            {
                "type": "event",
                "event": "a.b",
                "condition": "event.payload.n > input.n",
                "input": {"a": "${event.payload}"},
            },
            {"type": "event", "event": "", "id": "event", "input": {"a": "${vars.x}", "b": "${secrets.k}"}},
            {"type": "webhook", "event": "x", "condition": "event.topic =="},
            {"type": "manual"},
            {"type": "manual", "enabled": "yes"},
            {"type": "cron", "schedule": "x", "id": "9"},
            5,
        ],
    )
    assert codes(document) == {
        "triggers[0].schedule": "text.format",
        "triggers[0].timezone": "text.format",
        "triggers[1].schedule": "text.format",
        "triggers[1].timezone": "text.format",
        "triggers[1].overlap": "value.choice",
        "triggers[2].schedule": "key.missing",
        "triggers[3].condition": "expression.unknown_name",
        "triggers[4].id": "id.duplicate",
        "triggers[4].event": "text.format",
        "triggers[4].input.a": "expression.unknown_name",
        "triggers[4].input.b": "expression.unknown_name",
        "triggers[5].event": "key.unknown",
        "triggers[5].condition": "expression.invalid",
        "triggers[7].id": "id.duplicate",
        "triggers[7].enabled": "value.type",
        "triggers[8].type": "value.choice",
        "triggers[8].id": "text.format",
        "triggers[9]": "value.type",
    }


# Inputs -----------------------------------------------------------------------------------------------------------


def refused(schema: Any, value: Any) -> dict[str, str]:
    definition = parse_definition(workflow(call(), input_schema=schema))
    with pytest.raises(InputInvalid) as refusal:
        check_input(definition, value)
    return {problem.path: problem.code for problem in refusal.value.problems}


def test_it_refuses_inputs_that_the_schema_refuses_each_at_its_path() -> None:
    schema = {
        "type": "object",
        "required": ["order_id", "amount"],
        "properties": {
            "order_id": {"type": "string", "pattern": "^ORD-"},
            "amount": {"type": "number", "minimum": 0},
            "lines": {"items": {"type": "object", "required": ["sku"], "additionalProperties": False}},
        },
        "dependentRequired": {"lines": ["total"]},
    }
    assert refused(schema, {"amount": "much"}) == {"input.order_id": "input.required", "input.amount": "input.type"}
    assert refused(schema, {"order_id": "x", "amount": -1, "lines": [{}, {"x": 1}]}) == {
        "input.order_id": "input.pattern",
        "input.amount": "input.minimum",
        "input.lines[0].sku": "input.required",
        "input.lines[1].sku": "input.required",
        "input.lines[1].x": "input.additionalProperties",
        "input.total": "input.required",
    }
    check_input(parse_definition(workflow(call(), input_schema=schema)), {"order_id": "ORD-1", "amount": 1})


def test_it_refuses_inputs_that_are_no_json_objects_or_too_large() -> None:
    definition = parse_definition(workflow(call()))
    check_input(definition, {"anything": [1]})
    for value, path in (([], "input"), (None, "input"), ({"x": float("nan")}, "input.x"), ({"x": 2**60}, "input.x")):
        with pytest.raises(InputInvalid) as refusal:
            check_input(definition, value)
        assert [problem.path for problem in refusal.value.problems] == [path]
    with pytest.raises(InputInvalid, match="1048576"):
        check_input(definition, {"x": "y" * 1_100_000})


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "nope"}, "input_schema.type"),
        ({"properties": {"a": {"minimum": "x"}}}, "input_schema.properties.a.minimum"),
        ({"properties": {"a": {"pattern": "("}}}, "input_schema.properties.a.pattern"),
        ({"$ref": "#/nowhere"}, "input_schema"),
        ({"$ref": "http://127.0.0.1:9/schema"}, "input_schema"),
        ({"$ref": "file:///etc/passwd"}, "input_schema"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "input_schema.$schema"),
        ({"required": "a"}, "input_schema.required"),
        (5, "input_schema"),
        (None, "input_schema"),
    ],
)
def test_it_refuses_what_is_no_schema(schema: Any, path: str) -> None:
    assert list(codes(workflow(call(), input_schema=schema))) == [path]


def test_it_tells_the_first_refusal_alone_where_all_would_take_too_long() -> None:
    value = {f"k{number}": "x" for number in range(50_000)}
    assert len(refused({"additionalProperties": {"type": "integer"}}, value)) == 1


def test_it_gives_up_on_patterns_that_take_for_ever() -> None:
    schema = {"properties": {"a": {"pattern": "^(([a-z])+.)+[A-Z]([a-z])+(?=!)$"}}}
    assert refused(schema, {"a": "a" * 50_000}).keys() == {"input.a"}


def test_it_takes_schemas_that_refer_to_themselves() -> None:
    definition = parse_definition(
        workflow(call(), input_schema={"allOf": [{"$ref": "#"}], "properties": {"a": {"$ref": "#"}}})
    )
    check_input(definition, {"a": {"a": {}}})
    assert refused(False, {}) == {"input": "input.not"}


# Anything at all --------------------------------------------------------------------------------------------------

_WORDS = st.sampled_from(
    [
        *("a", "b", "x", "service", "loop", "delay", "wait", "parallel", "retry", "all_done", "full"),
        *("1s", "${vars.a}", "${item}", "vars.a > 1", "true", "${", "é"),
    ]
)
_KEYS = st.sampled_from(
    [
        *(
            "id",
            "type",
            "steps",
            "dependencies",
            "on_success",
            "on_failure",
            "items",
            "while",
            "input",
            "output",
            "join",
        ),
        *("condition", "retry", "timeout", "config", "triggers", "variables", "result", "until", "duration", "signal"),
        *("event", "match", "max_attempts", "jitter", "delay", "service_name", "method", "nope", "compensate", "mode"),
        *("input_schema", "resources", "cpu"),
    ]
)
_anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**60) | st.floats() | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=6),
    max_leaves=20,
)

_objects = st.dictionaries(_KEYS, _anything, max_size=8)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(_KEYS, _anything, max_size=6), st.lists(st.dictionaries(_KEYS, _anything, max_size=8), max_size=3)
)
def test_it_is_a_definition_or_invalid_and_never_anything_else(document: dict[str, Any], steps: list[Any]) -> None:
    try:
        definition = parse_definition({**document, "steps": [*steps, box(*steps, **document)]})
    except DocumentInvalid as refusal:
        told = [problem.path for problem in refusal.problems]
    else:
        told = [] if isinstance(definition, Definition) else [""] * 2
    assert len(told) == len(set(told))
