"""What every page has: its viewer, the navigation, the theme, and what its socket is to follow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from dashboard.people import Viewer, viewer_of
from orchestration import clock
from orchestration.domain.errors import NotFound

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
PageView = Callable[Concatenate[HttpRequest, Viewer, P], HttpResponse]

THEMES = (("system", "System"), ("light", "Light"), ("dark", "Dark"))
THEME_COOKIE = "podium_theme"
# By the names of their addresses: what stands above the dashboard has its place here too.
PLACES = (
    ("now", "dashboard:now", "Now"),
    ("executions", "dashboard:executions", "Executions"),
    ("workflows", "dashboard:workflows", "Workflows"),
    ("services", "dashboard:services", "Services"),
    ("lab", "lab:lab", "Capacity"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the navigation."""

    name: str
    href: str
    here: bool


@dataclass(frozen=True, slots=True)
class Live:
    """What the page's socket follows: a view with its arguments, from `seq` on."""

    view: str
    arguments: dict[str, Any] = field(default_factory=dict)
    seq: int = 0
    now: int = 0

    @property
    def args(self) -> str:
        """Return the arguments as JSON."""
        return json.dumps(self.arguments)


def page(view: PageView[P]) -> View[P]:
    """Make a view one of the site's pages: for people of a team, who find nothing of another team."""

    @wraps(view)
    @login_required
    def run(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        viewer = viewer_of(request.user)
        if viewer is None:
            return render(request, "teamless.html", frame(request), status=403)
        try:
            return view(request, viewer, *args, **kwargs)
        except NotFound as error:
            return show(request, viewer, "404.html", {"reason": error.message}, status=404)

    return run


def show(
    request: HttpRequest,
    viewer: Viewer,
    template: str,
    context: dict[str, Any],
    *,
    here: str = "",
    live: Live | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render a page whole. `here` is its place in the navigation."""
    if live is not None:
        context["live"] = Live(live.view, live.arguments, live.seq, clock.now_us())
    places = [Place(name, reverse(address), place == here) for place, address, name in PLACES]
    everything = {**frame(request), "viewer": viewer, "navigation": places, **context}
    response = render(request, template, everything, status=status)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return what base.html shows to anybody."""
    return {"theme": theme_of(request), "themes": THEMES}


def theme_of(request: HttpRequest) -> str:
    """Return the theme that this browser chose."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in dict(THEMES) else "system"
