"""What a run asks its shell to do, once the entries that were decided with it are committed.

`attempt` names one attempt of one step run for ever; the shell hands it back with the answer. `timeout` is for the
shell's own resources (sockets, slots): the run itself notices an attempt that is late and sends `CancelAttempt`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class StartAttempt:
    """Call `method` of service `service` with `input`, then tell Answered, Failed, Accepted or Postponed.

    `purpose` is `service`, `notification` (then `service` is `notify` and `method` the channel) or `compensation`.
    `after_loss`: the attempt before was lost with its worker, which says nothing of the service.
    `number` counts attempts from 1; `idempotency_key` is `{execution}/{step run}`, the same on every attempt.
    `default_timeout` says that the definition gives no timeout: `timeout` is the service's, else the default, and
    whoever calls may know of a shorter one by now.
    """

    attempt: str
    step: str
    purpose: str
    service: str
    method: str
    input: dict[str, Any]
    number: int
    idempotency_key: str
    timeout: int | None
    completion: str = "reply"
    delivery: str = "at-least-once"
    balance: str | None = None
    default_timeout: bool = False
    after_loss: bool = False


@dataclass(slots=True)
class StartChild:
    """Start workflow `workflow` as execution `child_id`, then tell ChildStarted, ChildEnded or Failed.

    Starting it twice is starting it once: `child_id` is derived from the attempt. With `wait` the shell tells
    ChildEnded when it ended, otherwise ChildStarted as soon as it stands. An unknown workflow is Failed with
    `workflow_not_found`, a refused input Failed with `invalid_input`.
    """

    attempt: str
    step: str
    child_id: str
    workflow: str
    revision: int | None
    input: dict[str, Any]
    wait: bool
    depth: int


@dataclass(slots=True)
class CancelAttempt:
    """Abort the attempt; whatever it still answers is of no interest."""

    attempt: str


@dataclass(slots=True)
class CancelChild:
    """Cancel a child execution that this one waited for."""

    child_id: str
    compensate: bool


@dataclass(slots=True)
class Finish:
    """The execution ended. Tell whoever waits for it."""

    status: str
    output: Any = None
    error: dict[str, Any] | None = None


Command = StartAttempt | StartChild | CancelAttempt | CancelChild | Finish


@dataclass(slots=True)
class Decision:
    """What `decide` came to: entries that must be committed first, commands that are carried out then.

    `wake_at` is the instant at which the run wants to decide again if nothing is heard before (None: never).
    """

    events: list[Any] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    wake_at: int | None = None
