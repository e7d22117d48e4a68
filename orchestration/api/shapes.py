"""What the API answers with: one model per thing, made from the frozen dataclasses that queries return.

The same models are the schemas of the OpenAPI document. Instants are RFC 3339 texts in UTC with milliseconds;
durations are seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from orchestration.domain import instants


class Shape(BaseModel):
    """The root of all answers."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def instant_text(value: Any) -> Any:
    """Return an instant (microseconds, or an aware datetime) as RFC 3339 text in UTC with milliseconds."""
    moment = instants.to_datetime(value) if isinstance(value, int) else value
    if not isinstance(moment, datetime):
        return moment
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Instant = Annotated[
    str,
    BeforeValidator(instant_text),
    Field(json_schema_extra={"format": "date-time"}, examples=["2030-01-31T12:00:00.000Z"]),
]
ExecutionId = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Seconds = Annotated[float, Field(description="Seconds.")]


class ProblemError(Shape):
    """One thing that is wrong: where, a stable code, a sentence."""

    path: str
    code: str
    message: str


class ProblemDocument(Shape):
    """Why a request was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    code: Annotated[str, Field(description="Stable; meant for programs.")]
    detail: str
    path: Annotated[str, Field(description="The first place that is wrong; `$` is the whole document.")] = ""
    errors: Annotated[list[ProblemError], Field(description="Everything that is wrong.")] = []
    state: Annotated[str, Field(description="With `refused`: the state that the thing is in.")] = ""
    allowed: Annotated[list[str], Field(description="With `refused`: what would be allowed in this state.")] = []
    latest: Annotated[int, Field(description="With `index_gone`: where to follow from, once all is read anew.")] = 0
    oldest: Annotated[int, Field(description="With `index_gone`: events up to this one are not kept.")] = 0
    limit: Annotated[str | int, Field(description="With `limit_exceeded` and `overloaded`: which limit.")] = ""


class StepError(Shape):
    """Why an attempt, a step or an execution failed."""

    code: str
    message: str = ""
    retryable: bool = False
    details: dict[str, Any] = {}


class WorkflowSummary(Shape):
    """A workflow, at its latest revision."""

    id: str
    name: str
    description: str
    version: str
    revision: int
    step_count: int
    updated_at: Instant


class RevisionSummary(Shape):
    """One saved revision of a workflow; it never changes."""

    revision: int
    created_at: Instant
    created_by: str


class Workflow(WorkflowSummary):
    """A workflow with its definition."""

    definition: Annotated[dict[str, Any], Field(validation_alias="document")]
    revisions: list[RevisionSummary]


class WorkflowPage(Shape):
    """A page of workflows."""

    items: list[WorkflowSummary]
    next_cursor: str | None


class SavedWorkflow(Shape):
    """What became of a definition that was posted."""

    id: Annotated[str, Field(validation_alias="workflow")]
    revision: int
    created: Annotated[bool, Field(description="The workflow is new.")]
    changed: Annotated[bool, Field(description="A new revision was saved.")]


class ValidDefinition(Shape):
    """The definition can be saved."""

    valid: Literal[True] = True


class Links(Shape):
    """Where to go on."""

    self: str
    events: str
    workflow: str


class StartedExecution(Shape):
    """An execution that was taken on."""

    execution_id: ExecutionId
    status: str
    links: Links


class ActionAnswer(Shape):
    """What became of an action."""

    execution_id: ExecutionId
    status: str
    done: Annotated[bool, Field(description="False: it is taken on, and not yet carried out.")]


class ExecutionSummary(Shape):
    """An execution, without its steps."""

    id: ExecutionId
    workflow: str
    workflow_name: str
    revision: int
    status: str
    progress: Annotated[float, Field(description="Ended top-level steps over all of them, 0 to 1.")]
    steps_done: int
    steps_total: int
    created_at: Instant
    started_at: Instant | None
    ended_at: Instant | None
    error: StepError | None
    by: str
    seq: Annotated[int, Field(description="The last entry of its journal.")]
    attempt: int
    parent_id: ExecutionId | None
    priority: int
    quarantined: Annotated[
        bool, Field(description="It took its workers down and is paused until it is resumed; `error` says more.")
    ]


class ExecutionPage(Shape):
    """A page of executions, the newest first."""

    items: list[ExecutionSummary]
    next_cursor: str | None


class Attempt(Shape):
    """One attempt of a step."""

    number: int
    started_at: Instant | None
    ended_at: Instant | None
    error: StepError | None


class Step(Shape):
    """A step run."""

    path: str
    id: str
    name: str
    type: str
    status: str
    attempts: int
    max_attempts: int | None
    started_at: Instant | None
    ended_at: Instant | None
    next_attempt_at: Instant | None
    output: Any
    error: StepError | None
    depth: int
    parent: str | None
    index: int | None
    tries: list[Attempt]


class Waiting(Shape):
    """What an execution waits for just now."""

    kind: str
    step: str
    until: Instant | None
    detail: Any
    reason: Annotated[
        str,
        Field(
            description="Of a call that may not be made just now: `no_healthy_instance`, `circuit_open`, "
            "`retry_budget`, `concurrency_limit`, `rate_limit` or `recovering`; it is asked for again at `until`."
        ),
    ]


class Execution(ExecutionSummary):
    """An execution with its steps."""

    execution_id: ExecutionId
    input: Any
    output: Any
    current_steps: Annotated[list[str], Field(description="Paths of the steps that are under way.")]
    steps: list[Step]
    steps_left_off: Annotated[int, Field(description="Steps that are not listed; ask with `?steps=`.")]
    waiting_for: list[Waiting]
    children: list[ExecutionSummary]
    links: Links


class JournalEntry(Shape):
    """One entry of an execution's journal."""

    seq: int
    type: str
    at: Instant
    step: str
    data: dict[str, Any]


class Journal(Shape):
    """A part of an execution's journal, in order."""

    items: list[JournalEntry]
    next_after: Annotated[int, Field(description="Ask on with `?after=` this.")]


class CallbackAnswer(Shape):
    """What became of a posted result."""

    accepted: Annotated[bool, Field(description="False: the attempt was over already; nothing was changed.")]
