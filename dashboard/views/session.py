"""Logging in and out, and the theme."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from dashboard.views.frame import THEME_COOKIE, THEMES, frame

YEAR = 365 * 24 * 3600
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Login(LoginView):
    """The login page."""

    template_name = "login.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the frame; where the demo's login is open, say so."""
        host = self.request.get_host().rsplit(":", 1)[0]
        return super().get_context_data(**frame(self.request), demo=settings.PODIUM.demo and host in LOOPBACK, **kwargs)


class Logout(LogoutView):
    """The way out."""


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Remember the theme in this browser, and go back to where it was chosen."""
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        back = "/"
    response = HttpResponseRedirect(back)
    theme = request.POST.get("theme", "")
    if theme in dict(THEMES):
        response.set_cookie(
            THEME_COOKIE, theme, max_age=YEAR, samesite="Lax", secure=request.is_secure(), httponly=True
        )
    return response
