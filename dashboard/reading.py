"""What pages read: one function a page, used by its view and by the live feed alike.

Each takes the team that asks, so that nothing of another team is ever found, and gives what the templates show.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse

from dashboard.graph.drawings import Drawings
from dashboard.presenters.emptiness import Emptiness
from dashboard.presenters.execution import EVENTS, ExecutionPage, execution_page
from dashboard.presenters.executions import (
    Arrivals,
    ExecutionList,
    ExecutionRow,
    Strip,
    emptiness,
    execution_row,
    strip,
)
from dashboard.presenters.filters import ExecutionFilter
from dashboard.presenters.now import NEEDS_A_LOOK, NowPage, now_page
from dashboard.presenters.services import DRAWN, ServiceList, ServicePage, service_list, service_page
from dashboard.presenters.workflows import (
    StartForm,
    WorkflowList,
    WorkflowPage,
    start_form,
    workflow_list,
    workflow_page,
)
from dashboard.words.times import micros
from orchestration import clock
from orchestration.domain.definition import parse_definition
from orchestration.engine import queries
from orchestration.engine.queries import ExecutionSummary
from orchestration.registry import queries as registry

ROWS = 50
RECENT = 10
WORKFLOWS = 100
LATELY = timedelta(hours=24)

_drawings = Drawings()


def read_now(*, team_id: int) -> NowPage:
    """Return the first page: how things stand, what needs a look, what ran last."""
    now = clock.now()
    attention = queries.list_executions(team_id=team_id, status=NEEDS_A_LOOK, since=now - LATELY, limit=ROWS)
    recent = queries.list_executions(team_id=team_id, limit=RECENT)
    any_workflow = bool(recent.items) or _any_workflow(team_id)
    return now_page(
        counts=queries.count_by_status(team_id=team_id),
        attention=attention.items,
        recent=recent.items,
        services=registry.list_services(team_id=team_id),
        empty=emptiness(
            ExecutionFilter(),
            any_workflow=any_workflow,
            home=reverse("dashboard:executions"),
            workflows=reverse("dashboard:workflows"),
        ),
        now=clock.now_us(),
    )


def read_executions(*, team_id: int, chosen: ExecutionFilter) -> ExecutionList:
    """Return a page of executions. Raises InputInvalid for a cursor that no page gave."""
    now = clock.now()
    page = queries.list_executions(team_id=team_id, limit=ROWS, **chosen.arguments(now))
    home = reverse("dashboard:executions")
    workflows = queries.list_workflows(team_id=team_id, limit=WORKFLOWS).items
    empty: Emptiness | None = None
    if not page.items:
        empty = emptiness(chosen, any_workflow=bool(workflows), home=home, workflows=reverse("dashboard:workflows"))
    return ExecutionList(
        filter=chosen,
        strip=strip(queries.count_by_status(team_id=team_id), chosen),
        rows=rows_of(page.items),
        workflows=tuple((each.id, each.name) for each in workflows),
        newer=chosen.at("").query if chosen.cursor else None,
        older=chosen.at(page.next_cursor).query if page.next_cursor else None,
        oldest=oldest_shown(page.items, full=page.next_cursor is not None),
        arrivals=arrivals(chosen, 0),
        empty=empty,
    )


def read_strips(*, team_id: int, filters: Collection[ExecutionFilter]) -> dict[ExecutionFilter, Strip]:
    """Return the strips of several filters, with one count."""
    if not filters:
        return {}
    counts = queries.count_by_status(team_id=team_id)
    return {chosen: strip(counts, chosen) for chosen in filters}


def read_summaries(*, team_id: int, ids: Sequence[str]) -> tuple[ExecutionSummary, ...]:
    """Return the executions with these ids, as far as they are the team's."""
    return queries.list_executions(team_id=team_id, ids=ids, limit=len(ids)).items if ids else ()


def read_first(*, team_id: int, chosen: ExecutionFilter) -> tuple[ExecutionSummary, ...]:
    """Return what stands on the first page of a filtered list just now."""
    now = clock.now()
    return queries.list_executions(team_id=team_id, limit=ROWS, **chosen.at("").arguments(now)).items


def rows_of(summaries: Sequence[ExecutionSummary]) -> tuple[ExecutionRow, ...]:
    """Return executions as rows."""
    now = clock.now_us()
    return tuple(execution_row(each, now=now) for each in summaries)


def arrivals(chosen: ExecutionFilter, count: int) -> Arrivals:
    """Return the line that says how many executions arrived, with the address that shows them."""
    query = chosen.at("").query
    return Arrivals(count, reverse("dashboard:executions") + (f"?{query}" if query else ""))


def oldest_shown(summaries: Sequence[ExecutionSummary], *, full: bool) -> int:
    """Return the instant from which on an execution would stand on this page: 0 while there is room on it."""
    return (micros(summaries[-1].created_at) or 0) if full else 0


def read_execution(*, team_id: int, execution_id: str, begin: int = 0, chosen: str = "") -> ExecutionPage:
    """Return the page of an execution; `begin` is the first row of its table, `chosen` a step's path.

    Raises NotFound.
    """
    detail = queries.get_execution(team_id=team_id, execution_id=execution_id)
    seq = detail.summary.seq
    events = queries.list_events(
        team_id=team_id, execution_id=execution_id, after=max(0, seq - EVENTS), limit=min(seq, EVENTS)
    )
    layout = _drawings.layout_of(detail.definition, key=(team_id, detail.summary.workflow, detail.summary.revision))
    return execution_page(detail, events, layout, now=clock.now_us(), begin=begin, chosen=chosen)


def read_value(*, team_id: int, execution_id: str, what: str) -> Any:
    """Return an execution's whole `input` or `output`. Raises NotFound."""
    detail = queries.get_execution(team_id=team_id, execution_id=execution_id, steps_limit=0)
    return detail.input if what == "input" else detail.output


def read_workflows(*, team_id: int, cursor: str | None) -> WorkflowList:
    """Return a page of workflows."""
    page = queries.list_workflows(team_id=team_id, limit=ROWS, cursor=cursor)
    return workflow_list(page.items, cursor=cursor, older=page.next_cursor)


def read_workflow(
    *, team_id: int, workflow: str, revision: int | None = None, key: str, form: StartForm | None = None
) -> WorkflowPage:
    """Return the page of a workflow; `form` brings back what somebody typed, `key` is a new one's. Raises NotFound."""
    detail = queries.get_workflow(team_id=team_id, workflow=workflow, revision=revision)
    definition = parse_definition(detail.document, limits=settings.PODIUM.limits)
    layout = _drawings.layout_of(definition, key=(team_id, detail.id, detail.revision))
    recent = queries.list_executions(team_id=team_id, workflow=workflow, limit=RECENT)
    return workflow_page(
        detail,
        definition,
        layout,
        recent.items,
        form or start_form(detail.document, key=key),
        arrivals=arrivals(ExecutionFilter(workflow=workflow), 0),
        oldest=oldest_shown(recent.items, full=recent.next_cursor is not None),
        now=clock.now_us(),
    )


def read_document(*, team_id: int, workflow: str, revision: int | None) -> dict[str, Any]:
    """Return a workflow's definition as it was saved. Raises NotFound."""
    return queries.get_workflow(team_id=team_id, workflow=workflow, revision=revision).document


def read_services(*, team_id: int) -> ServiceList:
    """Return the services with their instances."""
    return service_list(registry.list_services(team_id=team_id), registry.doubts(team_id=team_id))


def read_service(*, team_id: int, name: str) -> ServicePage:
    """Return one service with its policy, and its instances with their health over the last day. Raises NotFound."""
    service, now = registry.get_service(team_id=team_id, name=name), clock.now()
    histories = registry.health_histories(team_id=team_id, name=name, since=now - DRAWN)
    return service_page(service, histories, registry.doubts(team_id=team_id), now=now)


def _any_workflow(team_id: int) -> bool:
    return bool(queries.list_workflows(team_id=team_id, limit=1).items)
