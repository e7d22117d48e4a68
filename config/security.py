"""The headers that tell a browser what these pages may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.http import HttpRequest
from django.http.response import HttpResponseBase

POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
# The admin site's own scripts (Alpine) compile attributes, and its widgets carry style attributes.
ADMIN = {"script-src": "'self' 'unsafe-eval'", "style-src": "'self' 'unsafe-inline'"}
ADMIN_PREFIX = "/admin/"
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def policy(changes: Mapping[str, str]) -> str:
    """Return a content security policy: the site's own, with `changes` (directive to sources)."""
    return "; ".join(f"{name} {value}" for name, value in {**POLICY, **changes}.items())


class SecurityHeadersMiddleware:
    """Add the policy to every answer that does not bring its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, with the headers."""
        response = self.get_response(request)
        changes = ADMIN if request.path.startswith(ADMIN_PREFIX) else {}
        response.headers.setdefault("Content-Security-Policy", policy(changes))
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        return response
