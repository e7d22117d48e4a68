"""A call and what can come of it: the words between the engine and whatever answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestration.domain.calling.postponed import Postponed
from orchestration.domain.errors import StepError

__all__ = ["Accepted", "CallFailed", "Outcome", "Postponed", "Reply", "ServiceCall", "failed"]


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """One attempt: `method` of the team's `service` with `input`, a JSON object.

    `timeout` is all the time it has, in microseconds (None: the site's default). `callback` is the URL to which a
    service that accepts the call posts the result (None: the reply is the result). `balance` is the step's word for how
    an instance is chosen (None, or no such word: the policy's). `epoch` is the caller's hold on the execution: a call
    with a lower one than another of the same execution comes from a worker that lost it (0: not told).
    `default_timeout` says that the step gives no timeout: `timeout` is the policy's as it was when the attempt began,
    or the site's default, and the policy's counts instead where it is shorter by now. `caller` is the
    workflow that calls, by its id. `after_loss`: the attempt before was lost with its worker, so it is no retry by
    which a sick service would be stormed, and spends nothing of the retry budget.
    """

    team_id: int
    service: str
    method: str
    input: dict[str, Any] = field(default_factory=dict)
    timeout: int | None = None
    idempotency_key: str = ""
    attempt: int = 1
    callback: str | None = None
    traceparent: str | None = None
    balance: str | None = None
    epoch: int = 0
    default_timeout: bool = False
    caller: str = ""
    after_loss: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """The service answered with a JSON object, or with nothing (None)."""

    output: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service took the call on; its result comes to `callback`."""


@dataclass(frozen=True, slots=True)
class CallFailed:
    """The call came to nothing; `retry_after` is how long the service asks to be left alone (microseconds)."""

    error: StepError
    retry_after: int | None = None


Outcome = Reply | Accepted | CallFailed | Postponed


def failed(code: str, message: str, *, retryable: bool | None = None, **details: Any) -> CallFailed:
    """Return a failure of this client's own finding."""
    return CallFailed(StepError(code, message, retryable, details))
