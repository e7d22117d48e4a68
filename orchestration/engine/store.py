"""The store: what a shift asks of the database, the same on SQLite and PostgreSQL.

What is always true:
* An execution is driven by at most one shift: `shift_id` names it, and its `epoch` rises with every claim.
* Only a shift that is `awake` claims, and only its batches commit: the shift's own row is the fence, read (and on
  PostgreSQL locked) inside the same transaction. A shift that was declared dead finds that out at its next batch,
  which changes nothing.
* Declaring a shift dead and freeing its executions is one transaction, so that nothing is held by a dead shift.
* While an execution is held, its `wake_at` is null until somebody fills its inbox; the holder sets it back to null
  *before* it reads the inbox, so that what comes later is noticed too. Putting an execution down keeps a `wake_at`
  that was set meanwhile. So nothing that was put into an inbox waits for ever.
* `claims` counts the claims since an execution last got any further. One that is due with claims is a *suspect*: its
  holder died before anything of it was committed. A suspect is claimed alone, by a shift that holds nothing else, so
  that the one that takes its workers down is told from those that were claimed together with it.
* Admission (`max_concurrent`) counts rows under a lock on the workflow's row, and keeps no counter that could drift.

A crash in the middle leaves either all of a batch or nothing. A commit whose answer was lost is looked up by
`(shift, number)` before it is repeated.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import orjson

from orchestration.domain.errors import StepError

NO_PROGRESS = orjson.dumps(
    StepError("quarantined", "every worker that took it died before it got any further").as_json()
).decode()


class Fenced(Exception):
    """The shift is not awake any more: somebody else has its executions now, or may have."""


class BatchRefused(Exception):
    """The database refuses the content of a batch; nothing of it was written."""


class InboxRow(NamedTuple):
    """One thing that somebody tells an execution."""

    id: int
    execution_id: str
    kind: str
    payload: str
    answered: bool


class EntryRow(NamedTuple):
    """One journal entry, in the order of the table's columns."""

    execution_id: str
    seq: int
    at: int
    type: str
    step: str
    data: str


class StepRow(NamedTuple):
    """A step run as of its end, in the order of the table's columns."""

    execution_id: str
    path: str
    top: bool
    type: str
    status: str
    attempts: int
    started_at: int | None
    ended_at: int | None
    error: str


class ChildRow(NamedTuple):
    """A child execution to be started, unless it stands already."""

    id: str
    team_id: int
    workflow_id: int
    revision_id: int
    priority: int
    depth: int
    parent_id: str
    parent_attempt: str
    root_id: str
    input: str
    steps_total: int
    by: str
    correlation_id: str
    created_at: int


class Message(NamedTuple):
    """Something that is put into another execution's inbox."""

    execution_id: str
    kind: str
    key: str | None
    payload: str


@dataclass(slots=True)
class RowChange:
    """What an execution's row becomes; with `release` it is put down too.

    `wake_at` is when it is due, unless it became due while it was held.
    """

    execution_id: str
    epoch: int
    status: str
    output: str | None
    error: str | None
    seq: int
    attempt: int
    steps_done: int
    started_at: int | None
    ended_at: int | None
    release: bool = False
    wake_at: int | None = None
    handed_over: bool = False
    quarantined: bool = False


@dataclass(slots=True)
class Batch:
    """Everything that one commit writes. `number` counts the shift's commits."""

    shift_id: int
    number: int
    at: int
    entries: list[EntryRow] = field(default_factory=list)
    steps: dict[tuple[str, str], StepRow] = field(default_factory=dict)
    rows: dict[str, RowChange] = field(default_factory=dict)
    heard: list[int] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    children: list[ChildRow] = field(default_factory=list)
    listening: list[tuple[str, str, int]] = field(default_factory=list)
    deaf: list[tuple[str, str]] = field(default_factory=list)
    poked: set[str] = field(default_factory=set)
    touched: dict[str, tuple[int, int, str]] = field(default_factory=dict)

    def pokes(self) -> list[str]:
        """Return the executions that are made due because their inbox was filled, but for those in `rows`.

        Those are made due with the rest of their row: one statement may not write a row twice.
        """
        poked = self.poked.union(message.execution_id for message in self.messages)
        for execution_id in poked & self.rows.keys():
            self.rows[execution_id].wake_at = self.at
        return sorted(poked - self.rows.keys())

    @property
    def leaves_a_trace(self) -> bool:
        """Tell whether its number is kept: it matters whether it was written before it is written again."""
        return bool(self.touched or self.rows)

    def touched_text(self) -> str:
        """Return the feed's text: a line `execution seq team workflow` for each execution."""
        return "\n".join(f"{each} {seq} {team} {slug}" for each, (seq, team, slug) in self.touched.items())


class Claimed(NamedTuple):
    """An execution that was just taken: its row, its journal so far and its inbox."""

    id: str
    team_id: int
    workflow_id: int
    slug: str
    revision_id: int
    revision: int
    status: str
    priority: int
    admitted: bool
    epoch: int
    claims: int
    handed_over: bool
    depth: int
    parent_id: str | None
    parent_attempt: str
    root_id: str
    input: str
    seq: int
    by: str
    correlation_id: str
    entries: list[EntryRow]
    inbox: list[InboxRow]


@dataclass(slots=True)
class Look:
    """What a shift found: whom of its own was told something, whom it took, and whether more is due than it took.

    `next_due` is when the first one that nobody held was or is due; `suspects`: some of them must be driven alone.
    """

    told: dict[str, tuple[bool, list[InboxRow]]] = field(default_factory=dict)
    claimed: list[Claimed] = field(default_factory=list)
    more: bool = False
    next_due: int | None = None
    suspects: bool = False


class WorkflowRow(NamedTuple):
    """A workflow's revision, as a child is started with it."""

    workflow_id: int
    revision_id: int
    revision: int
    document: str


@dataclass(slots=True)
class Backlog:
    """What the pulse goes by: how many executions are due (counted up to a bound), which shifts are awake.

    `awake` is each one's worker and boot by its id; `next_due` is when the first that nobody holds is due; `suspects`
    says whether some of those that are due must be driven alone.
    """

    due: int
    next_due: int | None
    newest_shift: int
    awake: dict[int, tuple[str, str]] = field(default_factory=dict)
    suspects: bool = False


class Store(Protocol):
    """The port. Every method may raise the driver's OperationalError when the database does not answer."""

    async def warm_up(self) -> None:
        """Open what is needed for the first shift, and ask once what that will ask."""

    async def open_shift(self, *, worker: str, boot: str, pid: int) -> tuple[int, int]:
        """Insert an awake shift with a full lease; return its id and the database's instant."""

    async def neighbours(self, shift_id: int, boot: str) -> int:
        """Return how many shifts of the same boot were awake before this one."""

    async def close_shift(self, shift_id: int) -> None:
        """End the shift and free whatever it still holds."""

    async def look(
        self, shift_id: int, *, now: int, room: int, alone: bool = False, hints: Collection[int] = ()
    ) -> Look:
        """Fetch what the shift's executions were told, admit, and claim up to `room` due executions.

        With `alone` (the shift holds nothing) one suspect comes before everything else, whatever room there is, and
        then nothing else is claimed. `hints` are workflows of which something was just started: a store may look there
        first, suspects or not. Raises Fenced.
        """

    async def reconcile(self, shift_id: int, known: list[str]) -> list[InboxRow]:
        """Free what the shift holds besides `known`, and return what lies unheard in the inboxes of those.

        What was told something and has nobody to hear it is made due: the lost answer may have been about it.
        """

    async def set_aside(self, shift_id: int, execution_id: str, error: str) -> None:
        """Quarantine an execution that the shift holds, with `error` (JSON) as the reason."""

    async def suspect(self, shift_id: int, execution_id: str, *, claims: int) -> None:
        """Put down an execution that the shift holds: after `claims` claims without progress it is driven alone."""

    async def commit(self, batch: Batch) -> None:
        """Write a batch whole or not at all. Raises Fenced, BatchRefused."""

    async def committed(self, shift_id: int, number: int) -> bool:
        """Tell whether the shift's batch `number` took place."""

    async def workflow(self, team_id: int, slug: str, revision: int | None) -> WorkflowRow | None:
        """Return a revision of a workflow (None: the latest), or None where there is none."""

    async def document(self, revision_id: int) -> str:
        """Return a revision's definition."""

    async def secrets(self, team_id: int) -> dict[str, str]:
        """Return a team's secrets, still encrypted."""

    async def bury(self, gone: list[int]) -> list[int]:
        """Declare dead every shift whose lease has run out and those in `gone`; free their executions."""

    async def backlog(self) -> Backlog:
        """Return what is due and how many shifts are awake."""

    async def close(self) -> None:
        """Let go of the connections."""
