"""The JSON Schema of the language: what the model says, for editors, and the page that carries it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from orchestration.domain.definition import definition_schema, parse_definition
from orchestration.domain.definition.schema import schema_text
from orchestration.domain.documents import read_document
from orchestration.domain.errors import DefinitionInvalid
from tests.unit.domain.definitions import box, call, loop, workflow

ROOT = Path(__file__).parents[3]
SCENARIOS = sorted((ROOT / "tests/conformance/scenarios").glob("*.yaml"))
BEYOND_A_SCHEMA = {"invalid-expressions", "invalid-graph", "invalid-nesting", "invalid-text"}
VALIDATOR = jsonschema_rs.Draft202012Validator(definition_schema())


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_it_takes_the_definitions_of_the_scenarios(path: Path) -> None:
    scenario = read_document(path.read_text())[0]
    invalid = "invalid" in scenario["expect"] and path.stem not in BEYOND_A_SCHEMA
    for definition in [scenario.get("definition"), *scenario.get("children", [])]:
        if definition is not None:
            assert VALIDATOR.is_valid(definition) is not invalid


@pytest.mark.parametrize(
    "document",
    [
        workflow(call(timeout=None)),
        workflow(call(service_nam="x")),
        workflow(loop(call(), **{"while": "true", "items": [1]})),
        workflow(loop(call(), **{"while": "true", "parallel_limit": 2})),
        workflow({"id": "d", "type": "delay"}),
        workflow({"id": "d", "type": "nope"}),
        workflow(box()),
        workflow(call(timeout="5 minutes")),
        workflow(call(retry={"jitter": 2})),
        workflow(),
        {"id": "w"},
    ],
)
def test_it_refuses_what_the_parser_refuses(document: Any) -> None:
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(DefinitionInvalid):
        parse_definition(document)


def test_it_is_a_json_schema_and_says_nothing_of_the_parsers_own_models() -> None:
    text = json.dumps(definition_schema())
    assert "Untyped" not in text
    assert '"null"' not in text


def test_it_is_what_the_reference_shows() -> None:
    shown = (ROOT / "docs/reference/workflow.schema.json").read_text()
    assert shown == schema_text(), "write it anew, as the head of orchestration/domain/definition/schema.py says"
