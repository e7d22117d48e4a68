"""The OpenAPI document: true to the URL table, and complete."""

from __future__ import annotations

import re

from jsonschema import Draft202012Validator

from orchestration.api import urls
from orchestration.api.schema import openapi_document
from simulation.lab import api as simulations
from tests.api.client import Caller

UNDESCRIBED = {"openapi", "docs", "docs-slash", "nowhere"}


def operations():
    for path, methods in openapi_document()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_describes_every_route_once():
    routes = {
        "/api/v1/" + re.sub(r"<str:(\w+)>", r"{\1}", str(pattern.pattern))
        for pattern in (*simulations.urlpatterns, *urls.urlpatterns)
        if pattern.name not in UNDESCRIBED and not pattern.name.endswith("-slash")
    }

    assert set(openapi_document()["paths"]) == routes


def test_every_operation_has_a_name_a_sentence_and_its_refusals():
    names = [operation["operationId"] for _, _, operation in operations()]

    assert len(names) == len(set(names)) > 18
    for path, method, operation in operations():
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        assert "400" in operation["responses"], (path, method)
        assert any(status.startswith("2") for status in operation["responses"]), (path, method)
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"]


def test_only_callbacks_are_open():
    open_paths = {path for path, _, operation in operations() if {} in operation.get("security", [{}])}

    assert open_paths == {"/api/v1/callbacks/{token}"}


def test_every_schema_is_a_json_schema():
    schemas = openapi_document()["components"]["schemas"]

    assert {"Execution", "ProblemDocument", "ExecuteBody", "Workflow", "Service", "Journal"} <= set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_the_document_is_served(nobody: Caller):
    answer = nobody.get("openapi.json")

    assert answer.headers["Content-Type"] == "application/vnd.oai.openapi+json"
    assert answer.body["openapi"].startswith("3.1")
    assert answer.body == openapi_document()


def test_the_page_needs_no_other_site(nobody: Caller):
    answer = nobody.client.get("/api/v1/docs")
    script = nobody.client.get("/api/v1/docs?script=")

    page = answer.content.decode()
    assert "swagger-ui-bundle.js" in page
    assert "//" not in re.sub(r"<!--.*?-->", "", page).replace("http://testserver/", "")
    assert "/api/v1/openapi.json" in script.content.decode() or "openapi.json" in script.content.decode()
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in answer.headers["Content-Security-Policy"].partition("style-src")[0]
