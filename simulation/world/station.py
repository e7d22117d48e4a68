"""One instance of a simulated service: so many calls at once, a line for the others, and what is measured of both.

Always true: nobody waits while a place is free; `busy` counts those served, let go or not, for the server does not see
who has stopped listening. Areas are integrals over time (call-microseconds), brought up to date before every change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from orchestration.domain.balancing import Load
from orchestration.domain.calling.gate import Go
from orchestration.domain.errors import StepError
from orchestration.domain.health import HEALTHY, Health
from orchestration.domain.lifecycle import ACTIVE

from .host import Host
from .models import Failures
from .shell import Execution


class Serving(Protocol):
    """Who makes an attempt."""

    def cancel(self, execution: Execution, attempt: str) -> None:
        """Let it go."""


class Work:
    """One attempt at a station: whose it is, since when, and whether anybody still waits for it."""

    __slots__ = (
        "attempt",
        "awaited",
        "begun",
        "error",
        "execution",
        "fails",
        "go",
        "service",
        "station",
        "time",
        "timeout",
    )

    def __init__(
        self, execution: Execution, attempt: str, service: Serving, station: Station, begun: int, time: int, fails: bool
    ) -> None:
        self.service = service
        self.execution = execution
        self.attempt = attempt
        self.station = station
        self.begun = begun
        self.time = time
        self.fails = fails
        self.error: StepError | None = None
        self.go: Go | None = None
        self.timeout: int | None = None
        self.awaited = True


class Station:
    """An instance as the balancing code asks about it, and as a queue."""

    __slots__ = (
        "_at", "busy", "busy_area", "capacity", "down", "error", "failing", "full_capacity", "health",
        "host", "id", "inside_area", "left", "line", "load", "locality", "measured_health", "pace", "places_area",
        "retire", "served", "serving", "spent", "status", "tags", "version",
    )  # fmt: skip

    def __init__(self, name: str, capacity: int, now: int) -> None:
        self.id = name
        self.capacity = self.full_capacity = capacity
        self.busy = 0
        self.line: deque[Work] = deque()
        self.load = Load()
        self.status = ACTIVE
        self.health = HEALTHY
        self.measured_health = Health(HEALTHY)
        self.tags: tuple[str, ...] = ()
        self.version = self.locality = ""
        self.down = False
        self.served = self.left = self.spent = 0
        self.busy_area = self.inside_area = self.places_area = 0
        self._at = now
        # What differs from version to version, and what only an instance on a node has.
        self.failing: Failures | None = None
        self.error: StepError | None = None
        self.pace = 1.0
        self.host: Host | None = None
        self.serving: dict[Work, None] = {}
        self.retire: Callable[[Station], None] | None = None

    @property
    def inside(self) -> int:
        """Return how many are served or wait."""
        return self.busy + len(self.line)

    def measure(self, now: int) -> None:
        """Bring the areas up to date."""
        elapsed = now - self._at
        if elapsed:
            self.busy_area += self.busy * elapsed
            self.inside_area += (self.busy + len(self.line)) * elapsed
            self.places_area += self.full_capacity * elapsed
            self._at = now

    def forget_measures(self, now: int) -> None:
        """Begin measuring anew: the warm-up is over."""
        self.measure(now)
        self.served = self.left = self.spent = 0
        self.busy_area = self.inside_area = self.places_area = 0
