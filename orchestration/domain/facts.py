"""What a shell tells a run: answers to the commands that it carried out, and what people and the bus did.

`attempt` is the command's own reference, handed back as it was. A fact about an attempt that is over says nothing
new and changes nothing; an action that does not fit the state is `Refused`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import StepError


@dataclass(slots=True)
class Answered:
    """The attempt succeeded with `output` (None: the service answered nothing). Not frozen: it is made so often."""

    attempt: str
    output: Any = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed; `retry_after` is how long the service asked to be left alone (microseconds)."""

    attempt: str
    error: StepError
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service took a `callback` attempt on (202); its result will come later as Answered or Failed."""

    attempt: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """The attempt was not made: its service may not be called just now.

    `reason` is one of `postponement.REASONS`; `after` is in how many microseconds it makes sense to ask again, None
    where nobody knows.
    """

    attempt: str
    reason: str
    message: str = ""
    after: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceBack:
    """A service that had no instance to call has one again: whoever waits for it may ask."""

    service: str


@dataclass(frozen=True, slots=True)
class ChildStarted:
    """The child execution of a subflow that nobody waits for was started."""

    attempt: str
    execution_id: str


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """The child execution of a subflow ended: `completed` with its output, or otherwise with its error."""

    attempt: str
    execution_id: str
    status: str
    output: Any = None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Start no more attempts and fire no more timers until the resume."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on after a pause."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the execution; with `compensate` what it completed is undone first."""

    compensate: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """Run an ended, unsuccessful execution again from its failed steps."""


@dataclass(frozen=True, slots=True)
class Rerun:
    """Run an ended, unsuccessful execution again from the top-level step `step`."""

    step: str


@dataclass(frozen=True, slots=True)
class Signal:
    """A person or a program says `name`, with a JSON `value`."""

    name: str
    value: Any = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class BusEvent:
    """A message was published on the bus. `published_at` is an instant in microseconds."""

    topic: str
    payload: Any = None
    id: str = ""
    published_at: int = 0


Fact = (
    Answered
    | Failed
    | Accepted
    | Postponed
    | ServiceBack
    | ChildStarted
    | ChildEnded
    | Pause
    | Resume
    | Cancel
    | Retry
    | Rerun
    | Signal
    | BusEvent
)
