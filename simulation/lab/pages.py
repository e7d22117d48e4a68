"""The lab's pages: its first page, the page of a scenario, the page of a run. Each makes one call and answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import orjson
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.people import Viewer
from dashboard.presenters.emptiness import Emptiness
from dashboard.views.frame import page, show
from orchestration import clock
from orchestration.domain.errors import DocumentInvalid, NotFound, OrchestrationError, Problem
from orchestration.engine import queries as engine

from . import operations, queries
from .document import document_of
from .filled import calls_of
from .form import ScenarioForm, changed, form_of, told_elsewhere
from .prefill import blank, prefill, text_of
from .questions import Question, asking_of, experiment_from, numbers_of, question_of
from .run_page import run_page, run_row

HERE = "lab"
WORKFLOWS = 100
NAME_LENGTH = 63
TEXT_LENGTH = 1_000_000
LOOK_ONLY = "You may look, and change nothing."


@dataclass(slots=True)
class Draft:
    """A scenario on its page: its text, the text that the form is made from, and what is wrong with it."""

    name: str
    text: str
    scenario_id: UUID | None = None
    version: int | None = None
    link: str | None = None
    seed: str = ""
    notes: list[str] = field(default_factory=list)
    message: str = ""
    problems: tuple[Problem, ...] = ()
    changed_by: str = ""
    question: Question = field(default_factory=Question)


@require_safe
@page
def lab(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List scenarios and runs, and ask what is to be known next."""
    now = clock.now()
    runs = queries.list_runs(team_id=viewer.team_id)
    context = {
        "scenarios": queries.list_scenarios(team_id=viewer.team_id),
        "runs": [run_row(each, now) for each in runs],
        "workflows": engine.list_workflows(team_id=viewer.team_id, limit=WORKFLOWS).items,
        "empty": Emptiness(
            "No simulation yet",
            "Choose a workflow above: a scenario is filled in from its last seven days. What it comes to stands here.",
        ),
        "polls": any(each.active for each in runs),
    }
    return show(request, viewer, "lab/list.html", context, here=HERE)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def new(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show a scenario that is filled in from a workflow, or take one in."""
    if request.method == "POST":
        return _act(request, viewer, _posted(request))
    workflow = request.GET.get("workflow", "")[:NAME_LENGTH]
    service = request.GET.get("service", "")[:NAME_LENGTH]
    if service and not workflow:
        workflow = _caller_of(viewer.team_id, service)
    filled = prefill(team_id=viewer.team_id, workflow=workflow) if workflow else blank()
    name = f"{workflow}: what if" if workflow else "A new scenario"
    return _scenario_page(request, viewer, Draft(name, text_of(filled.document), notes=filled.notes))


def _caller_of(team_id: int, service: str) -> str:
    """Return a workflow that calls a service, the first by name. Raises NotFound where none does."""
    for summary in engine.list_workflows(team_id=team_id, limit=WORKFLOWS).items:
        document = engine.get_workflow(team_id=team_id, workflow=summary.id).document
        if any(called == service for _, called in calls_of(document.get("steps"))):
            return summary.id
    raise NotFound(f"no workflow calls {service[:63]!r}, so there is no load on it to simulate")


@require_http_methods(["GET", "HEAD", "POST"])
@page
def scenario(request: HttpRequest, viewer: Viewer, scenario_id: UUID) -> HttpResponse:
    """Show a saved scenario, or take in what was changed of it."""
    found = queries.get_scenario(team_id=viewer.team_id, scenario_id=scenario_id)
    if request.method == "POST":
        return _act(request, viewer, _posted(request, found))
    return _scenario_page(request, viewer, _draft_of(found))


@require_safe
@page
def shared(request: HttpRequest, viewer: Viewer, link: str) -> HttpResponse:
    """Lead a member of the team to the scenario of a link: to its latest run, or to itself where it was never run."""
    found = queries.scenario_of_link(team_id=viewer.team_id, link=link)
    runs = queries.list_runs(team_id=viewer.team_id, scenario_id=found.id, limit=1)
    place = reverse("lab:run", args=[runs[0].id]) if runs else reverse("lab:scenario", args=[found.id])
    return HttpResponseRedirect(place)


@require_safe
@page
def run(request: HttpRequest, viewer: Viewer, run_id: UUID) -> HttpResponse:
    """Show what a simulation comes to, or with `part` only what changes while it runs."""
    shown = run_page(queries.get_run(team_id=viewer.team_id, run_id=run_id), clock.now())
    if "part" not in request.GET:
        return show(request, viewer, "lab/run.html", {"page": shown}, here=HERE)
    if request.GET.get("have") == shown.stamp and not shown.row.active:
        return HttpResponse(status=204)
    response = render(request, "lab/_run.html", {"page": shown, "viewer": viewer})
    response.headers["Cache-Control"] = "private, no-store"
    return response


@require_safe
@page
def exported(request: HttpRequest, viewer: Viewer, run_id: UUID, what: str) -> HttpResponse:
    """Give a run away: its scenario as a file, or its result with scenario and seed as JSON."""
    found = queries.get_run(team_id=viewer.team_id, run_id=run_id)
    if what == "yaml":
        asked = "" if found.experiment is None else f"# asked of it: {orjson.dumps(found.experiment).decode()}\n"
        text = f"# manage.py simulate THIS-FILE --seed {found.seed}\n{asked}{found.text}"
        return _file(text.encode(), "application/yaml", f"simulation-{str(run_id)[:8]}.yaml")
    document = {
        "seed": found.seed,
        "state": found.summary.state,
        "scenario": document_of(found.text),
        "experiment": found.experiment,
        "result": queries.without_pictures(found.result),
    }
    body = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    return _file(body, "application/json", f"simulation-{str(run_id)[:8]}.json")


def _file(body: bytes, kind: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return HttpResponse(body, content_type=f"{kind}; charset=utf-8", headers=headers)


@require_POST
@page
def act_on_run(request: HttpRequest, viewer: Viewer, run_id: UUID) -> HttpResponse:
    """Cancel a run, or start it once more with the same seed or another."""
    back = reverse("lab:run", args=[run_id])
    if not viewer.may_act:
        return _told(request, back, LOOK_ONLY)
    try:
        if request.POST.get("act") == "cancel":
            operations.cancel_run(team_id=viewer.team_id, run_id=run_id, by=viewer.name)
            messages.success(request, "Cancelled. What was told so far stays.")
        elif request.POST.get("act") == "keep":
            found = queries.get_run(team_id=viewer.team_id, run_id=run_id)
            given: dict[str, Any] = {
                "team_id": viewer.team_id,
                "text": found.text,
                "name": found.summary.name,
                "by": viewer.name,
            }
            back = reverse("lab:scenario", args=[operations.save_scenario(team_id=viewer.team_id, **given).scenario_id])
    except OrchestrationError as error:
        return _told(request, back, error.message)
    return HttpResponseRedirect(back)


def _told(request: HttpRequest, back: str, message: str) -> HttpResponse:
    messages.error(request, message)
    return HttpResponseRedirect(back)


# The page of a scenario -----------------------------------------------------------------------------------------------


def _draft_of(found: queries.ScenarioView) -> Draft:
    return Draft(
        found.name,
        found.text,
        found.id,
        found.version,
        found.link,
        changed_by=f"{found.updated_by}, version {found.version}",
    )


def _posted(request: HttpRequest, found: queries.ScenarioView | None = None) -> Draft:
    """Return what was posted: the file, with the fields that were changed laid over it."""
    text, base = (request.POST.get(name, "").replace("\r\n", "\n")[:TEXT_LENGTH] for name in ("text", "base"))
    seed, question = request.POST.get("seed", "").strip()[:20], question_of(request.POST)
    draft = Draft(request.POST.get("name", "")[:200], text, seed=seed, question=question)
    if found is not None:
        version = request.POST.get("version", "")
        draft.scenario_id, draft.link = found.id, found.link
        draft.version = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else None
    try:
        document = document_of(text)
    except DocumentInvalid as error:
        draft.message, draft.problems = error.message, error.problems
        return draft
    try:
        before = document_of(base)
    except DocumentInvalid:
        # The form was made from a file that could not be read: it had no fields.
        return draft
    if draft.question.numbers == numbers_of(before):
        # Nobody changed what a search was offered, so it is offered anew: the file may have other services by now.
        draft.question = replace(draft.question, numbers="")
    told = changed(document, before, {key: str(value) for key, value in request.POST.items()})
    # The file keeps its notes and its order unless a field was changed.
    draft.text = text if told == document else text_of(told)
    return draft


def _act(request: HttpRequest, viewer: Viewer, draft: Draft) -> HttpResponse:
    act = request.POST.get("act", "")
    if not viewer.may_act:
        draft.message = LOOK_ONLY
        return _scenario_page(request, viewer, draft, status=403)
    if draft.message:
        return _scenario_page(request, viewer, draft, status=422)
    try:
        return _do(request, viewer, draft, act)
    except DocumentInvalid as error:
        draft.message, draft.problems = error.message, error.problems
    except OrchestrationError as error:
        draft.message = error.message
    return _scenario_page(request, viewer, draft, status=422)


def _do(request: HttpRequest, viewer: Viewer, draft: Draft, act: str) -> HttpResponse:
    given: dict[str, Any] = {"team_id": viewer.team_id, "scenario_id": draft.scenario_id}
    match act:
        case "run":
            given |= {"seed": _seed(draft.seed), "experiment": experiment_from(draft.question, draft.text)}
            run_id = operations.start_run(**given, text=draft.text, name=draft.name, by=viewer.name)
            return HttpResponseRedirect(reverse("lab:run", args=[run_id]))
        case "save" | "save-new":
            if act == "save-new":
                given["scenario_id"] = None
            version = draft.version if given["scenario_id"] else None
            saved = operations.save_scenario(**given, text=draft.text, name=draft.name, by=viewer.name, version=version)
            messages.success(request, f"Saved, version {saved.version}.")
            return HttpResponseRedirect(reverse("lab:scenario", args=[saved.scenario_id]))
        case "file":
            return _scenario_page(request, viewer, draft)
    if draft.scenario_id is not None:
        return _do_with_saved(request, viewer, draft.scenario_id, act)
    raise NotFound("there is no such action")


def _do_with_saved(request: HttpRequest, viewer: Viewer, scenario_id: UUID, act: str) -> HttpResponse:
    given: dict[str, Any] = {"team_id": viewer.team_id, "scenario_id": scenario_id}
    back = reverse("lab:scenario", args=[scenario_id])
    match act:
        case "rename":
            operations.rename_scenario(**given, name=request.POST.get("name", ""), by=viewer.name)
        case "share":
            operations.share_scenario(**given)
            messages.success(request, "Shared: the link below opens for members of your team.")
        case "unshare":
            operations.unshare_scenario(**given)
            messages.success(request, "The link is taken back.")
        case "delete":
            operations.delete_scenario(**given)
            messages.success(request, "Deleted. Its simulations stay.")
            back = reverse("lab:lab")
        case _:
            raise NotFound("there is no such action")
    return HttpResponseRedirect(back)


def _seed(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise DocumentInvalid(
            "seed: a seed is a whole number", [Problem("seed", "value.type", "a seed is a whole number")]
        )
    return int(text)


def _scenario_page(request: HttpRequest, viewer: Viewer, draft: Draft, *, status: int = 200) -> HttpResponse:
    form = _form(draft)
    runs: tuple[queries.RunSummary, ...] = ()
    if draft.scenario_id is not None:
        runs = queries.list_runs(team_id=viewer.team_id, scenario_id=draft.scenario_id, limit=10)
    context = {
        "draft": draft,
        "form": form,
        "asking": asking_of(draft.question, draft.text),
        "elsewhere": told_elsewhere(form, draft.problems),
        "rows": min(40, max(12, draft.text.count("\n") + 2)),
        "runs": [run_row(each, clock.now()) for each in runs],
        "share": request.build_absolute_uri(reverse("lab:shared", args=[draft.link])) if draft.link else "",
    }
    return show(request, viewer, "lab/scenario.html", context, here=HERE, status=status)


def _form(draft: Draft) -> ScenarioForm:
    try:
        return form_of(document_of(draft.text), draft.problems)
    except DocumentInvalid:
        return form_of({})
