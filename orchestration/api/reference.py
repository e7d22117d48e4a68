"""The API's reference page, written from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .operation import REFUSALS
from .schema import openapi_document

INTRODUCTION = """# REST API

This page is written from the OpenAPI document (`/api/v1/openapi.json`, with a page to try it at `/api/v1/docs`) by
`python manage.py export_api_reference`.

* Every address works with and without a slash at its end.
* A program says who it is with `Authorization: Bearer <api key>`; a person's session works too, with the CSRF token in
  `X-CSRFToken` for whatever changes something. A viewer may look and change nothing.
* Bodies are JSON in UTF-8, read strictly: a key given twice, NaN, an unknown key or a text where a number is due is
  refused. Definitions may be YAML (`application/yaml`).
* Instants are RFC 3339 texts in UTC with milliseconds, durations are seconds. `wait` is a duration such as `30s`.
* A refusal is a problem document (`application/problem+json`, RFC 9457) with a stable `code`, and `errors` with every
  place that is wrong. What is another team's is not there (404).
"""
REF = "#/components/schemas/"
NOUNS = ("services", "workflows", "executions", "simulations", "callbacks", "config")
USUAL = frozenset(REFUSALS) - {404, 409, 410, 412}


def api_reference() -> str:
    """Return the page as Markdown."""
    document = openapi_document()
    usual = [f"| {status} | {REFUSALS[status]} |" for status in sorted(USUAL)]
    parts = [INTRODUCTION, "\n".join(["| status | any operation may refuse with |", "|---|---|", *usual, ""])]
    for noun in NOUNS:
        parts.append(f"## {noun.capitalize()}\n")
        for path, methods in document["paths"].items():
            parts += [_operation(path, method, each) for method, each in methods.items() if noun in each["tags"]]
    parts.append("## Bodies and answers\n")
    parts += [_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return "\n".join(parts)


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    lines = [f"### {operation['summary']}", "", f"`{method.upper()} {path}`", "", operation["description"], ""]
    if parameters := [each for each in operation.get("parameters", ()) if each["in"] != "path"]:
        lines += ["| parameter | in | |", "|---|---|---|"]
        lines += [f"| `{each['name']}` | {each['in']} | {each.get('description', '')} |" for each in parameters]
        lines.append("")
    if body := operation.get("requestBody"):
        kinds = ", ".join(f"{_type(each['schema'])} as `{kind}`" for kind, each in body["content"].items())
        lines += [f"Body: {kinds}.", ""]
    lines += ["| status | answer |", "|---|---|"]
    told = [each for each in sorted(operation["responses"].items()) if int(each[0]) not in USUAL]
    lines += [f"| {status} | {_answer(each)} |" for status, each in told]
    return "\n".join([*lines, ""])


def _answer(response: dict[str, Any]) -> str:
    schemas = [_type(each["schema"]) for each in response.get("content", {}).values()]
    return " ".join(schemas) or str(response["description"])


def _schema(name: str, schema: dict[str, Any]) -> str:
    lines = [f"### {name}", "", schema.get("description", ""), ""]
    if fields := schema.get("properties"):
        required = set(schema.get("required", ()))
        lines += ["| key | type | |", "|---|---|---|"]
        lines += [_field(key, each, key in required) for key, each in fields.items()]
        lines.append("")
    return "\n".join(lines)


def _field(key: str, schema: dict[str, Any], required: bool) -> str:
    default = "" if required or schema.get("default") in (None, "", [], {}) else f" Default: `{schema['default']}`."
    return f"| `{key}` | {_type(schema)} | {schema.get('description', '')}{default} |"


def _type(schema: dict[str, Any]) -> str:
    return " or ".join(dict.fromkeys(_types(schema))) or "any"


def _types(schema: dict[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        yield f"[{name}](#{name.lower()})"
    elif "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from _types(each)
    elif schema.get("type") == "array":
        yield f"list of {_type(schema.get('items', {}))}"
    elif "type" in schema:
        yield schema.get("format", schema["type"])
