"""What queries give out: frozen dataclasses, with aware datetimes and plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from orchestration.domain.definition import Definition

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list; `next_cursor` asks for the one after it, None: there is none."""

    items: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class WorkflowSummary:
    """A workflow at its latest revision; `id` is its slug."""

    id: str
    name: str
    description: str
    version: str
    revision: int
    updated_at: datetime
    step_count: int


@dataclass(frozen=True, slots=True)
class RevisionSummary:
    """One revision of a workflow."""

    revision: int
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class WorkflowDetail:
    """A workflow at one revision, with its definition and the list of all revisions, the newest first."""

    id: str
    name: str
    description: str
    version: str
    revision: int
    updated_at: datetime
    step_count: int
    document: dict[str, Any]
    revisions: tuple[RevisionSummary, ...]


@dataclass(frozen=True, slots=True)
class ExecutionSummary:
    """An execution without its steps. `progress` is 0 to 1."""

    id: str
    workflow: str
    workflow_name: str
    revision: int
    status: str
    progress: float
    steps_done: int
    steps_total: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: dict[str, Any] | None
    by: str
    seq: int
    attempt: int
    parent_id: str | None
    priority: int
    # Paused by the platform, `error` says why, until somebody resumes it.
    quarantined: bool = False


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt of a step run."""

    number: int
    started_at: datetime | None
    ended_at: datetime | None
    error: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class StepView:
    """A step run as the journal has it."""

    path: str
    id: str
    name: str
    type: str
    status: str
    attempts: int
    max_attempts: int
    started_at: datetime | None
    ended_at: datetime | None
    next_attempt_at: datetime | None
    output: Any
    error: dict[str, Any] | None
    depth: int
    parent: str | None
    index: int | None
    tries: tuple[AttemptView, ...]


@dataclass(frozen=True, slots=True)
class WaitView:
    """One thing that an execution waits for, and until when at the latest.

    Of a call that may not be made just now `reason` is a word for why, and `until` when it is asked for again.
    """

    kind: str
    step: str
    until: datetime | None
    detail: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ExecutionDetail:
    """An execution with its steps, what it waits for, and the executions that it started."""

    summary: ExecutionSummary
    input: Any
    output: Any
    steps: tuple[StepView, ...]
    waiting_for: tuple[WaitView, ...]
    definition: Definition
    children: tuple[ExecutionSummary, ...]


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry of an execution's journal."""

    seq: int
    type: str
    at: datetime
    step: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """An execution changed: its journal is `seq` entries long now."""

    execution_id: str
    team_id: int
    workflow: str
    seq: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed after a position, and the position to ask on from."""

    position: int
    items: tuple[Change, ...]
