"""Heartbeats: heard at once, written together once a second.

A heartbeat of an instance that is known here costs no statement. What is known (whose it is, its status, its time) is
read at its first heartbeat, and forgotten as soon as an event says that something became of it: an event of this
process at once, one of another within `heartbeat_write_seconds`, in which one thread reads what is new. So an instance
that was taken out is not known (404) a second later at the latest.

The same thread then writes down who was heard, in one statement for a thousand of them. An instance whose row is
younger than a tenth of its time is not written again: a thousand heartbeats a second cost a few statements a second,
and a row at most ten writes in each of its times. What is lost with a process is the last second's news, which the next
heartbeat brings again. Whoever was inactive is made active by its first heartbeat, not by the thread.

The thread ends when nobody has been heard for a while, and holds no connection while it waits.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, connections, transaction

from orchestration import clock
from orchestration.domain.errors import NotFound
from orchestration.domain.lifecycle import INACTIVE
from orchestration.domain.limits import MICROSECONDS

from . import events, expiry, locking, operations, queries
from .models import Instance
from .policies import policy_of

log = structlog.get_logger(__name__)

KNOWN_MOST = 100_000
WRITTEN_AT_ONCE = 1_000
YOUNG = 10
WITHOUT_TTL_SECONDS = 60.0
IDLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What is answered to a heartbeat: the instance's status, and within how many seconds the next one is due."""

    id: str
    status: str
    ttl: float | None


@dataclass(slots=True)
class _Known:
    team_id: int
    answer: Heard
    written_at: float
    """When its row was last known to be fresh, by the clock that nobody sets (seconds)."""


class Ear:
    """The heartbeats of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._pending: set[str] = set()
        self._index = 0
        self._thread: threading.Thread | None = None
        self._heard_at = 0.0
        self._has_said = False
        self._over = threading.Event()

    def hear(self, *, team_id: int, instance_id: str) -> Heard:
        """Take a heartbeat in. Raises NotFound."""
        with self._lock:
            known = self._known.get(instance_id)
        if known is not None and known.team_id != team_id:
            raise NotFound("there is no such instance")
        if connection.in_atomic_block:
            return self._meet(team_id, instance_id)
        return self.hear_known(team_id=team_id, instance_id=instance_id) or self._meet(team_id, instance_id)

    def hear_known(self, *, team_id: int, instance_id: str) -> Heard | None:
        """Take a heartbeat in without asking the database; None, and nothing was heard, where it has to be asked."""
        now = clock.monotonic()
        with self._lock:
            known = self._known.get(instance_id)
            if known is None or known.team_id != team_id or known.answer.status == INACTIVE:
                return None
            self._heard_at = now
            if now - known.written_at >= (known.answer.ttl or WITHOUT_TTL_SECONDS) / YOUNG:
                self._pending.add(instance_id)
                known.written_at = now
            return known.answer

    def forget(self, instance_ids: Iterable[str | None]) -> None:
        """Read these anew at their next heartbeat; None is a whole service, whose policy may say another time."""
        with self._lock:
            for each in instance_ids:
                if each is None:
                    self._known.clear()
                else:
                    self._known.pop(each, None)

    def _meet(self, team_id: int, instance_id: str) -> Heard:
        """Write the heartbeat of an instance that is not known here, or that is back, at once."""
        self._begin()
        row = operations.heartbeat_row(team_id=team_id, instance_id=instance_id)
        rules = policy_of(row.service.policy).heartbeat
        ttl = row.ttl if row.ttl is not None or rules.ttl is None else rules.ttl / MICROSECONDS
        heard = Heard(instance_id, row.status, ttl)
        if not connection.in_atomic_block:
            with self._lock:
                self._known[instance_id] = _Known(team_id, heard, clock.monotonic())
                while len(self._known) > KNOWN_MOST:
                    self._known.popitem(last=False)
        return heard

    def _begin(self) -> None:
        """Have the thread run; where a transaction is open nothing is put off, and none is needed."""
        if connection.in_atomic_block:
            return
        with self._lock:
            self._heard_at = clock.monotonic()
            if self._thread is None or not self._thread.is_alive():
                self._known.clear()
                self._index = queries.latest_index()
                self._over.clear()
                self._thread = threading.Thread(target=self._tend, name="heartbeats", daemon=True)
                self._thread.start()

    def _tend(self) -> None:
        while clock.monotonic() - self._heard_at < IDLE_SECONDS:
            self._over.wait(settings.PODIUM.heartbeat_write_seconds)
            if self._over.is_set():
                break
            try:
                self.keep_up(now=clock.now())
            except DatabaseError as error:
                log.warning("heartbeats cannot be written", error=type(error).__name__)
            except Exception:
                # Without its news nobody could be known for long.
                log.exception("heartbeats are not looked after")
                self.forget(list(self._known))
            finally:
                connections.close_all()
        with self._lock:
            self._known.clear()

    def rest(self) -> None:
        """End the thread and know nobody any more; the next heartbeat begins anew."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._known.clear()
            self._pending.clear()

    def keep_up(self, *, now: datetime) -> int:
        """Forget those of whom there is news, write down who was heard, and return how many that were."""
        if not self._has_said:
            # This process heard nobody before it was there.
            expiry.note_restart(now=now)
            self._has_said = True
        self._read_news()
        with self._lock:
            pending, self._pending = sorted(self._pending), set()
        try:
            for at in range(0, len(pending), WRITTEN_AT_ONCE):
                _write(pending[at : at + WRITTEN_AT_ONCE], now)
        except DatabaseError:
            with self._lock:
                self._pending.update(pending)
            raise
        return len(pending)

    def _read_news(self) -> None:
        while True:
            found, index = queries.events_of_all(index=self._index)
            with self._lock:
                if index < self._index:
                    # A backup was put back: nothing that is known need be so.
                    self._known.clear()
                self._index = index
            self.forget(event.instance_id for _, event in found)
            if len(found) < queries.EVENTS_AT_ONCE:
                return


def _write(instance_ids: list[str], now: datetime) -> None:
    with transaction.atomic():
        locking.take(instance_ids)
        Instance.objects.filter(pk__in=instance_ids, last_seen_at__lt=now).update(last_seen_at=now)


EAR = Ear()
hear = EAR.hear
events.LISTENERS.append(lambda changes: EAR.forget(each.instance_id for each in changes))
