"""Connections to PostgreSQL that do not wait for ever.

A server that is gone without a word, or a network that swallows everything, leaves a statement waiting for an answer
that never comes: the server's own time limits cannot reach this side, and while something on the way still acknowledges
packets, neither do keepalives. So whoever waits here waits for a bounded time; then the connection is thrown away, and
what was asked counts as unanswered: it may have been done or not.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import psycopg
from psycopg import AsyncConnection, Connection, OperationalError

from orchestration import clock

# No server takes longer over a packet than this without being thought gone.
KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}


class Unanswered(OperationalError):
    """The server did not answer in time."""


class BoundedConnection(Connection[Any]):
    """A connection that waits at most `answer_seconds` for each answer."""

    answer_seconds: ClassVar[float] = 6.0

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer. Raises Unanswered when it does not come in time; the connection is closed then."""
        try:
            return super().wait(gen, interval, timeout=self.answer_seconds if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as error:
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise Unanswered(f"no answer within {self.answer_seconds:g} s") from error


class AsyncBoundedConnection(AsyncConnection[Any]):
    """The same for a loop."""

    answer_seconds: ClassVar[float] = 6.0

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer. Raises Unanswered when it does not come in time; the connection is closed then."""
        try:
            return await super().wait(gen, interval, timeout=self.answer_seconds if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as error:
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise Unanswered(f"no answer within {self.answer_seconds:g} s") from error


class PatientConnection(BoundedConnection):
    """Django's connection where there is no pool: it waits for ever, unless its process has set a bound.

    A command that migrates or fills a table may wait for hours and is watched by whoever gave it. A worker is watched
    by nobody: its supervisor and its clusters set theirs when they begin (`be_patient_for`).
    """

    answer_seconds: ClassVar[float] = math.inf

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer. Raises Unanswered when it does not come in time; the connection is closed then."""
        if timeout is None and self.answer_seconds == math.inf:
            return Connection.wait(self, gen, interval)
        return super().wait(gen, interval, timeout)


def be_patient_for(seconds: float) -> None:
    """Have every connection of Django's that this process opens, or has open, wait so long for each answer."""
    PatientConnection.answer_seconds = seconds


class WebConnection(BoundedConnection):
    """A web process's connection: the answer is to be there, or 503, while the caller still waits.

    Once one of them was met with silence, those that have not been heard of since are given little time to prove
    themselves, so that a caller does not wait for each connection of the pool in turn.
    """

    answer_seconds = 2.5
    doubt_seconds: ClassVar[float] = 0.2
    silent_at: ClassVar[float] = -1.0
    heard_at = -1.0

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer. Raises Unanswered when it does not come in time; the connection is closed then."""
        if self.heard_at < 0:
            self.heard_at = clock.monotonic()
        doubted = timeout is None and self.heard_at <= WebConnection.silent_at
        try:
            found = super().wait(gen, interval, self.doubt_seconds if doubted else timeout)
        except (Unanswered, psycopg.errors._WaitTimeout):
            if doubted:
                self.pgconn.finish()
            WebConnection.silent_at = clock.monotonic()
            raise
        self.heard_at = clock.monotonic()
        return found


class BeatConnection(BoundedConnection):
    """A heartbeat's connection: a renewal that is not answered well within the lease is tried on another one."""

    answer_seconds = 2.0
