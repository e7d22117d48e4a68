"""The store on PostgreSQL: raw statements on connections of the shift's own loop.

A batch is one statement in autocommit: its first part locks the shift's row `FOR KEY SHARE` (heartbeats do not wait
for that, a burial does), and no part writes anything without that row. The journal has a connection of its own, so
that a look round never holds up a commit. A connection that broke is thrown away and opened anew at its next use.

Only the journal's commits wait for the disk. What the desk commits (claims, admissions, burials) stands in the server's
log before any batch that is built on it, so whatever batch is safe, its claim is safe too; and a claim that a crash of
the server forgets had led to nothing yet.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection, errors

from orchestration import clock
from orchestration.domain.limits import Defaults
from orchestration.engine import store_postgres_sql as sql
from orchestration.engine.crash import crash_point
from orchestration.engine.lost_locks import LostLocks
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
from orchestration.engine.store_postgres_batch import batch_statement, encode
from orchestration.lines import KEEPALIVE, AsyncBoundedConnection

STATEMENT_MS, LOCK_MS = 15_000, 5_000
END_OTHERS_MS = 2_000
ATTEMPTS = 4


# Planning for machine code takes longer than any statement here.
PLAN = "-c jit=off"
NOT_WAITING_FOR_DISK = "-c synchronous_commit=off"


def connection_arguments(parameters: dict[str, Any], *more: str) -> dict[str, Any]:
    """Return what psycopg is told: Django's database, bounded waits, keepalives, and no part of Django's own set-up.

    `more` are further options of the session, as the server takes them.
    """
    plain = ("host", "port", "dbname", "user", "password", "sslmode", "sslrootcert", "service", "passfile")
    options = (
        f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={LOCK_MS} -c idle_in_transaction_session_timeout=10000"
    )
    return {
        **{name: parameters[name] for name in plain if parameters.get(name)},
        **KEEPALIVE,
        "connect_timeout": 5,
        "application_name": "podium shift",
        "options": " ".join([options, PLAN, *more]),
    }


class Line:
    """One connection that comes back after a failure, used by one caller at a time.

    What is still being carried out for a connection that broke is ended before the next one is used: otherwise it might
    take effect after it was looked up and found missing. So each line has a name of its own among all connections.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._name = f"podium shift {uuid.uuid4().hex}"
        self._arguments = {**arguments, "application_name": self._name}
        self._connection: AsyncConnection[Any] | None = None
        self.lock = asyncio.Lock()

    async def get(self) -> AsyncConnection[Any]:
        """Return the connection, opened anew if it broke."""
        if self._connection is None or self._connection.closed or self._connection.broken:
            again = self._connection is not None
            self._connection = await AsyncBoundedConnection.connect(**self._arguments, autocommit=True)
            if again:
                await self._end_others(self._connection)
        return self._connection

    async def _end_others(self, connection: AsyncConnection[Any]) -> None:
        """End the connections that this line had before. Raises OperationalError where one does not end."""
        ended = await connection.execute(sql.END_OTHERS, {"name": self._name, "patience": END_OTHERS_MS})
        if not all([row[0] async for row in ended]):
            await connection.close()
            raise psycopg.OperationalError("a statement of a connection that broke is still being carried out")

    async def fetch(self, query: LiteralString | bytes, parameters: dict[str, Any]) -> list[Any]:
        """Run one statement in autocommit and return its rows; none for one that returns nothing."""
        async with self.lock:
            connection = await self.get()
            cursor = await connection.execute(query, parameters)
            return await cursor.fetchall() if cursor.description else []

    async def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            await self._connection.close()


class PostgresStore:
    """The store's port on PostgreSQL."""

    def __init__(self, parameters: dict[str, Any], podium: Any, defaults: Callable[[], Defaults]) -> None:
        self._podium = podium
        self._defaults = defaults
        self._journal = Line(connection_arguments(parameters))
        self._desk = Line(connection_arguments(parameters, NOT_WAITING_FOR_DISK))
        self.lost_locks = LostLocks(clock.monotonic)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._journal.close()
        await self._desk.close()

    async def warm_up(self) -> None:
        """Open both connections, and have the server's processes behind them read what they need for a first look."""
        nobody = {"shift": -1, "now": 0, "room": 1}
        await self._desk.fetch(sql.PEEK, {"shift": -1, "default": self._defaults().max_concurrent})
        await self._desk.fetch(sql.CLAIM, nobody)
        await self._desk.fetch(sql.ENTRIES, {"ids": []})
        await self._desk.fetch(sql.INBOX, {"ids": []})
        await self.committed(-1, 0)

    # Shifts -------------------------------------------------------------------------------------------------------

    async def open_shift(self, *, worker: str, boot: str, pid: int) -> tuple[int, int]:
        """Insert an awake shift with a full lease; return its id and the database's instant."""
        lease = round(self._podium.lease_seconds * 1_000_000)
        parameters = {"worker": worker, "boot": boot, "pid": pid, "lease": lease}
        [(shift_id, now)] = await self._desk.fetch(sql.OPEN_SHIFT, parameters)
        return shift_id, now

    async def neighbours(self, shift_id: int, boot: str) -> int:
        """Return how many shifts of the same boot were awake before this one."""
        return int((await self._desk.fetch(sql.NEIGHBOURS, {"shift": shift_id, "boot": boot}))[0][0])

    async def close_shift(self, shift_id: int) -> None:
        """End the shift and free whatever it still holds."""
        await self._end([shift_id], "ended")

    async def bury(self, gone: list[int]) -> list[int]:
        """Declare dead every shift whose lease has run out, those in `gone`, and those long without their lock."""
        dead = self.lost_locks.dead(await self._desk.fetch(sql.SUSPECTS, {"gone": gone}))
        return await self._end(dead, "dead") if dead else []

    async def _end(self, ids: list[int], state: str) -> list[int]:
        async with self._desk.lock:
            connection = await self._desk.get()
            async with connection.transaction():
                await connection.execute(sql.LOCK_SHIFTS, {"ids": ids})
                ended = await (await connection.execute(sql.END_SHIFTS, {"ids": ids, "state": state})).fetchall()
                crash_point("between_bury_and_free")
                free = sql.FREE_DEAD if state == "dead" else sql.FREE
                await connection.execute(free, {"ids": [row[0] for row in ended]})
                await connection.execute(sql.WAKE_UNHEARD)
        return [row[0] for row in ended]

    async def backlog(self) -> Backlog:
        """Return what is due and how many shifts are awake."""
        parameters = {"default": self._defaults().max_concurrent}
        due, next_due, newest, suspects = (await self._desk.fetch(sql.BACKLOG, parameters))[0]
        awake = await self._desk.fetch(sql.AWAKE, {})
        return Backlog(due, next_due, newest or 0, {row[0]: (row[1], row[2]) for row in awake}, suspects)

    # Looking ------------------------------------------------------------------------------------------------------

    async def look(
        self, shift_id: int, *, now: int, room: int, alone: bool = False, hints: Collection[int] = ()
    ) -> Look:
        """Fetch what was told, admit, and claim up to `room` due executions, or with `alone` one suspect first.

        With `hints` it claims before it looks, in the same go to the server and back.
        """
        claim = {"shift": shift_id, "now": now, "room": room}
        peek = {"shift": shift_id, "default": self._defaults().max_concurrent}
        found: list[Any] = []
        if hints and room:
            crash_point("before_claim_commits")
            found, [state] = await self._admit_and_claim(sorted(hints), sql.CLAIM, claim, peek)
        else:
            [state] = await self._desk.fetch(sql.PEEK, peek)
        alive, told, with_room, first_due, suspects = state
        if not alive:
            raise Fenced
        due = first_due is not None and first_due <= now
        look = Look(more=bool(due or with_room), next_due=first_due, suspects=bool(suspects))
        if told:
            await self._listen(shift_id, look)
        if found:
            await self._take_over(shift_id, found, look)
        elif alone and suspects:
            await self._claim(claim | {"room": 1}, [], look, sql.CLAIM_SUSPECT)
        if room and (due or with_room) and not look.claimed and not (alone and suspects and look.more):
            await self._claim(claim, with_room, look, sql.CLAIM)
        return look

    async def _listen(self, shift_id: int, look: Look) -> None:
        async with self._desk.lock:
            connection = await self._desk.get()
            async with connection.pipeline():
                poked = await connection.execute(sql.UNPOKE, {"shift": shift_id})
                items = await connection.execute(sql.INBOXES, {"shift": shift_id})
                for execution_id, admitted in await poked.fetchall():
                    look.told[execution_id] = (admitted, [])
                for row in await items.fetchall():
                    if row[1] in look.told:
                        look.told[row[1]][1].append(InboxRow(*row))

    async def _admit_and_claim(
        self,
        workflows: list[int],
        claim: LiteralString,
        claim_parameters: dict[str, Any],
        peek_parameters: dict[str, Any] | None = None,
    ) -> tuple[list[Any], list[Any]]:
        """Let in what waits and there is room for, claim, and then peek if asked, all in one go."""
        async with self._desk.lock:
            connection = await self._desk.get()
            async with connection.pipeline():
                for workflow_id in workflows:
                    parameters = {"workflow": workflow_id, "default": self._defaults().max_concurrent}
                    async with connection.transaction():
                        await connection.execute(sql.LOCK_WORKFLOW, parameters)
                        await connection.execute(sql.ADMIT, parameters)
                claimed = await connection.execute(claim, claim_parameters)
                peeked = await connection.execute(sql.PEEK, peek_parameters) if peek_parameters else None
                return await claimed.fetchall(), await peeked.fetchall() if peeked else []

    async def _claim(self, claim: dict[str, Any], workflows: list[int], look: Look, statement: LiteralString) -> None:
        crash_point("before_claim_commits")
        found, _ = await self._admit_and_claim(workflows, statement, claim)
        look.more = len(found) == claim["room"]
        await self._take_over(claim["shift"], found, look)

    async def _take_over(self, shift_id: int, found: list[Any], look: Look) -> None:
        """Read what belongs to the executions that were just claimed, and put them into the look."""
        rows = [row[:-1] for row in found]
        known: dict[str, list[EntryRow]] = {row[0]: [] for row in rows if _has_journal(row)}
        if known:
            for entry in await self._desk.fetch(sql.ENTRIES, {"ids": list(known)}):
                known[entry[0]].append(EntryRow(*entry))
        inbox: dict[str, list[InboxRow]] = {row[0]: [] for row in found if row[-1]}
        if inbox:
            for item in await self._desk.fetch(sql.INBOX, {"ids": list(inbox)}):
                inbox[item[1]].append(InboxRow(*item))
        for row in rows:
            if row[CLAIMS] > self._podium.claims_without_progress:
                await self.set_aside(shift_id, row[0], NO_PROGRESS)
                continue
            look.claimed.append(Claimed._make((*row, known.get(row[0], []), inbox.get(row[0], []))))

    async def reconcile(self, shift_id: int, known: list[str]) -> list[InboxRow]:
        """Free what the shift holds besides `known`, and return what lies unheard in the inboxes of those."""
        await self._desk.fetch(sql.FREE_UNKNOWN, {"shift": shift_id, "known": known})
        await self._desk.fetch(sql.WAKE_UNHEARD, {})
        return [InboxRow(*row) for row in await self._desk.fetch(sql.INBOX, {"ids": known})]

    async def set_aside(self, shift_id: int, execution_id: str, error: str) -> None:
        """Quarantine an execution that the shift holds, with `error` (JSON) as the reason."""
        await self._desk.fetch(sql.QUARANTINE, {"id": execution_id, "shift": shift_id, "error": error})

    async def suspect(self, shift_id: int, execution_id: str, *, claims: int) -> None:
        """Put down an execution that the shift holds: after `claims` claims without progress it is driven alone."""
        await self._desk.fetch(sql.SUSPECT, {"id": execution_id, "shift": shift_id, "claims": claims})

    # Writing ------------------------------------------------------------------------------------------------------

    async def commit(self, batch: Batch) -> None:
        """Write a batch whole or not at all. Raises Fenced, BatchRefused."""
        pokes = batch.pokes()
        names, parameters = encode(batch, pokes)
        query = batch_statement(names)
        crash_point("inside_commit")
        for attempt in range(ATTEMPTS):
            try:
                [(alive, changed)] = await self._journal.fetch(query, parameters)
                break
            except (errors.DeadlockDetected, errors.SerializationFailure, errors.LockNotAvailable):
                # Nothing of it was written; two batches met over the rows that they poke.
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.01 * (attempt + 1) * (1 + batch.shift_id % 3))
            except (psycopg.IntegrityError, psycopg.DataError) as error:
                raise BatchRefused(str(error)) from error
        if not alive or changed != len(batch.rows):
            raise Fenced

    async def committed(self, shift_id: int, number: int) -> bool:
        """Tell whether the shift's batch `number` took place."""
        return bool((await self._journal.fetch(sql.COMMITTED, {"shift": shift_id, "number": number}))[0][0])

    # Reading ------------------------------------------------------------------------------------------------------

    async def workflow(self, team_id: int, slug: str, revision: int | None) -> WorkflowRow | None:
        """Return a revision of a workflow (None: the latest), or None where there is none."""
        rows = await self._desk.fetch(sql.WORKFLOW, {"team": team_id, "slug": slug, "revision": revision})
        return WorkflowRow(*rows[0]) if rows else None

    async def document(self, revision_id: int) -> str:
        """Return a revision's definition."""
        return str((await self._desk.fetch(sql.DOCUMENT, {"revision": revision_id}))[0][0])

    async def secrets(self, team_id: int) -> dict[str, str]:
        """Return a team's secrets, still encrypted."""
        return dict(await self._desk.fetch(sql.SECRETS, {"team": team_id}))


STATUS, CLAIMS, SEQ = (Claimed._fields.index(name) for name in ("status", "claims", "seq"))


def _has_journal(row: Sequence[Any]) -> bool:
    """Tell whether there is anything to read: one that waits to be let in may have been told something."""
    return row[STATUS] != "pending" or row[SEQ] > 0
