"""How people log in: by name and password. The demo's login is open on loopback only."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

DEMO_USERNAME = "demo"
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


class PeopleBackend(ModelBackend):
    """Django's users. The user `demo`, whose password everybody knows, only from this very machine."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Return the user whose name and password these are, or None."""
        if (username or "").lower() == DEMO_USERNAME and not demo_is_open(request):
            return None
        return super().authenticate(request, username=username, password=password, **kwargs)


def demo_is_open(request: HttpRequest | None) -> bool:
    """Say whether the demo login is open to this request: the demo runs here, and the browser is on this machine.

    A request that a proxy passed on, or that names a host other than loopback, may come from anywhere.
    """
    if not settings.PODIUM.demo or request is None:
        return False
    if any(name in request.META for name in FORWARDED):
        return False
    host = request.META.get("HTTP_HOST", "").rsplit("@", 1)[-1]
    return _is_loopback(request.META.get("REMOTE_ADDR", "")) and _is_loopback(_without_port(host))


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_loopback(text: str) -> bool:
    if text == "localhost":
        return True
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
