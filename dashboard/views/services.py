"""The list of services, and the page of one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.people import Viewer
from dashboard.reading import read_service, read_services
from dashboard.views.frame import Live, page, show


@require_safe
@page
def services(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List services with their instances and their health."""
    shown = read_services(team_id=viewer.team_id)
    return show(request, viewer, "services/list.html", {"page": shown}, here="services", live=Live("services"))


@require_safe
@page
def service(request: HttpRequest, viewer: Viewer, service: str) -> HttpResponse:
    """Show one service: its instances with their health over the last day, and how it is called."""
    shown = read_service(team_id=viewer.team_id, name=service)
    live = Live("service", {"name": service})
    return show(request, viewer, "services/page.html", {"page": shown}, here="services", live=live)
