"""The list of executions, the page of one, and what people do to it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.people import Viewer
from dashboard.presenters.execution import EVENTS
from dashboard.presenters.filters import ExecutionFilter
from dashboard.presenters.steps import PAGE
from dashboard.reading import read_execution, read_executions, read_value
from dashboard.views.frame import Live, page, show
from orchestration.domain.documents import parse_json
from orchestration.domain.errors import DocumentInvalid, InputInvalid, OrchestrationError
from orchestration.domain.facts import Cancel, Pause, Rerun, Resume, Retry, Signal
from orchestration.engine import operations

WINDOWS = (("1h", "the last hour"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"))
PATH_LENGTH = 1_000
ACT_SECONDS = 3.0


@require_safe
@page
def executions(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List executions; the filter stands in the address."""
    chosen = ExecutionFilter.from_query(request.GET)
    try:
        shown = read_executions(team_id=viewer.team_id, chosen=chosen)
    except InputInvalid:
        # A cursor that no page gave, or that is out of date: the list from its beginning.
        return HttpResponseRedirect(f"{request.path}?{chosen.at('').query}")
    arguments = {"query": chosen.query, "oldest": shown.oldest, "strip": True}
    context = {"page": shown, "windows": WINDOWS}
    return show(request, viewer, "executions/list.html", context, here="executions", live=Live("executions", arguments))


@require_safe
@page
def execution(request: HttpRequest, viewer: Viewer, execution_id: UUID) -> HttpResponse:
    """Show one execution; `from` is the first row of its table, `step` the one whose details are shown."""
    begin, chosen = _number(request.GET.get("from", "")), request.GET.get("step", "")[:PATH_LENGTH]
    shown = read_execution(team_id=viewer.team_id, execution_id=str(execution_id), begin=begin, chosen=chosen)
    arguments = {"id": shown.id, "from": shown.table.begin, "step": chosen}
    return show(
        request,
        viewer,
        "execution/page.html",
        {"page": shown, "page_size": PAGE, "events_shown": EVENTS},
        here="executions",
        live=Live("execution", arguments, seq=shown.seq),
    )


@require_safe
@page
def document(request: HttpRequest, viewer: Viewer, execution_id: UUID, what: str) -> HttpResponse:
    """Give the whole input or output as JSON."""
    value = read_value(team_id=viewer.team_id, execution_id=str(execution_id), what=what)
    return JsonResponse(value, safe=False, json_dumps_params={"indent": 2, "ensure_ascii": False})


@require_POST
@page
def act(request: HttpRequest, viewer: Viewer, execution_id: UUID) -> HttpResponse:
    """Do something to an execution, say what came of it, and go back to its page."""
    back = HttpResponseRedirect(reverse("dashboard:execution", args=[execution_id]))
    asked = _ACTS.get(request.POST.get("act", ""))
    if asked is None or not viewer.may_act:
        messages.error(request, "You may look, and change nothing." if asked else "There is no such action.")
        return back
    done, make = asked
    try:
        result = operations.act(
            team_id=viewer.team_id,
            execution_id=str(execution_id),
            fact=make(request),
            by=viewer.name,
            timeout=ACT_SECONDS,
        )
    except DocumentInvalid as error:
        messages.error(request, " ".join([error.message, *(problem.message for problem in error.problems)]))
    except OrchestrationError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, done if result.done else "Asked for; it is done as soon as a worker takes it up.")
    return back


_ACTS: dict[str, tuple[str, Callable[[HttpRequest], operations.Action]]] = {
    "pause": ("Paused. What runs ends, nothing new starts.", lambda request: Pause()),
    "resume": ("Resumed.", lambda request: Resume()),
    "cancel": ("Cancelled.", lambda request: Cancel(compensate=request.POST.get("compensate") == "yes")),
    "retry": ("It runs again from what failed.", lambda request: Retry()),
    "rerun": ("It runs again from this step.", lambda request: Rerun(request.POST.get("step", "")[:PATH_LENGTH])),
    "signal": (
        "The signal is sent.",
        lambda request: Signal(request.POST.get("name", "")[:200], parse_json(request.POST.get("value") or "null")),
    ),
}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
