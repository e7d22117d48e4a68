"""What a process knows of the live settings: the latest version, looked for at most once a second.

True at all times: asking costs no query while the last look is younger than a second; what is known is never older than
a look that was answered; a database that does not answer leaves what is known as it is.

Who asks from a thread of its own (a request, a task) looks by itself, over the connection that it has anyhow. Who asks
from an event loop may not wait for a database, so that the first one to do so starts a thread that looks from then on;
only that first one waits, for the thread's first look. A thread that hangs is given up and another one started.

A look remembers the instant of a version besides its number: a version that was written and rolled back leaves its
number to the next one. After a fork nothing is remembered of the parent's looks but what it knew.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
import structlog
from django.db import DatabaseError, InterfaceError, connection, transaction

from orchestration import clock
from orchestration.configuration.models import SettingsVersion
from orchestration.domain.live_settings import Value, read_values

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
FIRST_LOOK_SECONDS = 3.0
HANGS_SECONDS = 15.0
WAIT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Known:
    """The settings that were set, by name, as of a version; version 0: none ever was."""

    version: int = 0
    at: int = 0
    values: Mapping[str, Value] = field(default_factory=dict)


class Watch:
    """One process's knowledge."""

    def __init__(self, known: Known | None = None) -> None:
        self._known = known or Known()
        self._looked_at = float("-inf")
        self._failing = False
        self._looking = threading.Lock()
        self._looked = threading.Event()
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def known(self) -> Known:
        """Return what is known, after a look if the last one is too old."""
        if clock.monotonic() - self._looked_at < LOOK_SECONDS:
            return self._known
        if _on_a_loop():
            self._have_watched()
        else:
            self.look()
        return self._known

    def look(self) -> None:
        """Look now, unless somebody does just now (then wait for them only while nothing is known)."""
        # Whoever gives a hanging look up makes another lock: each lets go of the one that it took.
        looking = self._looking
        if not looking.acquire(blocking=not self._looked.is_set()):
            return
        try:
            self._take(_latest())
            self._failing = False
        except (DatabaseError, InterfaceError) as error:
            if not self._failing:
                log.warning("the settings cannot be read; the last known ones hold", error=str(error))
            self._failing = True
        finally:
            self._looked_at = clock.monotonic()
            self._looked.set()
            looking.release()

    def wait_beyond(self, version: int, seconds: float) -> bool:
        """Wait until a version beyond this one is known, at most `seconds`; not to be called on a loop."""
        until, between = clock.monotonic() + seconds, threading.Event()
        while self.known().version <= version:
            left = until - clock.monotonic()
            if left <= 0:
                return False
            # Whoever waits holds no connection meanwhile.
            if not connection.in_atomic_block:
                connection.close()
            between.wait(min(left, WAIT_SECONDS))
        return True

    def stop(self) -> None:
        """End the thread, if there is one, and wait for its end."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = None

    def _take(self, row: tuple[int, int, str] | None) -> None:
        if row is None:
            self._known = Known()
        elif (row[0], row[1]) != (self._known.version, self._known.at):
            values, problems = read_values(orjson.loads(row[2]))
            for each in problems:
                # A value of another release: better its default than none at all.
                log.warning("a setting is not taken", setting=each.path, reason=each.message, version=row[0])
            self._known = Known(row[0], row[1], values)

    def _have_watched(self) -> None:
        hanging = self._looked.is_set() and clock.monotonic() - self._looked_at > HANGS_SECONDS
        if self._thread is None or hanging or not self._thread.is_alive():
            self._over.set()
            self._over, self._looking = threading.Event(), threading.Lock()
            self._thread = threading.Thread(
                target=self._watch, args=(self._over,), name="podium settings watch", daemon=True
            )
            self._thread.start()
        self._looked.wait(FIRST_LOOK_SECONDS)

    def _watch(self, over: threading.Event) -> None:
        pooled = bool(connection.settings_dict["OPTIONS"].get("pool"))
        try:
            while not over.is_set():
                self._look_whatever_happens()
                if pooled or self._failing:
                    connection.close()
                over.wait(LOOK_SECONDS)
        finally:
            connection.close()

    def _look_whatever_happens(self) -> None:
        """Look; nothing that goes wrong may end the thread, or its process would never hear of a change again."""
        try:
            self.look()
        except Exception:
            if not self._failing:
                log.exception("the settings cannot be read; the last known ones hold")
            self._failing = True


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _latest() -> tuple[int, int, str] | None:
    rows = SettingsVersion.objects.order_by("-version").values_list("version", "at", "settings")
    if not connection.in_atomic_block:
        return rows.first()
    # What fails inside a transaction must not take that along.
    with transaction.atomic():
        return rows.first()


_watch = Watch()


def _forked() -> None:
    global _watch  # noqa: PLW0603 - the one watch of the process
    _watch = Watch(_watch._known)


os.register_at_fork(after_in_child=_forked)


def watch() -> Watch:
    """Return this process's watch."""
    return _watch


def start_anew() -> None:
    """Forget everything: what is asked next is looked for. A test's database has another past than the last one's."""
    global _watch  # noqa: PLW0603 - the one watch of the process
    _watch.stop()
    _watch = Watch()
