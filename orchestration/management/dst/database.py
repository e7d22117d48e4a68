"""The simulated database: tables in memory, and the statements of the store on them. Every method is a transaction.

It keeps the promises of engine/store.py and no others, in the manner of PostgreSQL (a statement sees what is committed)
or of SQLite (a look is one transaction). A Breakage has it forget one of them. Its clock is the world's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.engine.store import (
    Backlog,
    Batch,
    BatchRefused,
    ChildRow,
    EntryRow,
    Fenced,
    InboxRow,
    RowChange,
)

from .rows import Breakage, Execution, InboxItem, Shift, Workflow
from .timetable import EPOCH, Timetable

if TYPE_CHECKING:
    from .witness import Witness

TEAM = 1


class Database:
    """All rows, and what is done to them."""

    def __init__(self, timetable: Timetable, lease: float, max_concurrent: int, *, postgres: bool) -> None:
        self._timetable = timetable
        self._lease = round(lease * 1_000_000)
        self._max_concurrent = max_concurrent
        self.postgres = postgres
        self.broken: frozenset[Breakage] = frozenset()
        self.workflows: dict[int, Workflow] = {}
        self.shifts: dict[int, Shift] = {}
        self.executions: dict[str, Execution] = {}
        self.journal: dict[str, list[EntryRow]] = {}
        self.inbox: dict[int, InboxItem] = {}
        self._items = 0
        self.listening: set[tuple[str, str]] = set()
        self.batches: set[tuple[int, int]] = set()
        self.witness: Witness

    @property
    def now(self) -> int:
        """Return the database's instant."""
        return EPOCH + self._timetable.now

    @property
    def seconds(self) -> float:
        """Return the seconds since the world began."""
        return self._timetable.now / 1_000_000

    # Shifts -------------------------------------------------------------------------------------------------------

    def open_shift(self, worker: str, boot: str) -> tuple[int, int]:
        """Insert an awake shift."""
        shift = Shift(len(self.shifts) + 1, worker, boot, self.now + self._lease)
        self.shifts[shift.id] = shift
        return shift.id, self.now

    def beat(self, shift_id: int) -> bool:
        """Renew a lease; False if the shift is not awake."""
        shift = self.shifts[shift_id]
        if shift.state != "awake":
            return False
        shift.expires_at = self.now + self._lease
        return True

    def awake(self, shift_id: int) -> bool:
        """Tell whether a shift is awake."""
        return self.shifts[shift_id].state == "awake"

    def in_doubt(self, gone: list[int]) -> list[tuple[int, bool, bool]]:
        """Return each awake shift: its id, whether it is surely dead, whether nobody holds its lock."""
        return [
            (shift.id, shift.expires_at < self.now or shift.id in gone, self.postgres and not shift.locked)
            for shift in self.shifts.values()
            if shift.state == "awake"
        ]

    def end_shifts(self, ids: list[int], state: str) -> list[int]:
        """End the shifts that are awake and free what they hold."""
        ended = [each for each in ids if self.awake(each)]
        for each in ended:
            self.shifts[each].state = state
        if Breakage.BURY_ONLY not in self.broken or state != "dead":
            for execution in self.executions.values():
                if execution.shift_id in ended:
                    self._free(execution, state)
        self.wake_unheard()
        self.witness.ended()
        return ended

    def bury(self, gone: list[int]) -> list[int]:
        """Declare dead, in one transaction, what is surely dead by now."""
        dead = [shift_id for shift_id, surely, _ in self.in_doubt(gone) if surely]
        return self.end_shifts(dead, "dead") if dead else []

    def _free(self, execution: Execution, why: str) -> None:
        execution.shift_id = None
        execution.wake_at = min(execution.created_at, self.now)
        length = len(self.journal[execution.id])
        if why != "dead" or length > execution.seq:
            execution.claims = 0
        execution.seq = max(execution.seq, length) if why == "dead" else execution.seq
        self.witness.freed(execution, why)

    def backlog(self) -> Backlog:
        """Return what the pulse goes by."""
        now = self.now
        due = len(self.due(now)) + len(self.due(now, suspects=True)) + len(self._with_room())
        awake = {shift.id: (shift.worker, shift.boot) for shift in self.shifts.values() if shift.state == "awake"}
        return Backlog(due, self._first_due(), len(self.shifts), awake, self._any_suspect())

    # Looking ------------------------------------------------------------------------------------------------------

    def peek(self, shift_id: int) -> tuple[bool, bool, list[int], int | None, bool]:
        """Tell whether the shift is awake and was told something, where is room, what is due first, any suspects."""
        told = any(each.shift_id == shift_id and each.wake_at is not None for each in self.executions.values())
        return self.awake(shift_id), told, self._with_room(), self._first_due(), self._any_suspect()

    def unpoke(self, shift_id: int) -> list[tuple[str, bool]]:
        """Take note of whom of a shift's own was told something."""
        found = []
        for execution in self.executions.values():
            if execution.shift_id == shift_id and execution.wake_at is not None:
                execution.wake_at = None
                found.append((execution.id, execution.admitted))
        return found

    def inboxes(self, shift_id: int) -> list[InboxRow]:
        """Return what lies unheard in the inboxes of a shift's own."""
        return self.unheard([each.id for each in self.executions.values() if each.shift_id == shift_id])

    def unheard(self, ids: list[str]) -> list[InboxRow]:
        """Return what lies unheard in some inboxes."""
        wanted = set(ids)
        rows = [
            InboxRow(item.id, item.execution_id, item.kind, item.payload, item.answered)
            for item in self.inbox.values()
            if item.outcome is None and item.execution_id in wanted
        ]
        if Breakage.INBOX_CLEARED in self.broken:
            for row in rows:
                del self.inbox[row.id]
        return rows

    def _room(self, workflow_id: int) -> int:
        most = self.workflows[workflow_id].max_concurrent or self._max_concurrent
        if Breakage.NO_ADMISSION in self.broken:
            return most
        return most - sum(
            each.workflow_id == workflow_id and each.admitted and each.ended_at is None and not each.quarantined
            for each in self.executions.values()
        )

    def waiting(self) -> bool:
        """Tell whether anybody waits to be let in."""
        return any(each.status == "pending" and not each.admitted for each in self.executions.values())

    def _with_room(self) -> list[int]:
        waiting = {
            each.workflow_id for each in self.executions.values() if each.status == "pending" and not each.admitted
        }
        return sorted(each for each in waiting if self._room(each) > 0)

    def admit(self, workflow_id: int) -> None:
        """Let in as many as there is room for, by priority and age."""
        waiting = [
            each
            for each in self.executions.values()
            if each.workflow_id == workflow_id and each.status == "pending" and not each.admitted
        ]
        waiting.sort(key=lambda each: (each.priority, each.created_at, each.id))
        let_in = waiting[: max(0, self._room(workflow_id))]
        for execution in let_in:
            execution.admitted = True
            execution.wake_at = min(execution.created_at, self.now)
        self.witness.admitted(workflow_id, len(let_in))

    def due(self, now: int, *, suspects: bool = False) -> list[Execution]:
        """Return what is due and nobody holds, in the order in which it is claimed."""
        held_too = Breakage.CLAIM_HELD in self.broken
        due = [
            each
            for each in self.executions.values()
            if (each.shift_id is None or held_too)
            and each.wake_at is not None
            and each.wake_at <= now
            and (each.claims > 0) == suspects
        ]
        return sorted(due, key=lambda each: (0 if suspects else each.priority, each.wake_at))

    def _first_due(self) -> int | None:
        free = [each for each in self.executions.values() if each.shift_id is None and each.claims == 0]
        return min((each.wake_at for each in free if each.wake_at is not None), default=None)

    def _any_suspect(self) -> bool:
        return any(
            each.claims > 0 and each.shift_id is None and each.wake_at is not None for each in self.executions.values()
        )

    def claim(self, shift_id: int, now: int, room: int, *, suspects: bool = False) -> list[tuple[Execution, bool]]:
        """Take due executions (or suspects) for an awake shift; return each with whether it was handed over."""
        if not self.awake(shift_id):
            return []
        taken = []
        for execution in self.due(now, suspects=suspects)[:room]:
            self.witness.claiming(execution, shift_id)
            taken.append((execution, execution.handed_over))
            execution.shift_id = shift_id
            execution.epoch += 1
            execution.claims += 1
            execution.handed_over = False
            execution.wake_at = None
        return sorted(taken, key=lambda each: (each[0].priority, each[0].created_at))

    def suspect(self, shift_id: int, execution_id: str, claims: int) -> None:
        """Put down an execution that is to be driven alone."""
        execution = self.executions[execution_id]
        if execution.shift_id == shift_id:
            execution.shift_id, execution.wake_at, execution.claims = None, min(execution.created_at, self.now), claims

    def quarantine(self, shift_id: int, execution_id: str, error: str) -> None:
        """Put aside an execution that the shift holds."""
        execution = self.executions[execution_id]
        if execution.shift_id == shift_id:
            execution.quarantined, execution.shift_id, execution.wake_at = True, None, None
            execution.error, execution.claims = error, 0
            if execution.ended_at is None:
                execution.status = "paused"
            self.witness.quarantined(execution)

    def free_unknown(self, shift_id: int, known: list[str]) -> None:
        """Free what a shift holds besides `known`."""
        for execution in self.executions.values():
            if execution.shift_id == shift_id and execution.id not in known:
                self._free(execution, "unknown")

    def wake_unheard(self) -> None:
        """Make due what was told something, or let in, and has nobody to hear it."""
        if Breakage.WAKE_FORGOTTEN in self.broken:
            return
        unheard = {item.execution_id for item in self.inbox.values() if item.outcome is None}
        for execution in self.executions.values():
            asleep = execution.shift_id is None and execution.wake_at is None and not execution.quarantined
            let_in = execution.admitted and execution.status == "pending"
            if asleep and (let_in or execution.id in unheard):
                execution.wake_at = min(execution.created_at, self.now)

    # Writing ------------------------------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> None:
        """Write a batch. Raises Fenced, BatchRefused."""
        if not self.awake(batch.shift_id) and Breakage.NO_FENCE not in self.broken:
            raise Fenced
        pokes = batch.pokes()
        self._refuse(batch)
        changed = [row for row in batch.rows.values() if self._may_change(batch.shift_id, row)]
        fits = len(changed) == len(batch.rows)
        if not fits and not self.postgres:
            raise Fenced
        self.witness.committing(batch)
        self._insert(batch)
        for row in changed:
            self._change(row)
        self._hear(batch)
        for message in batch.messages:
            self.tell(message.execution_id, message.kind, message.key, message.payload, answered=False)
        self.poke(pokes, batch.at)
        if batch.leaves_a_trace and Breakage.COMMITTED_NEVER not in self.broken:
            self.batches.add((batch.shift_id, batch.number))
        self.witness.committed(batch)
        if not fits:
            raise Fenced

    def _refuse(self, batch: Batch) -> None:
        if (batch.shift_id, batch.number) in self.batches:
            raise BatchRefused(f"batch {batch.number} stands already")
        for entry in batch.entries:
            journal = self.journal[entry.execution_id]
            if entry.seq <= len(journal) and Breakage.NO_FENCE not in self.broken:
                raise BatchRefused(f"entry {entry.seq} of {entry.execution_id} stands already")

    def _may_change(self, shift_id: int, row: RowChange) -> bool:
        execution = self.executions[row.execution_id]
        return execution.shift_id == shift_id and execution.epoch == row.epoch

    def _insert(self, batch: Batch) -> None:
        for child in batch.children:
            if child.id not in self.executions:
                self.insert(_row_of(child))
        entries = batch.entries
        if Breakage.HALF_A_BATCH in self.broken and len(entries) > 2:
            entries = entries[:-1]
        for entry in entries:
            self.journal[entry.execution_id].append(entry)

    def _change(self, row: RowChange) -> None:
        execution = self.executions[row.execution_id]
        execution.status, execution.output, execution.error = row.status, row.output, row.error
        execution.seq, execution.attempt, execution.steps_done = row.seq, row.attempt, row.steps_done
        execution.started_at, execution.ended_at = row.started_at, row.ended_at
        if row.quarantined:
            execution.wake_at = None
        elif execution.wake_at is None or (row.release and Breakage.WAKE_FORGOTTEN in self.broken):
            execution.wake_at = row.wake_at
        execution.handed_over, execution.quarantined, execution.claims = row.handed_over, row.quarantined, 0
        if row.release:
            execution.shift_id = None
        if row.quarantined:
            self.witness.quarantined(execution)

    def _hear(self, batch: Batch) -> None:
        for item_id in batch.heard:
            self.witness.heard(batch, item_id, None)
            self.inbox.pop(item_id, None)
        for item_id, outcome in batch.answers:
            self.witness.heard(batch, item_id, outcome)
            if item_id in self.inbox:
                self.inbox[item_id].outcome = outcome
        self.listening.update((execution_id, topic) for execution_id, topic, _ in batch.listening)
        self.listening.difference_update(batch.deaf)

    def is_committed(self, shift_id: int, number: int) -> bool:
        """Tell whether a batch took place."""
        return (shift_id, number) in self.batches

    # What others do -----------------------------------------------------------------------------------------------

    def insert(self, execution: Execution) -> None:
        """Insert an execution."""
        self.executions[execution.id] = execution
        self.journal[execution.id] = []
        self.witness.inserted(execution)

    def tell(self, execution_id: str, kind: str, key: str | None, payload: str, *, answered: bool) -> int | None:
        """Put something into an inbox; None if that lies in it already."""
        if key is not None and any(
            each.key == key and each.execution_id == execution_id for each in self.inbox.values()
        ):
            return None
        self._items += 1
        item = InboxItem(self._items, execution_id, kind, key, payload, answered)
        self.inbox[item.id] = item
        self.witness.told(item)
        return item.id

    def poke(self, ids: list[str], at: int) -> None:
        """Make executions due because their inbox was filled."""
        for each in ids:
            execution = self.executions.get(each)
            if execution is not None and not execution.quarantined:
                execution.wake_at = at

    def release(self, execution_id: str) -> None:
        """Let an execution that was put aside be claimed again."""
        execution = self.executions[execution_id]
        if execution.quarantined:
            execution.quarantined, execution.claims, execution.error, execution.wake_at = False, 0, None, self.now
            if execution.ended_at is None:
                execution.status = "running" if self.journal[execution_id] else "pending"
            self.witness.freed(execution, "released")

    def workflow_of(self, slug: str) -> Workflow | None:
        """Return a workflow by its name."""
        return next((each for each in self.workflows.values() if each.slug == slug), None)


def _row_of(child: ChildRow) -> Execution:
    return Execution(
        id=child.id,
        team_id=child.team_id,
        workflow_id=child.workflow_id,
        revision_id=child.revision_id,
        priority=child.priority,
        input=child.input,
        created_at=child.created_at,
        root_id=child.root_id,
        depth=child.depth,
        parent_id=child.parent_id,
        parent_attempt=child.parent_attempt,
        by=child.by,
        correlation_id=child.correlation_id,
    )
