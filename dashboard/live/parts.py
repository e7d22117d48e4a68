"""A page as parts: the elements that can change, each with the template that also renders it in the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string

from dashboard.presenters.execution import ExecutionPage
from dashboard.presenters.executions import Arrivals, ExecutionRow, Strip
from dashboard.presenters.now import NowPage
from dashboard.presenters.services import ServiceList, ServicePage
from dashboard.presenters.steps import PAGE

BOX_STEPS = "steps-body"
BOX_EVENTS = "events-body"
BOX_CHILDREN = "children-body"
BOX_SERVICES = "services-body"
BOX_INSTANCES = "instances-body"
BOX_ATTENTION = "attention-body"
BOX_RECENT = "recent-body"


@dataclass(frozen=True, slots=True)
class Part:
    """One element: its id, its template and what the template shows. `box` is the list that it stands in."""

    id: str
    template: str
    model: Any
    box: str = ""
    svg: bool = False

    def html(self) -> str:
        """Render the element."""
        return render_to_string(self.template, {"it": self.model, "page_size": PAGE}).strip()


def execution_parts(page: ExecutionPage) -> Iterable[Part]:
    """Return everything on the page of an execution that can change."""
    yield Part("head", "execution/_head.html", page.head)
    yield Part("banners", "execution/_banners.html", page.banners)
    yield Part("acts", "execution/_acts.html", page.acts)
    for stroke in page.picture.strokes:
        yield Part(stroke.anchor, "graph/_line.html", stroke, svg=True)
    for node in page.picture.nodes:
        yield Part(node.anchor, "graph/_node.html", node, svg=True)
    if page.detail is not None:
        yield Part("detail-body", "execution/_detail.html", page.detail)
    yield Part("axis", "execution/_axis.html", page.table.axis)
    for row in page.table.rows:
        yield Part(row.anchor, "execution/_step.html", row, BOX_STEPS)
    yield Part("steps-more", "execution/_steps_more.html", page.table.place)
    for child in page.children:
        yield Part(child.anchor, "executions/_row.html", child, BOX_CHILDREN)
    yield Part("output", "execution/_output.html", page.result)
    for event in page.events:
        yield Part(event.anchor, "execution/_event.html", event, BOX_EVENTS)


def now_parts(page: NowPage) -> Iterable[Part]:
    """Return everything on the first page that can change."""
    yield Part("sentence", "_sentence.html", page.sentence)
    for row in page.attention:
        yield Part(row.anchor, "executions/_row.html", row, BOX_ATTENTION)
    for row in page.recent:
        yield Part(row.anchor, "executions/_row.html", row, BOX_RECENT)


def services_parts(page: ServiceList) -> Iterable[Part]:
    """Return the services, and what the registry doubts."""
    yield Part("doubts", "services/_doubts.html", page.doubts)
    for row in page.rows:
        yield Part(row.anchor, "services/_service.html", row, BOX_SERVICES)


def service_parts(page: ServicePage) -> Iterable[Part]:
    """Return everything on the page of a service that can change."""
    yield Part("service-head", "services/_head.html", page.head)
    yield Part("doubts", "services/_doubts.html", page.doubts)
    for instance in page.instances:
        yield Part(instance.row.anchor, "services/_instance.html", instance, BOX_INSTANCES)
    yield Part("policy", "services/_policy.html", page.policy)


def row_part(row: ExecutionRow) -> Part:
    """Return one row of the list of executions, which stays where it is."""
    return Part(row.anchor, "executions/_row.html", row)


def strip_part(strip: Strip) -> Part:
    """Return the strip of states."""
    return Part("strip", "executions/_strip.html", strip)


def arrivals_part(arrivals: Arrivals) -> Part:
    """Return the line that says how many executions arrived."""
    return Part("arrivals", "executions/_arrivals.html", arrivals)
