"""The store on SQLite: one connection, used by one thread, so that a commit never holds up the loop.

Every statement of a batch writes all of its rows at once (`VALUES (…), (…)`): a thread that goes in and out of SQLite
per row would hand the interpreter back and forth each time. Transactions are IMMEDIATE: writers wait for each other
instead of failing half-way.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from itertools import chain
from queue import SimpleQueue
from typing import Any, TypeVar

import orjson

from orchestration import clock
from orchestration.domain.limits import Defaults
from orchestration.engine import store_sqlite_sql as sql
from orchestration.engine.crash import crash_point
from orchestration.engine.store import (
    NO_PROGRESS,
    Backlog,
    Batch,
    BatchRefused,
    Claimed,
    EntryRow,
    Fenced,
    InboxRow,
    Look,
    WorkflowRow,
)

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], Any]
# SQLite takes 32,766 parameters in a statement; fewer rows at once keep its statement cache small.
ROWS_AT_ONCE = 256
# SQLite's own waiting for the write lock sleeps up to 100 ms at a time; a shift asks again at once.
BUSY_SECONDS, ASK_AGAIN_SECONDS = 20.0, 0.001


def connect(path: str) -> sqlite3.Connection:
    """Open a connection as the engine uses it: WAL, transactions by hand (see `begin`), many statements cached."""
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;")
    connection.execute("PRAGMA busy_timeout=1")
    return connection


def begin(db: sqlite3.Connection) -> None:
    """Begin a transaction that writes, as soon as nobody else does. Raises OperationalError after BUSY_SECONDS."""
    until = clock.monotonic() + BUSY_SECONDS
    waiting = threading.Event()
    while True:
        try:
            db.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or clock.monotonic() > until:
                raise
        waiting.wait(ASK_AGAIN_SECONDS)


class SqliteStore:
    """The store's port on a SQLite file."""

    def __init__(self, path: str, podium: Any, defaults: Callable[[], Defaults]) -> None:
        self._path = path
        self._podium = podium
        self._defaults = defaults
        self._most = 0
        self._jobs: SimpleQueue[tuple[Job, asyncio.Future[Any], asyncio.AbstractEventLoop] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._thread.start()

    # The thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        connection: sqlite3.Connection | None = None
        while (job := self._jobs.get()) is not None:
            act, future, loop = job
            try:
                connection = connection or connect(self._path)
                result, error = act(connection), None
            except BaseException as caught:
                result, error = None, caught
                if connection is not None and connection.in_transaction:
                    connection.rollback()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, future, result, error)
        if connection is not None:
            connection.close()

    async def _do(self, act: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((act, future, loop))
        return await future

    async def close(self) -> None:
        """Let go of the connection and end the thread."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, 5)

    async def warm_up(self) -> None:
        """Open the connection, and have its statements compiled."""
        await self._do(lambda db: db.execute(sql.PEEK, (-1,)).fetchone())

    # Shifts -------------------------------------------------------------------------------------------------------

    async def open_shift(self, *, worker: str, boot: str, pid: int) -> tuple[int, int]:
        """Insert an awake shift with a full lease; return its id and the database's instant."""
        lease = round(self._podium.lease_seconds * 1_000_000)

        def act(db: sqlite3.Connection) -> tuple[int, int]:
            begin(db)
            [(shift_id, now)] = db.execute(sql.OPEN_SHIFT, (worker, boot, pid, lease)).fetchall()
            db.execute("COMMIT")
            return shift_id, now

        return await self._do(act)

    async def neighbours(self, shift_id: int, boot: str) -> int:
        """Return how many shifts of the same boot were awake before this one."""
        return int(await self._do(lambda db: db.execute(sql.NEIGHBOURS, (boot, shift_id)).fetchone()[0]))

    async def close_shift(self, shift_id: int) -> None:
        """End the shift and free whatever it still holds."""

        def act(db: sqlite3.Connection) -> None:
            begin(db)
            db.execute(sql.END_SHIFT, (shift_id,))
            db.execute(sql.FREE, (orjson.dumps([shift_id]).decode(),))
            db.execute(sql.WAKE_UNHEARD)
            db.execute("COMMIT")

        await self._do(act)

    async def bury(self, gone: list[int]) -> list[int]:
        """Declare dead every shift whose lease has run out and those in `gone`; free their executions."""

        def act(db: sqlite3.Connection) -> list[int]:
            named = orjson.dumps(gone).decode()
            if not db.execute(sql.ANY_DEAD, (named,)).fetchone()[0]:
                return []
            begin(db)
            dead = [row[0] for row in db.execute(sql.BURY, (named,)).fetchall()]
            crash_point("between_bury_and_free")
            db.execute(sql.FREE_DEAD, (orjson.dumps(dead).decode(),))
            db.execute(sql.WAKE_UNHEARD)
            db.execute("COMMIT")
            return dead

        return await self._do(act)

    async def backlog(self) -> Backlog:
        """Return what is due and how many shifts are awake."""

        most = self._defaults().max_concurrent

        def act(db: sqlite3.Connection) -> Backlog:
            found = db.execute(sql.BACKLOG, (most,)).fetchone()
            due, next_due, newest, suspects = found
            awake = db.execute(sql.AWAKE).fetchall()
            return Backlog(due, next_due, newest or 0, {row[0]: (row[1], row[2]) for row in awake}, bool(suspects))

        return await self._do(act)

    # Looking ------------------------------------------------------------------------------------------------------

    async def look(
        self, shift_id: int, *, now: int, room: int, alone: bool = False, hints: Collection[int] = ()
    ) -> Look:
        """Fetch what was told, admit, and claim up to `room` due executions, or with `alone` one suspect first."""
        self._most = self._defaults().max_concurrent
        return await self._do(lambda db: self._look(db, shift_id, now, room, alone))

    def _look(self, db: sqlite3.Connection, shift_id: int, now: int, room: int, alone: bool) -> Look:
        alive, told, waiting, first_due, suspects = db.execute(sql.PEEK, (shift_id,)).fetchone()
        if not alive:
            raise Fenced
        due = first_due is not None and first_due <= now
        look = Look(next_due=first_due)
        suspects = suspects and alone
        if not told and not suspects and not (room and (due or waiting)):
            look.more = due
            return look
        begin(db)
        if db.execute(sql.FENCE, (shift_id,)).fetchone() is None:
            raise Fenced
        if told:
            self._listen(db, shift_id, look)
        if suspects:
            self._claim_suspect(db, shift_id, now, look)
        elif room and (due or waiting):
            self._claim(db, shift_id, now, room, look)
        crash_point("before_claim_commits")
        db.execute("COMMIT")
        return look

    def _listen(self, db: sqlite3.Connection, shift_id: int, look: Look) -> None:
        for execution_id, admitted in db.execute(sql.UNPOKE, (shift_id,)).fetchall():
            look.told[execution_id] = (bool(admitted), [])
        for row in db.execute(sql.INBOX, (_json(look.told),)):
            look.told[row[1]][1].append(InboxRow(*row))

    def _claim(self, db: sqlite3.Connection, shift_id: int, now: int, room: int, look: Look) -> None:
        for workflow_id, free in db.execute(sql.ROOM, (self._most,)).fetchall():
            if free > 0:
                db.execute(sql.ADMIT, (workflow_id, free))
        parameters = (now, room + 1) * 10
        taken = [row[0] for row in db.execute(sql.DUE, (*parameters, room + 1)).fetchall()]
        look.more = len(taken) > room
        del taken[room:]
        self._take(db, shift_id, taken, look)

    def _claim_suspect(self, db: sqlite3.Connection, shift_id: int, now: int, look: Look) -> None:
        taken = [row[0] for row in db.execute(sql.ONE_SUSPECT, (now,)).fetchall()]
        look.more = True
        self._take(db, shift_id, taken, look)

    def _take(self, db: sqlite3.Connection, shift_id: int, taken: list[str], look: Look) -> None:
        if not taken:
            return
        ids = orjson.dumps(taken).decode()
        rows = {row[0]: row for row in db.execute(sql.CLAIMED, (ids,)).fetchall()}
        db.execute(sql.CLAIM, (shift_id, ids))
        known = {each: [] for each in taken if _has_journal(rows[each])}  # type: dict[str, list[EntryRow]]
        if known:
            for entry in db.execute(sql.ENTRIES, (_json(known),)):
                known[entry[0]].append(EntryRow(*entry))
        inbox: dict[str, list[InboxRow]] = {}
        for item in db.execute(sql.INBOX, (ids,)):
            inbox.setdefault(item[1], []).append(InboxRow(*item))
        for each in taken:
            if rows[each][CLAIMS] > self._podium.claims_without_progress:
                _quarantine(db, shift_id, each, NO_PROGRESS)
                continue
            look.claimed.append(Claimed._make((*rows[each], known.get(each, []), inbox.get(each, []))))

    async def reconcile(self, shift_id: int, known: list[str]) -> list[InboxRow]:
        """Free what the shift holds besides `known`, and return what lies unheard in the inboxes of those."""

        def act(db: sqlite3.Connection) -> list[InboxRow]:
            begin(db)
            db.execute(sql.FREE_UNKNOWN, (shift_id, _json(known)))
            db.execute(sql.WAKE_UNHEARD)
            db.execute("COMMIT")
            return [InboxRow(*row) for row in db.execute(sql.INBOX, (_json(known),))]

        return await self._do(act)

    async def set_aside(self, shift_id: int, execution_id: str, error: str) -> None:
        """Quarantine an execution that the shift holds, with `error` (JSON) as the reason."""

        def act(db: sqlite3.Connection) -> None:
            begin(db)
            _quarantine(db, shift_id, execution_id, error)
            db.execute("COMMIT")

        await self._do(act)

    async def suspect(self, shift_id: int, execution_id: str, *, claims: int) -> None:
        """Put down an execution that the shift holds: after `claims` claims without progress it is driven alone."""

        def act(db: sqlite3.Connection) -> None:
            begin(db)
            db.execute(sql.SUSPECT, (claims, execution_id, shift_id))
            db.execute("COMMIT")

        await self._do(act)

    # Writing ------------------------------------------------------------------------------------------------------

    async def commit(self, batch: Batch) -> None:
        """Write a batch whole or not at all. Raises Fenced, BatchRefused."""
        await self._do(lambda db: self._commit(db, batch))

    def _commit(self, db: sqlite3.Connection, batch: Batch) -> None:
        begin(db)
        if db.execute(sql.FENCE, (batch.shift_id,)).fetchone() is None:
            raise Fenced
        pokes = batch.pokes()
        try:
            _write(db, sql.INSERT_CHILDREN, batch.children)
            _write(db, sql.INSERT_ENTRIES, batch.entries)
            crash_point("inside_commit")
            _write(db, sql.UPSERT_STEPS, list(batch.steps.values()))
            self._change_rows(db, batch)
            if batch.heard:
                db.execute(sql.FORGET, (orjson.dumps(batch.heard).decode(),))
            if batch.answers:
                db.executemany(sql.ANSWER, [(outcome, each) for each, outcome in batch.answers])
            _write(db, sql.INSERT_MESSAGES, [(*message, batch.at) for message in batch.messages])
            if pokes:
                db.execute(sql.POKE, (batch.at, orjson.dumps(pokes).decode()))
            _write(db, sql.LISTEN, batch.listening)
            if batch.deaf:
                db.executemany(sql.UNLISTEN, batch.deaf)
            if batch.leaves_a_trace:
                db.execute(sql.INSERT_BATCH, (batch.shift_id, batch.number, batch.at, batch.touched_text()))
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError) as error:
            raise BatchRefused(str(error)) from error
        db.execute("COMMIT")

    def _change_rows(self, db: sqlite3.Connection, batch: Batch) -> None:
        if not batch.rows:
            return
        changed = db.executemany(
            sql.CHANGE_ROW,
            [
                (
                    row.status,
                    row.output,
                    row.error,
                    row.seq,
                    row.attempt,
                    row.steps_done,
                    row.started_at,
                    row.ended_at,
                    row.release,
                    row.quarantined,
                    row.wake_at,
                    row.handed_over,
                    row.quarantined,
                    row.execution_id,
                    batch.shift_id,
                    row.epoch,
                )
                for row in batch.rows.values()
            ],
        ).rowcount
        if changed != len(batch.rows):
            raise Fenced

    async def committed(self, shift_id: int, number: int) -> bool:
        """Tell whether the shift's batch `number` took place."""
        return bool(await self._do(lambda db: db.execute(sql.COMMITTED, (shift_id, number)).fetchone()[0]))

    # Reading ------------------------------------------------------------------------------------------------------

    async def workflow(self, team_id: int, slug: str, revision: int | None) -> WorkflowRow | None:
        """Return a revision of a workflow (None: the latest), or None where there is none."""
        row = await self._do(lambda db: db.execute(sql.WORKFLOW, (team_id, slug, revision)).fetchone())
        return None if row is None else WorkflowRow(*row)

    async def document(self, revision_id: int) -> str:
        """Return a revision's definition."""
        return str(await self._do(lambda db: db.execute(sql.DOCUMENT, (revision_id,)).fetchone()[0]))

    async def secrets(self, team_id: int) -> dict[str, str]:
        """Return a team's secrets, still encrypted."""
        return dict(await self._do(lambda db: db.execute(sql.SECRETS, (team_id,)).fetchall()))


STATUS, CLAIMS, SEQ = (Claimed._fields.index(name) for name in ("status", "claims", "seq"))


def _has_journal(row: Sequence[Any]) -> bool:
    """Tell whether there is anything to read: one that waits to be let in may have been told something."""
    return row[STATUS] != "pending" or row[SEQ] > 0


def _quarantine(db: sqlite3.Connection, shift_id: int, execution_id: str, error: str) -> None:
    if db.execute(sql.QUARANTINE, (error, execution_id, shift_id)).rowcount == 1:
        db.execute(sql.TELL_QUARANTINE, (execution_id,))


def _json(ids: Any) -> str:
    return orjson.dumps(list(ids)).decode()


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


@lru_cache(maxsize=128)
def _statement(template: str, columns: int, rows: int) -> str:
    one = "(" + ",".join("?" * columns) + ")"
    return template.replace("{rows}", ",".join([one] * rows))


def _write(db: sqlite3.Connection, template: str, rows: Sequence[Sequence[Any]]) -> None:
    """Write all rows with as few statements as can be, in sizes that repeat, so that they stay compiled."""
    left, count = 0, len(rows)
    while left < count:
        size = ROWS_AT_ONCE
        while size > count - left:
            size >>= 1
        part = rows[left : left + size]
        db.execute(_statement(template, len(part[0]), size), list(chain.from_iterable(part)))
        left += size
