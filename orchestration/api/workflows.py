"""Workflows: their definitions, saved as revisions that never change, and the start of executions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from orchestration.domain.definition import parse_definition
from orchestration.engine import operations, queries

from . import parameters, shapes
from .bodies import ExecuteBody
from .errors import bad_request
from .operation import ApiView, operation
from .parsers import JSON, YAML, read_definition
from .presenting import execution_links, execution_shape
from .waiting import ended_within

DEFINITION = {
    "type": "object",
    "required": ["id", "steps"],
    "properties": {"id": {"type": "string"}, "steps": {"type": "array", "items": {"type": "object"}, "minItems": 1}},
    "description": "A definition in the workflow language, version 1.",
}
DEFINITION_BODY = {JSON: DEFINITION, YAML: DEFINITION}
IDEMPOTENCY_KEY = "Idempotency-Key"
KEY_LENGTH = 255


class Workflows(ApiView):
    """The team's workflows."""

    @operation(
        "List workflows",
        query=(parameters.page_size(100, 500), parameters.WORKFLOWS_CURSOR),
        answers={200: shapes.WorkflowPage},
    )
    def get(self, request: Request) -> Response:
        """Return a page of the team's workflows, each at its latest revision."""
        page = queries.list_workflows(team_id=self.team_id, **self.query)
        return Response(shapes.WorkflowPage.model_validate(page))

    @operation(
        "Save a definition",
        described_body=DEFINITION_BODY,
        answers={201: shapes.SavedWorkflow},
    )
    def post(self, request: Request) -> Response:
        """Save the definition that the body is; `changed` says whether that made a new revision."""
        document = read_definition(request, limit=settings.PODIUM.limits.definition_bytes)
        if document is None:
            raise bad_request("$", "document.empty", "The body is empty where a definition is due.")
        saved = operations.save_definition(team_id=self.team_id, document=document, by=self.caller.name)
        location = {"Location": reverse("api:workflow", kwargs={"workflow": saved.workflow})}
        return Response(shapes.SavedWorkflow.model_validate(saved), status=HTTPStatus.CREATED, headers=location)


class Workflow(ApiView):
    """One workflow."""

    @operation("Show a workflow", query=(parameters.REVISION,), answers={200: shapes.Workflow}, refusals=(404,))
    def get(self, request: Request, workflow: str) -> Response:
        """Return a workflow with its definition, at the latest or the given revision, and the list of revisions."""
        detail = queries.get_workflow(team_id=self.team_id, workflow=parameters.slug(workflow), **self.query)
        return Response(shapes.Workflow.model_validate(detail))


class ValidateWorkflow(ApiView):
    """A definition's check."""

    @operation(
        "Check a definition",
        described_body=DEFINITION_BODY,
        answers={200: shapes.ValidDefinition},
        refusals=(404,),
    )
    def post(self, request: Request, workflow: str) -> Response:
        """Check the definition that the body is, or the stored one if the body is empty; nothing is saved."""
        document: Any = read_definition(request, limit=settings.PODIUM.limits.definition_bytes)
        if document is None:
            document = queries.get_workflow(team_id=self.team_id, workflow=parameters.slug(workflow)).document
        parse_definition(document, limits=settings.PODIUM.limits)
        return Response(shapes.ValidDefinition())


class ExecuteWorkflow(ApiView):
    """A workflow's start."""

    @operation(
        "Start an execution",
        body=ExecuteBody,
        query=(parameters.WAIT,),
        headers=(
            OpenApiParameter(
                IDEMPOTENCY_KEY,
                {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH},
                OpenApiParameter.HEADER,
                description="The same key with the same body gives the same execution again.",
            ),
        ),
        answers={202: shapes.StartedExecution, 200: shapes.Execution},
        refusals=(404, 409),
    )
    def post(self, request: Request, workflow: str) -> Response:
        """Start an execution: 202; with `?wait=` 200 and the whole execution if it ended in that time.

        429 `overloaded` where too many of the team's executions wait to begin; children and retries are never refused.
        """
        body: ExecuteBody = self.body
        started = operations.start_execution(
            team_id=self.team_id,
            workflow=parameters.slug(workflow),
            revision=body.revision,
            input=body.variables,
            by=self.caller.name,
            idempotency_key=_idempotency_key(request),
            priority=body.priority,
        )
        links = execution_links(started.execution_id, workflow)
        headers = {"Location": links["self"]} | ({"Idempotent-Replayed": "true"} if started.replayed else {})
        team_id, execution_id = self.team_id, started.execution_id
        wait = self.query["wait"]
        if wait and ended_within(team_id=team_id, execution_id=execution_id, seconds=wait):
            detail = queries.get_execution(team_id=team_id, execution_id=execution_id)
            return Response(execution_shape(detail), headers=headers)
        answer = shapes.StartedExecution(execution_id=execution_id, status=started.status, links=shapes.Links(**links))
        return Response(answer, status=HTTPStatus.ACCEPTED, headers=headers)


def _idempotency_key(request: Request) -> str | None:
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not 0 < len(key) <= KEY_LENGTH or not key.isascii() or not key.isprintable():
        message = f"{IDEMPOTENCY_KEY} is a text of 1 to {KEY_LENGTH} printable ASCII characters."
        raise bad_request(IDEMPOTENCY_KEY, "idempotency.key_invalid", message)
    return key
