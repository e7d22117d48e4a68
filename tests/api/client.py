"""A caller of the API. Every answer that it gets is held against the OpenAPI document and the contract of refusals."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponseBase
from django.test import Client
from jsonschema import Draft202012Validator

PREFIX = "/api/v1/"
PROBLEM_FIELDS = {
    "type", "title", "status", "code", "detail", "path", "errors", "state", "allowed", "limit", "latest", "oldest",
}  # fmt: skip
NOTHING = object()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the JSON body (None without one) and the headers."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        """Return a problem's code."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        return str(self.body["code"])

    @property
    def paths(self) -> list[str]:
        """Return the paths of everything that a problem says is wrong."""
        return [each["path"] for each in self.body["errors"]]


class Caller:
    """Somebody who asks: with a key, with a session (`client` is logged in), or with neither."""

    def __init__(self, *, key: str | None = None, client: Client | None = None, csrf: str | None = None) -> None:
        self.key = key
        self.client = client or Client(enforce_csrf_checks=True)
        self._csrf = csrf

    def get(self, path: str, **headers: str) -> Answer:
        """GET a path below /api/v1/."""
        return self.ask("GET", path, **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        """DELETE a path below /api/v1/."""
        return self.ask("DELETE", path, **headers)

    def post(self, path: str, body: Any = NOTHING, *, type: str = "application/json", **headers: str) -> Answer:
        """POST a JSON value, or bytes as they are, or nothing."""
        return self.ask("POST", path, body, type=type, **headers)

    def ask(self, method: str, path: str, body: Any = NOTHING, *, type: str = "", **headers: str) -> Answer:
        """Ask anything. Header names have underscores for hyphens."""
        data = b"" if body is NOTHING else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key is not None:
            given.setdefault("Authorization", f"Bearer {self.key}")
        if self._csrf is not None:
            given.setdefault("X-CSRFToken", self._csrf)
        response = self.client.generic(method, PREFIX + path.lstrip("/"), data, content_type=type, headers=given)
        answer = Answer(response.status_code, _json_of(response), dict(response.headers))
        if method != "HEAD":
            check_contract(method, PREFIX + path.lstrip("/"), answer)
        return answer


def _json_of(response: HttpResponseBase) -> Any:
    content = getattr(response, "content", b"")
    return json.loads(content) if content and "json" in response.headers.get("Content-Type", "") else None


def check_contract(method: str, path: str, answer: Answer) -> None:
    """Hold an answer against what the OpenAPI document and the contract of refusals say."""
    if answer.status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json", answer
        assert {"type", "title", "status", "code", "detail"} <= set(answer.body) <= PROBLEM_FIELDS, answer
        assert answer.body["status"] == answer.status < 500, answer
        assert re.fullmatch(r"[a-z0-9_.]+", answer.body["code"]), answer
        assert "Traceback" not in json.dumps(answer.body), answer
    schema = _schema_of(method, path, answer.status)
    if schema is not None:
        Draft202012Validator(schema).validate(answer.body)


def _schema_of(method: str, path: str, status: int) -> dict[str, Any] | None:
    from orchestration.api.schema import openapi_document

    document = openapi_document()
    plain = path.partition("?")[0].rstrip("/")
    for template, methods in document["paths"].items():
        described = methods.get(method.lower())
        if described is None or not re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), plain):
            continue
        if "{" in template and plain in document["paths"]:
            continue
        response = described["responses"].get(str(status))
        assert response is not None or status in {404, 405}, f"{method} {template} may not answer {status}"
        content = (response or {}).get("content", {})
        schema = next((each["schema"] for each in content.values()), None)
        return None if schema is None else {**schema, "components": document["components"]}
    return None
