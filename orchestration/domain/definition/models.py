"""The typed model of a workflow definition: what the graph is compiled from, and the language's JSON Schema.

Attribute names are the keys of the language (`while` is `while_`). Durations are whole microseconds, CPU is
millicores, sizes are bytes; None stands for a key that is not given where the language has no default. Values are
immutable and shared. The models look at each value by itself; what hangs together is the business of `checks`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PrivateAttr, Strict, Tag, field_validator
from pydantic_core import PydanticCustomError

from ..limits import MICROSECONDS
from .values import (
    Count,
    Cpu,
    Duration,
    Identifier,
    InputTemplate,
    ItemsTemplate,
    Jitter,
    JsonObject,
    Multiplier,
    Recipients,
    Schema,
    Size,
    Slug,
    StepIds,
    Text,
    Texts,
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: Any) -> Any:
        if value is None:
            raise PydanticCustomError("value.type", "must not be null; leave the key out")
        return value


class Retry(_Model):
    """When and how often a step is tried again."""

    max_attempts: Count | None = None
    delay: Duration = MICROSECONDS
    backoff: Literal["fixed", "linear", "exponential"] = "exponential"
    multiplier: Multiplier = 2.0
    max_delay: Duration = 300 * MICROSECONDS
    jitter: Jitter = 0.2
    deadline: Duration | None = None
    on: Texts | None = None
    never: Texts = ()


class Compensate(_Model):
    """The service call that undoes a step."""

    service_name: Text
    method: Text
    input: InputTemplate | None = None
    timeout: Duration | None = None
    retry: Retry = Retry()


class Resources(_Model):
    """What is reserved before an attempt starts and released when it ends."""

    cpu: Cpu | None = None
    memory: Size | None = None
    storage: Size | None = None
    network: Size | None = None
    constraints: JsonObject = Field(default_factory=dict)


Join = Literal["all_success", "none_failed", "any_success", "first_success", "all_done"]


class _Step(_Model):
    id: Identifier
    name: str = Field(default_factory=lambda data: data.get("id", ""))
    dependencies: StepIds = ()
    join: Join = "all_success"
    condition: str | None = None
    on_success: StepIds = ()
    on_failure: StepIds = ()
    timeout: Duration | None = None
    retry: Retry = Retry()
    output: JsonObject | None = None
    compensate: Compensate | None = None
    optional: bool = False
    resources: Resources | None = None


class ServiceStep(_Step):
    """Calls a method of a registered service."""

    type: Literal["service"]
    service_name: Text
    method: Text
    input: InputTemplate | None = None
    completion: Literal["reply", "callback"] = "reply"
    delivery: Literal["at-least-once", "at-most-once"] = "at-least-once"
    balance: Text | None = None


class ConditionStep(_Step):
    """Completes where its condition is true, else is skipped and its `on_failure` targets run."""

    type: Literal["condition"]
    condition: str


class ParallelStep(_Step):
    """Runs a nested graph."""

    type: Literal["parallel"]
    steps: Annotated[tuple[Step, ...], Strict(False), Field(min_length=1)]
    mode: Literal["all", "best-effort", "race"] = "all"
    parallel_limit: Count | None = None
    result: Any = None


class LoopStep(_Step):
    """Runs a nested graph per item, or while an expression holds."""

    type: Literal["loop"]
    items: ItemsTemplate | None = None
    while_: str | None = Field(default=None, alias="while")
    steps: Annotated[tuple[Step, ...], Strict(False), Field(min_length=1)]
    mode: Literal["all", "best-effort"] = "all"
    parallel_limit: Count = 1
    max_iterations: Count = 1000
    result: Any = None


class DelayStep(_Step):
    """Waits for a while, or until an instant."""

    type: Literal["delay"]
    duration: Duration | None = None
    until: str | None = None


class WaitStep(_Step):
    """Waits for a signal or for an event on the bus."""

    type: Literal["wait"]
    signal: Text | None = None
    event: Text | None = None
    match: str | None = None
    on_timeout: Literal["fail", "continue"] = "fail"
    assignees: Texts = ()
    form: JsonObject | None = None


class NotificationStep(_Step):
    """Tells someone."""

    type: Literal["notification"]
    channel: Literal["email", "webhook", "log"]
    to: Recipients | None = None
    subject: str | None = None
    body: str | None = None
    input: InputTemplate | None = None


class SubflowStep(_Step):
    """Runs another workflow as a child execution."""

    type: Literal["subflow"]
    workflow: Slug
    revision: Count | None = None
    input: InputTemplate | None = None
    wait: bool = True


class UntypedStep(_Step):
    """A step without a valid `type`: its common keys are checked, all others let be. Never part of a definition."""

    model_config = ConfigDict(extra="ignore")
    type: Literal["service", "condition", "parallel", "loop", "delay", "wait", "notification", "subflow"]


STEP_MODELS: dict[str, type[_Step]] = {
    "service": ServiceStep,
    "condition": ConditionStep,
    "parallel": ParallelStep,
    "loop": LoopStep,
    "delay": DelayStep,
    "wait": WaitStep,
    "notification": NotificationStep,
    "subflow": SubflowStep,
}
UNTYPED = "untyped"


def _type_of(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if isinstance(kind, str) and kind in STEP_MODELS else UNTYPED


Step = Annotated[
    Annotated[ServiceStep, Tag("service")]
    | Annotated[ConditionStep, Tag("condition")]
    | Annotated[ParallelStep, Tag("parallel")]
    | Annotated[LoopStep, Tag("loop")]
    | Annotated[DelayStep, Tag("delay")]
    | Annotated[WaitStep, Tag("wait")]
    | Annotated[NotificationStep, Tag("notification")]
    | Annotated[SubflowStep, Tag("subflow")]
    | Annotated[UntypedStep, Tag(UNTYPED)],
    Discriminator(_type_of),
]


class WorkflowConfig(_Model):
    """How an execution as a whole behaves."""

    timeout: Duration | None = None
    parallel_limit: Count = 50
    failure_policy: Literal["fail-fast", "continue", "retry", "compensate"] = "fail-fast"
    max_retries: Annotated[int, Field(ge=0, le=2**53 - 1)] = 0
    compensation: Literal["completed", "all", "best-effort"] = "completed"
    max_concurrent: Count | None = None
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class _Trigger(_Model):
    id: Identifier
    enabled: bool = True
    input: JsonObject | None = None
    condition: str | None = None


class ManualTrigger(_Trigger):
    """Started by a person or a program."""

    type: Literal["manual"]
    id: Identifier = "manual"


class ScheduleTrigger(_Trigger):
    """Started by the clock."""

    type: Literal["schedule"]
    id: Identifier = "schedule"
    schedule: Text
    timezone: Text = "UTC"
    overlap: Literal["queue", "skip", "cancel-running"] = "queue"
    on_missed: Literal["run_last", "run_all", "skip"] = "run_last"


class EventTrigger(_Trigger):
    """Started by an event on the bus."""

    type: Literal["event"]
    id: Identifier = "event"
    event: Text


class WebhookTrigger(_Trigger):
    """Started by a call from outside, at an address that the platform makes."""

    type: Literal["webhook"]
    id: Identifier = "webhook"


class UntypedTrigger(_Trigger):
    """A trigger without a valid `type`. Never part of a definition."""

    model_config = ConfigDict(extra="ignore")
    type: Literal["manual", "schedule", "event", "webhook"]
    id: Identifier = ""


TRIGGER_MODELS: dict[str, type[_Trigger]] = {
    "manual": ManualTrigger,
    "schedule": ScheduleTrigger,
    "event": EventTrigger,
    "webhook": WebhookTrigger,
}


def _trigger_type_of(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if isinstance(kind, str) and kind in TRIGGER_MODELS else UNTYPED


Trigger = Annotated[
    Annotated[ManualTrigger, Tag("manual")]
    | Annotated[ScheduleTrigger, Tag("schedule")]
    | Annotated[EventTrigger, Tag("event")]
    | Annotated[WebhookTrigger, Tag("webhook")]
    | Annotated[UntypedTrigger, Tag(UNTYPED)],
    Discriminator(_trigger_type_of),
]


class Definition(_Model):
    """A workflow: its steps, its settings, what starts it and what comes out."""

    id: Slug
    name: str = Field(default_factory=lambda data: data.get("id", ""))
    description: str = ""
    version: str = ""
    input_schema: Schema | None = None
    variables: JsonObject = Field(default_factory=dict)
    config: WorkflowConfig = WorkflowConfig()
    triggers: Annotated[tuple[Trigger, ...], Strict(False)] = ()
    steps: Annotated[tuple[Step, ...], Strict(False), Field(min_length=1)]
    output: JsonObject | None = None

    _document: dict[str, Any] = PrivateAttr(default_factory=dict)
    _validator: Any = PrivateAttr(default=None)
    SECTIONS: ClassVar[dict[str, type[BaseModel]]] = {
        "config": WorkflowConfig,
        "retry": Retry,
        "compensate": Compensate,
        "resources": Resources,
    }

    @property
    def document(self) -> dict[str, Any]:
        """Return the plain JSON that the definition was parsed from."""
        return self._document

    @property
    def validator(self) -> Any:
        """Return the compiled `input_schema`, None if there is none."""
        return self._validator

    def keep(self, document: dict[str, Any], validator: Any) -> None:
        """Remember what the definition was parsed from, and the compiled `input_schema`. For the parser alone."""
        self._document = document
        self._validator = validator


for _model in (ParallelStep, LoopStep, Definition):
    _model.model_rebuild()
