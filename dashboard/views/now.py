"""The first page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.people import Viewer
from dashboard.reading import read_now
from dashboard.views.frame import Live, page, show


@require_safe
@page
def now(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Say how things stand."""
    shown = read_now(team_id=viewer.team_id)
    return show(request, viewer, "now.html", {"page": shown}, here="now", live=Live("now"))
