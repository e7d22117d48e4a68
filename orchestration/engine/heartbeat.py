"""The heartbeat of a shift: its lease, renewed from a thread and a connection of its own.

However busy the shift's loop is, the thread goes on; however broken its connections are, the thread has another. When
the lease was not renewed for four fifths of its length by this process's monotonic clock, or the row says that the
shift is no longer awake, `lost` is called once: the shift stops and writes nothing more (the database would refuse it
anyway). On PostgreSQL the connection also holds an advisory lock, which ends with the process, however it ends.

A worker whose loop stands still is ended, as if it had died: nothing else gets it out of an execution whose decision
never returns, and deaths are counted (suspicion.py).
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import structlog
from django.db import connection

from orchestration import clock as machine_clock
from orchestration.engine import store_postgres_sql, store_sqlite_sql
from orchestration.engine.ports import Beat, Clock
from orchestration.engine.store_postgres import connection_arguments
from orchestration.engine.store_sqlite import begin, connect
from orchestration.lines import BeatConnection

log = structlog.get_logger(__name__)

SAFE_PART = 0.8
RETRY_SECONDS = 0.25
# A shift begins with a whole lease; its first look goes before the connection of its heartbeat.
FIRST_SECONDS = 0.05


class SqliteBeat:
    """Renews a lease on SQLite."""

    def __init__(self, path: str, shift_id: int, lease: int) -> None:
        self._path, self._shift_id, self._lease = path, shift_id, lease
        self._db: sqlite3.Connection | None = None

    def beat(self) -> bool:
        """Renew the lease; False if the shift is not awake any more."""
        if self._db is None:
            self._db = connect(self._path)
        begin(self._db)
        renewed = self._db.execute(store_sqlite_sql.BEAT, (self._lease, self._shift_id)).rowcount == 1
        self._db.execute("COMMIT")
        return renewed

    def close(self) -> None:
        """Let go of the connection."""
        if self._db is not None:
            self._db.close()
            self._db = None


class PostgresBeat:
    """Renews a lease on PostgreSQL and holds the shift's advisory lock."""

    def __init__(self, arguments: dict[str, Any], shift_id: int, lease: int) -> None:
        self._arguments, self._shift_id, self._lease = arguments, shift_id, lease
        self._db: psycopg.Connection[Any] | None = None

    def beat(self) -> bool:
        """Renew the lease; False if the shift is not awake any more."""
        if self._db is None:
            self._db = BeatConnection.connect(**self._arguments | {"connect_timeout": 2}, autocommit=True)
            self._db.execute(store_postgres_sql.LOCK, {"shift": self._shift_id})
        return self._db.execute(store_postgres_sql.BEAT, {"lease": self._lease, "shift": self._shift_id}).rowcount == 1

    def close(self) -> None:
        """Let go of the connection, and of the lock with it."""
        if self._db is not None:
            self._db.close()
            self._db = None


def open_beat(shift_id: int, podium: Any) -> Beat:
    """Return what renews the shift's lease in Django's default database."""
    lease = round(podium.lease_seconds * 1_000_000)
    if connection.vendor == "sqlite":
        return SqliteBeat(str(connection.settings_dict["NAME"]), shift_id, lease)
    return PostgresBeat(connection_arguments(connection.get_connection_params()), shift_id, lease)


class Heartbeat:
    """The thread that keeps a shift alive.

    `ticks` counts on as long as the loop goes round; None: nobody is ended for standing still.
    """

    def __init__(
        self,
        beat: Beat,
        podium: Any,
        lost: Callable[[], None],
        ticks: Callable[[], int] | None = None,
        clock: Clock = machine_clock,
    ) -> None:
        self._beat = beat
        self._clock = clock
        self._every = podium.heartbeat_seconds
        self._safe = podium.lease_seconds * SAFE_PART
        self._lost = lost
        self._ticks = ticks
        self._stall = podium.stall_seconds
        self._beaten = self._moved = clock.monotonic()
        self._ticked = -1
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._last = clock.monotonic()

    def start(self) -> None:
        """Start beating."""
        self._thread.start()

    def stop(self) -> None:
        """Stop beating and let go of the connection."""
        self._ending.set()
        self._thread.join(5)

    def _run(self) -> None:
        wait: float | None = FIRST_SECONDS
        while wait is not None and not self._ending.wait(wait):
            self._end_if_stalled()
            wait = self.once()
        self._let_go()

    def once(self) -> float | None:
        """Beat once; return in how many seconds to beat again, None when the shift is lost."""
        wait: float = self._every
        try:
            if not self._beat.beat():
                self._give_up("the shift is not awake any more")
                return None
            self._last = self._clock.monotonic()
        except (sqlite3.Error, psycopg.Error, OSError) as error:
            log.warning("a heartbeat failed", error=str(error))
            self._let_go()
            wait = RETRY_SECONDS
        if self._clock.monotonic() - self._last > self._safe:
            self._give_up("the lease could not be renewed")
            return None
        return wait

    def _end_if_stalled(self) -> None:
        """End this process if its loop has not moved for `stall_seconds`, in all of which this thread was awake."""
        if self._ticks is None:
            return
        now, ticked = self._clock.monotonic(), self._ticks()
        asleep = now - self._beaten > 2 * self._every + RETRY_SECONDS
        self._beaten = now
        if ticked != self._ticked or asleep:
            self._ticked, self._moved = ticked, now
        elif now - self._moved > self._stall:
            log.error("the loop stands still", seconds=round(now - self._moved))
            os.kill(os.getpid(), signal.SIGKILL)

    def _give_up(self, why: str) -> None:
        log.error("shift lost", why=why)
        self._lost()

    def _let_go(self) -> None:
        try:
            self._beat.close()
        except (sqlite3.Error, psycopg.Error, OSError) as error:
            log.warning("a heartbeat's connection did not close", error=str(error))
