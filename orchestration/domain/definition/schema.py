"""The language as a JSON Schema 2020-12, exported from the typed model, for editors and for `docs/reference`.

`python -c "from orchestration.domain.definition.schema import schema_text; print(schema_text(), end='')"` writes
`docs/reference/workflow.schema.json`; a test holds the two together.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from .models import STEP_MODELS, TRIGGER_MODELS, Definition

_TITLE = "Podium workflow definition, version 1"
_ONE_OF = {"LoopStep": ("items", "while"), "DelayStep": ("duration", "until"), "WaitStep": ("signal", "event")}
_EXCLUDED = {"LoopStep": ("while", "parallel_limit"), "WaitStep": ("signal", "match")}


def definition_schema() -> dict[str, Any]:
    """Return the JSON Schema of the language.

    It says what one key can say by itself, and which keys exclude each other. Graphs, names in expressions and limits
    are beyond it: `parse_definition` is the judge.
    """
    schema = Definition.model_json_schema(schema_generator=_Generator, mode="validation")
    definitions = schema["$defs"]
    for name, (first, second) in _ONE_OF.items():
        definitions[name]["oneOf"] = [{"required": [first]}, {"required": [second]}]
    for name, keys in _EXCLUDED.items():
        definitions[name]["not"] = {"required": list(keys)}
    return {"$schema": GenerateJsonSchema.schema_dialect, **_tidy(schema), "title": _TITLE}


def schema_text() -> str:
    """Return the JSON Schema as the reference shows it."""
    return json.dumps(definition_schema(), indent=2, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        """Leave null out: a key that has no value is left out itself."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> dict[str, Any]:
        """Leave out defaults that are no JSON of the language: nothing, and durations in microseconds."""
        inner = self.generate_inner(schema["schema"])
        default = schema.get("default")
        if isinstance(default, str | bool | float | int) and "anyOf" not in inner:
            return {**inner, "default": default}
        return inner

    def tagged_union_schema(self, schema: Any) -> dict[str, Any]:
        """Say which `type` goes with which object; the model for objects without a type is not part of the language."""
        choices = {tag: choice for tag, choice in schema["choices"].items() if tag in {**STEP_MODELS, **TRIGGER_MODELS}}
        generated = {tag: self.generate_inner(choice) for tag, choice in choices.items()}
        return {
            "oneOf": list(generated.values()),
            "discriminator": {
                "propertyName": "type",
                "mapping": {tag: part["$ref"] for tag, part in generated.items() if "$ref" in part},
            },
        }


def _tidy(value: Any) -> Any:
    """Return a schema without the titles that pydantic makes of keys."""
    if isinstance(value, list):
        return [_tidy(part) for part in value]
    if not isinstance(value, dict):
        return value
    return {key: _tidy(part) for key, part in value.items() if key != "title" or not isinstance(part, str)}
