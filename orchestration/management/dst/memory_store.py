"""The store's port on the simulated database: every statement goes over the network, and may come to grief there.

In the manner of PostgreSQL a look is several statements, between which others may write; in that of SQLite it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from functools import partial
from typing import Any, TypeVar

from orchestration.engine.lost_locks import LostLocks
from orchestration.engine.store import (
    NO_PROGRESS,
    Backlog,
    Batch,
    Claimed,
    EntryRow,
    Fenced,
    InboxRow,
    Look,
    WorkflowRow,
)

from .counting import Trace
from .database import Database
from .network import Line, Network
from .process import Process
from .rows import Breakage, Execution

T = TypeVar("T")
Statements = Generator[tuple[str, Callable[[], Any]], Any, Look]


class MemoryStore:
    """One process's store."""

    def __init__(self, database: Database, network: Network, process: Process, trace: Trace, podium: Any) -> None:
        self._database = database
        self._network = network
        self._process = process
        self._trace = trace
        self._podium = podium
        self.lost_locks = LostLocks(process.monotonic)
        self._desk, self._journal = Line(), Line()

    async def _do(self, name: str, act: Callable[[], T], *, shown: bool = True, line: Line | None = None) -> T:
        line = line or self._desk
        if not shown:
            return await self._network.ask(self._process, line, act)

        def traced() -> T:
            try:
                found = act()
            except Exception as error:
                self._trace.note(f"{self._process.name} {name}: {type(error).__name__}")
                raise
            self._trace.note(f"{self._process.name} {name}")
            return found

        return await self._network.ask(self._process, line, traced)

    async def close(self) -> None:
        """Let go of the connections: there are none."""

    # Shifts -------------------------------------------------------------------------------------------------------

    async def open_shift(self, *, worker: str, boot: str, pid: int) -> tuple[int, int]:
        """Insert an awake shift with a full lease; return its id and the database's instant."""

        def act() -> tuple[int, int]:
            found = self._database.open_shift(worker, boot)
            self._process.shift_id = found[0]
            return found

        return await self._do("open_shift", act)

    async def warm_up(self) -> None:
        """Open what is needed for the first shift: nothing."""

    async def neighbours(self, shift_id: int, boot: str) -> int:
        """Return how many shifts of the same boot were awake before this one."""
        awake = (await self.backlog()).awake
        return sum(1 for each, (_, other) in awake.items() if other == boot and each < shift_id)

    async def close_shift(self, shift_id: int) -> None:
        """End the shift and free whatever it still holds."""
        await self._do("close_shift", lambda: self._database.end_shifts([shift_id], "ended"))

    async def bury(self, gone: list[int]) -> list[int]:
        """Declare dead what is surely dead, and what has long been without its lock."""
        if not self._database.postgres:
            return await self._do("bury", lambda: self._database.bury(gone), shown=False)
        suspects = await self._do("in_doubt", lambda: self._database.in_doubt(gone), shown=False)
        dead = self.lost_locks.dead(suspects)
        return await self._do(f"bury {dead}", lambda: self._database.end_shifts(dead, "dead")) if dead else []

    async def backlog(self) -> Backlog:
        """Return what is due and how many shifts are awake."""
        return await self._do("backlog", self._database.backlog, shown=False)

    # Looking ------------------------------------------------------------------------------------------------------

    async def look(
        self, shift_id: int, *, now: int, room: int, alone: bool = False, hints: Collection[int] = ()
    ) -> Look:
        """Fetch what was told, admit, and claim up to `room`, or with `alone` one suspect first. Raises Fenced."""
        statements = self._look(shift_id, now, room, alone)
        if not self._database.postgres:
            return await self._do("look", lambda: _at_once(statements), shown=False)
        answer: Any = None
        while True:
            try:
                name, act = statements.send(answer)
            except StopIteration as over:
                found: Look = over.value
                return found
            answer = await self._do(name, act, shown=False)

    def _look(self, shift_id: int, now: int, room: int, alone: bool) -> Statements:
        database = self._database
        alive, told, with_room, first_due, suspects = yield "peek", lambda: database.peek(shift_id)
        if not alive:
            raise Fenced
        due = first_due is not None and first_due <= now
        look = Look(more=bool(due or with_room), next_due=first_due)
        if not database.postgres:
            # As engine/store_sqlite.py has it: `more` is what the claim found, where there is one.
            look.more = due and not told and not (suspects and alone)
        if told:
            look.told = {each: (admitted, []) for each, admitted in (yield "unpoke", lambda: database.unpoke(shift_id))}
            for row in (yield "inboxes", lambda: database.inboxes(shift_id)):
                if row.execution_id in look.told:
                    look.told[row.execution_id][1].append(row)
        if alone and suspects:
            yield from self._claim(shift_id, now, 1, look, suspects=True)
            if not database.postgres:
                look.more = True
            if look.claimed or look.more:
                return look
        if room and (due or with_room or (not database.postgres and database.waiting())):
            for workflow_id in with_room:
                yield "admit", partial(database.admit, workflow_id)
            yield from self._claim(shift_id, now, room, look)
        return look

    def _claim(
        self, shift_id: int, now: int, room: int, look: Look, *, suspects: bool = False
    ) -> Generator[Any, Any, None]:
        database = self._database

        def claim() -> tuple[list[Claimed], bool]:
            more = len(database.due(now, suspects=suspects)) > room
            taken = database.claim(shift_id, now, room, suspects=suspects)
            for execution, _ in taken:
                self._trace.note(f"{self._process.name} claims {execution.id[-4:]} epoch {execution.epoch}")
            # The row as it was at the claim: what is read later comes from other statements.
            rows = [self._claimed(each, handed_over) for each, handed_over in taken]
            return rows, len(rows) == room if database.postgres else more

        rows, look.more = yield "claim", claim
        known = [row.id for row in rows if row.status != "pending" or row.seq > 0]
        entries: dict[str, list[EntryRow]] = {}
        if known:
            entries = yield "entries", lambda: {each: list(database.journal[each]) for each in known}
        inbox: dict[str, list[InboxRow]] = {}
        if rows:
            ids = [row.id for row in rows]
            for item in (yield "inbox", lambda: database.unheard(ids)):
                inbox.setdefault(item.execution_id, []).append(item)
        for row in rows:
            if row.claims > self._podium.claims_without_progress:
                yield "set_aside", partial(database.quarantine, shift_id, row.id, NO_PROGRESS)
                continue
            look.claimed.append(row._replace(entries=entries.get(row.id, []), inbox=inbox.get(row.id, [])))

    def _claimed(self, execution: Execution, handed_over: bool) -> Claimed:
        slug = self._database.workflows[execution.workflow_id].slug
        return execution.claimed(slug, handed_over, [], [])

    async def reconcile(self, shift_id: int, known: list[str]) -> list[InboxRow]:
        """Free what the shift holds besides `known`, and return what lies unheard in the inboxes of those."""
        await self._do("free_unknown", lambda: self._database.free_unknown(shift_id, known))
        await self._do("wake_unheard", self._database.wake_unheard, shown=False)
        return await self._do("inbox", lambda: self._database.unheard(known), shown=False)

    async def set_aside(self, shift_id: int, execution_id: str, error: str) -> None:
        """Quarantine an execution that the shift holds, with `error` (JSON) as the reason."""
        await self._do("set_aside", lambda: self._database.quarantine(shift_id, execution_id, error))

    async def suspect(self, shift_id: int, execution_id: str, *, claims: int) -> None:
        """Put down an execution that the shift holds: after `claims` claims without progress it is driven alone."""
        await self._do("suspect", lambda: self._database.suspect(shift_id, execution_id, claims))

    # Writing ------------------------------------------------------------------------------------------------------

    async def commit(self, batch: Batch) -> None:
        """Write a batch whole or not at all. Raises Fenced, BatchRefused."""
        name = f"commit {batch.number}: {_shown(batch)}"
        if Breakage.COMMIT_LATER in self._database.broken and batch.entries:
            await self._do(name, lambda: None, line=self._journal)
            self._network.put_off(self._process, lambda: self._database.commit(batch))
            return
        await self._do(name, lambda: self._database.commit(batch), line=self._journal)

    async def committed(self, shift_id: int, number: int) -> bool:
        """Tell whether the shift's batch `number` took place."""
        stands = partial(self._database.is_committed, shift_id, number)
        return await self._do(f"committed {number}", stands, line=self._journal)

    # Reading ------------------------------------------------------------------------------------------------------

    async def workflow(self, team_id: int, slug: str, revision: int | None) -> WorkflowRow | None:
        """Return a revision of a workflow (None: the latest), or None where there is none."""
        found = await self._do(f"workflow {slug}", lambda: self._database.workflow_of(slug))
        if found is None or revision not in (None, 1):
            return None
        return WorkflowRow(found.id, found.revision_id, 1, found.document)

    async def document(self, revision_id: int) -> str:
        """Return a revision's definition."""
        workflows = self._database.workflows
        return await self._do(
            "document", lambda: next(each.document for each in workflows.values() if each.revision_id == revision_id)
        )

    async def secrets(self, team_id: int) -> dict[str, str]:
        """Return a team's secrets: it has none."""
        return await self._do("secrets", dict, shown=False)


def _at_once(statements: Statements) -> Look:
    """Carry out all statements of a look in one go."""
    answer: Any = None
    while True:
        try:
            _, act = statements.send(answer)
        except StopIteration as over:
            found: Look = over.value
            return found
        answer = act()


def _shown(batch: Batch) -> str:
    parts = [f"{each.execution_id[-4:]}#{each.seq} {each.type} {each.step}".rstrip() for each in batch.entries]
    parts += [f"row {row.execution_id[-4:]} {row.status}{' released' * row.release}" for row in batch.rows.values()]
    parts += [f"child {child.id[-4:]}" for child in batch.children]
    parts += [f"tells {message.execution_id[-4:]} {message.kind}" for message in batch.messages]
    parts += [f"heard {each}" for each in batch.heard] + [f"answered {each}" for each, _ in batch.answers]
    return ", ".join(parts)
