"""Answers that wait until an execution has ended.

A request that waits holds a thread of this process, so only `api_waiters` of them wait at once; one more is answered
at once, as if the time were up. That an execution has not ended is an ordinary answer. What has not ended within a
moment is asked about now and then, and in between the request gives its database connection back: there are fewer of
those than there may be waiters.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

from orchestration import clock
from orchestration.domain import lifecycle
from orchestration.engine import queries

MOMENT = 0.5
PAUSE = 0.1


class Places:
    """Places to wait in, handed out as long as there are some."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    @property
    def taken(self) -> int:
        """Return how many places are taken."""
        return self._taken

    def take(self, most: int) -> bool:
        """Take a place if fewer than `most` are taken, and say whether."""
        with self._lock:
            if self._taken >= most:
                return False
            self._taken += 1
            return True

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self._taken -= 1


PLACES = Places()


def ended_within(*, team_id: int, execution_id: str, seconds: float) -> bool:
    """Wait until the execution has ended, at most `seconds`, and say whether it has."""
    with place_to_wait() as free:
        return free and _wait(team_id, execution_id, seconds)


@contextmanager
def place_to_wait() -> Iterator[bool]:
    """Take a place to wait in for the time of a block, and tell it whether there was one."""
    free = PLACES.take(settings.PODIUM.api_waiters)
    try:
        yield free
    finally:
        if free:
            PLACES.leave()


def _wait(team_id: int, execution_id: str, seconds: float) -> bool:
    until = clock.monotonic() + seconds
    between = threading.Event()
    patience = MOMENT
    while True:
        left = max(0.0, until - clock.monotonic())
        found = queries.wait_until_ended(team_id=team_id, execution_id=execution_id, timeout=min(left, patience))
        if found.status in lifecycle.EXECUTION.last or left <= patience:
            return found.status in lifecycle.EXECUTION.last
        if not connection.in_atomic_block:
            connection.close()
        between.wait(PAUSE)
        patience = 0.0
