"""The group commit: one writer per shift gathers what all its executions want written and commits it together.

True at all times: the units of one execution are committed in the order in which they were put, none twice; what a
unit `then` does (its commands) happens after its commit has returned, never before. As soon as one commit returns, all
that was put meanwhile is the next: there is no timer, so an idle shift commits at once and a busy one in bulk.

A commit that fails because the database does not answer is repeated until it does or the lease is over; before it is
repeated it is looked up, since the answer may be all that was lost; and looked up again if it is refused then, since
it may have been carried out later still. A batch whose content is refused is taken apart: the units that are refused
alone are handed to `spoiled`, the others are written. A crash before the commit leaves nothing of the batch, a crash
after it all of it: then the commands were not carried out, and recovery starts them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import structlog

from orchestration.domain.commands import Command
from orchestration.engine.crash import crash_point
from orchestration.engine.store import (
    Batch,
    BatchRefused,
    ChildRow,
    EntryRow,
    Fenced,
    Message,
    RowChange,
    StepRow,
    Store,
)

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
UNANSWERED = (psycopg.OperationalError, psycopg.InterfaceError, sqlite3.OperationalError, OSError)


class Unit:
    """What one execution wants written in one piece. `then` is called once it is committed."""

    __slots__ = (
        "answers",
        "children",
        "commands",
        "entries",
        "execution_id",
        "heard",
        "messages",
        "poke",
        "row",
        "steps",
        "team_id",
        "then",
        "topics",
        "touched",
    )

    def __init__(self, execution_id: str, team_id: int, then: Callable[[Unit], None] | None = None) -> None:
        self.execution_id = execution_id
        self.team_id = team_id
        self.then = then
        self.entries: list[EntryRow] = []
        self.steps: list[StepRow] = []
        self.commands: list[Command] = []
        self.touched: tuple[str, tuple[int, int, str]] | None = None
        self.row: RowChange | None = None
        self.poke = False
        # Most units have none of these.
        self.heard: Sequence[int] = ()
        self.answers: Sequence[tuple[int, str]] = ()
        self.messages: Sequence[Message] = ()
        self.children: Sequence[ChildRow] = ()
        self.topics: Sequence[tuple[str, bool]] = ()


class Journal:
    """The writer of one shift."""

    def __init__(
        self,
        store: Store,
        shift_id: int,
        podium: Any,
        *,
        spoiled: Callable[[str, Exception], None],
        now: Callable[[], int],
    ) -> None:
        self._now = now
        self._store = store
        self._shift_id = shift_id
        self._most = podium.journal_batch
        self._queue_most = podium.journal_queue
        self._spoiled = spoiled
        self._queue: deque[Unit] = deque()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._number = 0
        self._refused: set[str] = set()
        self.batches = 0
        self.entries = 0

    def put(self, unit: Unit) -> None:
        """Have `unit` written with the next commit."""
        self._queue.append(unit)
        if len(self._queue) == 1:
            self._news.set()
            self._idle.clear()

    @property
    def behind(self) -> bool:
        """Tell whether so much waits to be written that nothing new should be begun."""
        return len(self._queue) > self._queue_most

    async def drain(self) -> None:
        """Wait until everything that was put is committed."""
        await self._idle.wait()

    async def run(self) -> None:
        """Write until cancelled. Raises Fenced when the shift is not awake any more."""
        while True:
            if not self._queue:
                self._idle.set()
                self._news.clear()
                await self._news.wait()
            units = self._take()
            await self._write(units)
            crash_point("after_commit")
            for unit in units:
                if unit.then is not None:
                    unit.then(unit)

    def _take(self) -> list[Unit]:
        units: list[Unit] = []
        size = 0
        queue = self._queue
        while queue and size < self._most:
            unit = queue.popleft()
            if self._refused and not self._may_write(unit):
                continue
            size += len(unit.entries) or 1
            units.append(unit)
        return units

    async def _write(self, units: list[Unit]) -> None:
        try:
            await self._commit(units)
        except BatchRefused as error:
            if len(units) > 1:
                for unit in units:
                    if self._may_write(unit):
                        await self._write([unit])
                return
            unit = units[0]
            log.error("an execution's entries are refused", execution=unit.execution_id, error=str(error))
            unit.then = None
            self._refused.add(unit.execution_id)
            self._spoiled(unit.execution_id, error)

    def _may_write(self, unit: Unit) -> bool:
        """Tell whether a unit may follow: after a refused one only the word that its execution is put aside."""
        return unit.execution_id not in self._refused or (unit.row is not None and unit.row.quarantined)

    async def _commit(self, units: list[Unit]) -> None:
        self._number += 1
        batch = self._gather(units)
        crash_point("before_commit")
        pause = 0.0
        while not await self._try(batch):
            # Nothing of it was written. Once more at once, on a connection that answers; then ever more patiently.
            await asyncio.sleep(pause)
            pause = min(pause * 2 or FIRST_PAUSE, LONGEST_PAUSE)
        self.batches += 1
        self.entries += len(batch.entries)

    async def _try(self, batch: Batch) -> bool:
        try:
            await self._store.commit(batch)
            return True
        except BatchRefused:
            # It may be itself that stands in its way: carried out after all, later than it was looked up.
            if not await self._stands(batch):
                raise
            return True
        except UNANSWERED as error:
            log.warning("the journal's commit got no answer", error=str(error))
        return await self._stands(batch)

    async def _stands(self, batch: Batch) -> bool:
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._store.committed(batch.shift_id, batch.number)
            except UNANSWERED:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _gather(self, units: list[Unit]) -> Batch:
        batch = Batch(self._shift_id, self._number, self._now())
        topics: dict[tuple[str, str], tuple[int, bool]] = {}
        for unit in units:
            batch.entries += unit.entries
            for step in unit.steps:
                batch.steps[step.execution_id, step.path] = step
            if unit.row is not None:
                batch.rows[unit.execution_id] = unit.row
            if unit.touched is not None:
                batch.touched[unit.touched[0]] = unit.touched[1]
            # Most units have none of these.
            if unit.heard:
                batch.heard += unit.heard
            if unit.answers:
                batch.answers += unit.answers
            if unit.messages:
                batch.messages += unit.messages
            if unit.children:
                batch.children += unit.children
            if unit.poke:
                batch.poked.add(unit.execution_id)
            for topic, listens in unit.topics:
                topics[unit.execution_id, topic] = (unit.team_id, listens)
        for (execution_id, topic), (team_id, listens) in topics.items():
            if listens:
                batch.listening.append((execution_id, topic, team_id))
            else:
                batch.deaf.append((execution_id, topic))
        return batch


__all__ = ["Fenced", "Journal", "Unit"]
