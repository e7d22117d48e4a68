"""A step run as the presenters reckon with it: every instant in microseconds. Made for the runs that are shown only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboard.words.times import micros
from orchestration.engine.queries import StepView


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. What never started has no bar, so `started_at` is always known."""

    number: int
    started_at: int
    ended_at: int | None
    error: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Run:
    """One step run."""

    path: str
    id: str
    name: str
    type: str
    status: str
    attempts: int
    max_attempts: int
    started_at: int | None
    ended_at: int | None
    next_attempt_at: int | None
    output: Any
    error: dict[str, Any] | None
    depth: int
    parent: str | None
    index: int | None
    tries: tuple[Attempt, ...]


def run_of(step: StepView) -> Run:
    """Return a step run with its instants in microseconds."""
    tries = []
    for each in step.tries:
        started = micros(each.started_at)
        if started is not None:
            tries.append(Attempt(each.number, started, micros(each.ended_at), each.error))
    return Run(
        path=step.path,
        id=step.id,
        name=step.name,
        type=step.type,
        status=step.status,
        attempts=step.attempts,
        max_attempts=step.max_attempts,
        started_at=micros(step.started_at),
        ended_at=micros(step.ended_at),
        next_attempt_at=micros(step.next_attempt_at),
        output=step.output,
        error=step.error,
        depth=step.depth,
        parent=step.parent,
        index=step.index,
        tries=tuple(tries),
    )
