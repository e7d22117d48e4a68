"""The web server's way in: pages and API over HTTP, live changes over sockets."""

from __future__ import annotations

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
serving = not settings.configured
if serving:
    # A pool of connections pays in a web process; in workers, which fork, it would break.
    os.environ.setdefault("PODIUM_WEB_POOL", "10")

pages = get_asgi_application()

from dashboard.routing import open_urlpatterns, websocket_urlpatterns  # noqa: E402 - its rows need the apps to be set up
from orchestration.api import doorkeeper  # noqa: E402 - it reads the settings
from orchestration.api.afterwards import Afterwards  # noqa: E402 - as above
from orchestration.api.known_heartbeats import KnownHeartbeats  # noqa: E402 - as above
from orchestration.soundness import why_unsound  # noqa: E402 - as above

if serving and (reason := why_unsound()):
    raise SystemExit(f"The web process does not start: {reason}.")

doorkeeper.install()

application = ProtocolTypeRouter(
    {
        "http": KnownHeartbeats(Afterwards(pages)),
        "websocket": AuthMiddlewareStack(
            URLRouter([*open_urlpatterns, re_path("", AllowedHostsOriginValidator(URLRouter(websocket_urlpatterns)))])
        ),
    }
)
