"""The list of workflows, the page of one, and the form that starts it."""

from __future__ import annotations

import secrets

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.people import Viewer
from dashboard.presenters.workflows import StartForm, start_form
from dashboard.reading import read_document, read_workflow, read_workflows
from dashboard.views.frame import Live, page, show
from orchestration.domain.documents import parse_json
from orchestration.domain.errors import DocumentInvalid, InputInvalid, OrchestrationError, Problem
from orchestration.engine import operations

CURSOR_LENGTH = 63
KEY_LENGTH = 64


@require_safe
@page
def workflows(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List workflows."""
    shown = read_workflows(team_id=viewer.team_id, cursor=request.GET.get("cursor", "")[:CURSOR_LENGTH] or None)
    return show(request, viewer, "workflows/list.html", {"page": shown}, here="workflows")


@require_safe
@page
def workflow(request: HttpRequest, viewer: Viewer, workflow: str) -> HttpResponse:
    """Show a workflow at its latest revision, or at the one that is asked for."""
    return _show(request, viewer, workflow, _revision(request.GET.get("revision", "")))


@require_safe
@page
def definition(request: HttpRequest, viewer: Viewer, workflow: str) -> HttpResponse:
    """Give the whole definition as JSON."""
    found = read_document(
        team_id=viewer.team_id, workflow=workflow, revision=_revision(request.GET.get("revision", ""))
    )
    return JsonResponse(found, json_dumps_params={"indent": 2, "ensure_ascii": False})


@require_POST
@page
def start(request: HttpRequest, viewer: Viewer, workflow: str) -> HttpResponse:
    """Start an execution and lead to its page; or show the form again with all that is wrong."""
    revision = _revision(request.POST.get("revision", ""))
    text = request.POST.get("input", "")
    if not viewer.may_act:
        messages.error(request, "You may look, and change nothing.")
        return HttpResponseRedirect(reverse("dashboard:workflow", args=[workflow]))
    try:
        started = operations.start_execution(
            team_id=viewer.team_id,
            workflow=workflow,
            revision=revision,
            input=_object(text),
            by=viewer.name,
            idempotency_key=f"page:{viewer.user_id}:{request.POST.get('key', '')[:KEY_LENGTH] or _key()}",
        )
    except DocumentInvalid as error:
        problems = [(problem.path, problem.message) for problem in error.problems]
        return _again(request, viewer, workflow, revision, text, error.message, problems)
    except operations.IdempotencyMismatch:
        said = "This form has started an execution before, with another input. Press Start once more for a new one."
        return _again(request, viewer, workflow, revision, text, said, [])
    except OrchestrationError as error:
        return _again(request, viewer, workflow, revision, text, error.message, [])
    return HttpResponseRedirect(reverse("dashboard:execution", args=[started.execution_id]))


def _again(
    request: HttpRequest,
    viewer: Viewer,
    workflow: str,
    revision: int | None,
    text: str,
    message: str,
    problems: list[tuple[str, str]],
) -> HttpResponse:
    document = read_document(team_id=viewer.team_id, workflow=workflow, revision=revision)
    form = start_form(document, key=_key(), text=text, message=message, problems=problems)
    return _show(request, viewer, workflow, revision, form=form, status=422)


def _show(
    request: HttpRequest,
    viewer: Viewer,
    workflow: str,
    revision: int | None,
    *,
    form: StartForm | None = None,
    status: int = 200,
) -> HttpResponse:
    shown = read_workflow(team_id=viewer.team_id, workflow=workflow, revision=revision, key=_key(), form=form)
    arguments = {"query": f"workflow={shown.id}", "oldest": shown.oldest}
    live = Live("executions", arguments)
    context = {"page": shown}
    return show(request, viewer, "workflows/page.html", context, here="workflows", live=live, status=status)


def _object(text: str) -> dict[str, object]:
    value = parse_json(text or "{}")
    if not isinstance(value, dict):
        raise InputInvalid("The input has to be an object.", [Problem("input", "value.type", "Write it as { … }.")])
    return value


def _revision(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 9 else None


def _key() -> str:
    return secrets.token_hex(16)
