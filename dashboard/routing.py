"""The addresses of sockets."""

from __future__ import annotations

from django.urls import path

from dashboard.consumers import LiveConsumer
from dashboard.service_events import ServiceEventsConsumer

websocket_urlpatterns = [path("ws/live", LiveConsumer.as_asgi())]
# Programs come here too, which name no origin; the consumer asks persons for theirs itself.
open_urlpatterns = [path("ws/services", ServiceEventsConsumer.as_asgi())]
