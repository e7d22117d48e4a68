"""The API, fuzzed against its own document: no server errors, and every answer is one that the document knows."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings
from schemathesis.generation import GenerationMode

from orchestration.api.schema import openapi_document
from tests.api.client import NOTHING, PREFIX, Caller
from tests.api.definitions import waiting_definition

EXAMPLES = 8
ELSEWHERE = "http://testserver"
TAKEN = ("method", "path", "body", "type")
METHODS = {path: sorted(methods) for path, methods in openapi_document()["paths"].items()}
OPERATIONS = [(method, path) for path, methods in METHODS.items() for method in methods]


def ask(caller: Caller, case: schemathesis.Case) -> None:
    """Send a case as a client would; the caller holds the answer against the document."""
    request = case.as_transport_kwargs(base_url=ELSEWHERE)
    path = request["url"].removeprefix(ELSEWHERE).removeprefix(PREFIX)
    query = urlencode(request.get("params") or {}, doseq=True)
    body = request.get("json", request.get("data", NOTHING))
    headers = {name.replace("-", "_"): str(value) for name, value in request["headers"].items()}
    kept = {name: value for name, value in headers.items() if name not in {"Authorization", "Cookie", *TAKEN}}
    caller.ask(case.method, f"{path}?{query}" if query else path, body, **kept)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_it_answers_as_its_document_says(
    program: Caller, configurer: Caller, settings: Settings, method: str, path: str
):
    settings.PODIUM = replace(settings.PODIUM, wait_max_seconds=0.01, api_action_seconds=0.01)
    program.post("workflows", waiting_definition())
    execution = program.post("workflows/approval/execute", {}).body["execution_id"]
    instance = program.post("services", {"name": "s", "address": "http://127.0.0.1:8999"}).body["id"]
    known = {"workflow": "approval", "execution_id": execution, "instance_id": instance, "name": "go", "token": "x"}
    known |= {"service": "s", "setting": "workflows.max_concurrent"}
    operation = schemathesis.openapi.from_dict(openapi_document())[path][method]
    places: list[dict[str, Any]] = [{}, {"path_parameters": known}] if "{" in path else [{}]
    cases = [operation.as_strategy(generation_mode=mode, **place) for mode in GenerationMode for place in places]

    @seed(random.Random(f"{method} {path}").randrange(2**32))
    @hypothesis_settings(
        max_examples=EXAMPLES * len(cases), deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=st.one_of(cases))
    def fuzz(case: schemathesis.Case) -> None:
        ask(configurer if "/config" in path else program, case)

    fuzz()
