"""How often one caller may ask: a bucket of tokens per caller, filled at a steady rate, counted in this process."""

from __future__ import annotations

import threading
from collections import OrderedDict

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from orchestration import clock

from .authentication import Caller

CALLERS_KEPT = 10_000


class Buckets:
    """Buckets by key. Taking is atomic; the keys that were not heard of for longest are forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, *, rate: float, burst: int, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one. `rate` is tokens a second."""
        with self._lock:
            tokens, at = self._buckets.pop(key, (float(burst), now))
            tokens = min(float(burst), tokens + max(0.0, now - at) * rate)
            missing = 1.0 - tokens
            self._buckets[key] = (tokens if missing > 0 else tokens - 1.0, now)
            while len(self._buckets) > CALLERS_KEPT:
                self._buckets.popitem(last=False)
            return max(0.0, missing / rate)

    def clear(self) -> None:
        """Forget everybody."""
        with self._lock:
            self._buckets.clear()

    def __len__(self) -> int:
        """Return of how many callers something is known."""
        return len(self._buckets)


BUCKETS = Buckets()


def rate_key(caller: Caller) -> str:
    """Return the name of the caller's bucket."""
    return f"{caller.team_id}/{caller.person}/{caller.name}"


class CallerRate(BaseThrottle):
    """Refuse (429) a caller who asks faster than the site's settings allow; a rate of 0 is no limit."""

    def __init__(self) -> None:
        self._wait = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Say whether the caller may go on."""
        if isinstance(request.user, Caller):
            self._wait = self.take(request.user)
        return not self._wait

    def take(self, caller: Caller) -> float:
        """Return the seconds until the caller may go on; 0 for at once."""
        rate, burst = settings.PODIUM.api_rate, settings.PODIUM.api_burst
        return BUCKETS.take(rate_key(caller), rate=rate, burst=burst, now=clock.monotonic()) if rate else 0.0

    def wait(self) -> float | None:
        """Return the seconds until the caller may ask again."""
        return self._wait or None


class HeartbeatRate(CallerRate):
    """The same for heartbeats, which have a bucket of their own: thousands of instances may share one key."""

    def take(self, caller: Caller) -> float:
        """Return the seconds until the caller may send another heartbeat; 0 for at once."""
        return heartbeat_wait(rate_key(caller))


def heartbeat_wait(name: str) -> float:
    """Take a token for a heartbeat of the caller whose buckets have this name; return the seconds until there is one.

    0 means that it was taken.
    """
    rate, burst = settings.PODIUM.api_heartbeat_rate, settings.PODIUM.api_heartbeat_burst
    return BUCKETS.take(f"heartbeats/{name}", rate=rate, burst=burst, now=clock.monotonic()) if rate else 0.0
