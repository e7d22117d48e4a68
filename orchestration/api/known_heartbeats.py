"""Heartbeats of instances that are known, by callers that were let in a moment ago: answered on the event loop.

A heartbeat says one bit, and comes a thousand times a second; Django's whole way takes ten times as long as it is
worth. So `KnownHeartbeats` stands before the site and answers those alone about which nothing is in doubt: no body, a
key that the site itself let in `KEY_SECONDS` ago at most, a caller within its rate, an instance that is known and
active (registry/heartbeats.py). Everything else goes the whole way, and whatever is refused is refused there.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import MutableMapping
from typing import Any

from django.conf import settings
from pydantic_core import to_json

from orchestration import clock
from orchestration.registry.heartbeats import EAR, Heard

from .afterwards import Application, Receive, Send
from .rates import heartbeat_wait

PATH = re.compile(
    r"/api/v1/services/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/heartbeat/?", re.ASCII
)
KEY_SECONDS = 10.0
KEYS_KEPT = 10_000
HEADERS = (
    (b"Content-Type", b"application/json"),
    (b"Cache-Control", b"no-store"),
    (b"X-Content-Type-Options", b"nosniff"),
)


class LetIn:
    """Callers that the site has let in lately: a hash of what they showed, their team, and the name of their rate."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[int, str, float]] = OrderedDict()

    def remember(self, shown: str, *, team_id: int, rate_key: str) -> None:
        """Let in whoever shows this Authorization header, for a moment."""
        with self._lock:
            self._known[_hash(shown.encode())] = (team_id, rate_key, clock.monotonic() + KEY_SECONDS)
            while len(self._known) > KEYS_KEPT:
                self._known.popitem(last=False)

    def find(self, shown: bytes) -> tuple[int, str] | None:
        """Return the team and the name of the rate of whoever shows this, None for somebody not let in lately."""
        found = self._known.get(_hash(shown))
        if found is None or found[2] < clock.monotonic():
            return None
        return found[0], found[1]


LET_IN = LetIn()


def _hash(shown: bytes) -> bytes:
    return hashlib.sha256(shown).digest()


class KnownHeartbeats:
    """The ASGI application that answers them, and hands everything else on."""

    def __init__(self, site: Application) -> None:
        self._site = site

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a heartbeat about which nothing is in doubt; have the site answer everything else."""
        heard = _heard(scope) if scope["type"] == "http" and scope["method"] == "PUT" else None
        if heard is None:
            await self._site(scope, receive, send)
            return
        body = to_json({"id": heard.id, "status": heard.status, "ttl": heard.ttl})
        length = (b"Content-Length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]})
        await send({"type": "http.response.body", "body": body})


def _heard(scope: MutableMapping[str, Any]) -> Heard | None:
    match = PATH.fullmatch(scope["path"])
    if match is None or scope.get("query_string"):
        return None
    headers = dict(scope["headers"])
    shown = headers.get(b"authorization")
    has_body = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
    if shown is None or has_body or not _is_secure_enough(scope, headers):
        return None
    caller = LET_IN.find(shown)
    if caller is None or heartbeat_wait(caller[1]):
        return None
    return EAR.hear_known(team_id=caller[0], instance_id=match[1])


def _is_secure_enough(scope: MutableMapping[str, Any], headers: dict[bytes, bytes]) -> bool:
    """Say whether the site would not send the caller to https first."""
    if not settings.SECURE_SSL_REDIRECT or scope.get("scheme") == "https":
        return True
    proxy = getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
    return proxy is not None and headers.get(b"x-forwarded-proto") == proxy[1].encode()
