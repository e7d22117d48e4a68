"""The rows of the simulated database, and the ways in which a test may break it on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from orchestration.engine.store import Claimed, EntryRow, InboxRow


@dataclass(slots=True)
class Workflow:
    """A workflow with its one revision."""

    id: int
    slug: str
    revision_id: int
    document: str
    max_concurrent: int | None
    priority: int


@dataclass(slots=True)
class Shift:
    """A shift's row; `locked`: its process holds its advisory lock."""

    id: int
    worker: str
    boot: str
    expires_at: int
    state: str = "awake"
    locked: bool = False


@dataclass(slots=True)
class Execution:
    """An execution's row."""

    id: str
    team_id: int
    workflow_id: int
    revision_id: int
    priority: int
    input: str
    created_at: int
    root_id: str
    depth: int = 0
    parent_id: str | None = None
    parent_attempt: str = ""
    by: str = ""
    correlation_id: str = ""
    status: str = "pending"
    admitted: bool = False
    shift_id: int | None = None
    epoch: int = 0
    claims: int = 0
    quarantined: bool = False
    handed_over: bool = False
    wake_at: int | None = None
    seq: int = 0
    attempt: int = 1
    steps_done: int = 0
    output: str | None = None
    error: str | None = None
    started_at: int | None = None
    ended_at: int | None = None

    def claimed(self, slug: str, was_handed_over: bool, entries: list[EntryRow], inbox: list[InboxRow]) -> Claimed:
        """Return the row as a claim hands it out."""
        return Claimed(
            self.id, self.team_id, self.workflow_id, slug, self.revision_id, 1, self.status, self.priority,
            self.admitted, self.epoch, self.claims, was_handed_over, self.depth, self.parent_id, self.parent_attempt,
            self.root_id, self.input, self.seq, self.by, self.correlation_id, entries, inbox,
        )  # fmt: skip


@dataclass(slots=True)
class InboxItem:
    """Something that somebody tells an execution."""

    id: int
    execution_id: str
    kind: str
    key: str | None
    payload: str
    answered: bool
    outcome: str | None = None


class Breakage(Enum):
    """A promise of the store that is not kept, on purpose: the witness has to notice. For tests alone."""

    NO_FENCE = "a shift that is not awake may write"
    COMMIT_LATER = "a commit is answered before it is written, so that results are built on too early"
    INBOX_CLEARED = "what was read of an inbox is gone before it was heard"
    WAKE_FORGOTTEN = "one that is told something while it is put down is not woken for it, then or later"
    BURY_ONLY = "a dead shift's executions stay where they are"
    CLAIM_HELD = "what somebody holds may be claimed too"
    HALF_A_BATCH = "a batch may be written in part"
    COMMITTED_NEVER = "a commit whose answer was lost is never found again"
    NO_ADMISSION = "everybody is let in at once"
