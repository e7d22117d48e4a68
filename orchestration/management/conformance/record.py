"""What a shell saw while it played a scenario. All instants and durations are microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step run as it stood at the end; `error` is its error's code."""

    status: str
    attempts: int
    output: Any
    error: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry; `step` is empty for the execution's own."""

    type: str
    step: str
    at: int


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """One execution as it stood at the end. `error` is its error's code; never started: `started_at` None."""

    workflow: str
    status: str
    error: str | None
    output: Any
    started_at: int | None
    ended_at: int | None
    steps: Mapping[str, StepRecord]
    journal: tuple[Entry, ...]


@dataclass(slots=True)
class Call:
    """One call of a scripted service, in the order of start."""

    method: str
    input: Any


@dataclass(slots=True)
class Record:
    """All that came of one scenario. `children` are in order of start.

    `invalid` and `invalid_input` are the paths of what the definition or the input was refused for, None if it was
    taken. `trouble` is why the scenario could not be played to its end; what was seen until then is there.
    """

    first: ExecutionRecord | None = None
    children: list[ExecutionRecord] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    max_in_flight: int = 0
    refused: set[int] = field(default_factory=set)
    invalid: tuple[str, ...] | None = None
    invalid_input: tuple[str, ...] | None = None
    trouble: str | None = None


class InFlight:
    """How many calls run at once, and the most there ever were."""

    def __init__(self) -> None:
        self._running: set[object] = set()
        self.most = 0

    def begin(self, call: object) -> None:
        """Count a call from now on."""
        self._running.add(call)
        self.most = max(self.most, len(self._running))

    def end(self, call: object) -> None:
        """Count the call no longer. A call that is not running is passed over."""
        self._running.discard(call)
