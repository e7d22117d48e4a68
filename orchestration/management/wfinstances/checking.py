"""What the journal says of a run of an imported definition: every step once, every dependency kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from orchestration.domain.events import STEP_COMPLETED, STEP_STARTED, WORKFLOW_COMPLETED

FAULTS_SHOWN = 10


class Entry(Protocol):
    """A journal entry, as far as it is looked at here."""

    @property
    def seq(self) -> int:
        """Return its place."""

    @property
    def type(self) -> str:
        """Return what happened."""

    @property
    def step(self) -> str:
        """Return the step run that it happened to."""


def faults_in(definition: Mapping[str, Any], entries: Iterable[Entry]) -> list[str]:
    """Return what is wrong with a journal, as sentences; empty: each step ran once, after all that it depends on.

    The first attempt of a step counts as its start; it may have been repeated after the loss of a worker.
    """
    started: dict[str, int] = {}
    completed: dict[str, list[int]] = {}
    ended = False
    expected = 1
    faults: list[str] = []
    for entry in entries:
        if entry.seq != expected:
            faults.append(f"the journal goes on with {entry.seq} after {expected - 1}")
        expected = entry.seq + 1
        if entry.type == STEP_STARTED:
            started.setdefault(entry.step, entry.seq)
        elif entry.type == STEP_COMPLETED:
            completed.setdefault(entry.step, []).append(entry.seq)
        ended = entry.type == WORKFLOW_COMPLETED
    if not ended:
        faults.append("the journal does not end with workflow.completed")
    for step in definition["steps"]:
        faults.extend(_faults_of(step, started, completed))
    unknown = set(started) - {step["id"] for step in definition["steps"]}
    faults.extend(f"{path} is no step of the definition" for path in sorted(unknown))
    return faults


def _faults_of(step: Mapping[str, Any], started: Mapping[str, int], completed: Mapping[str, list[int]]) -> list[str]:
    name = step["id"]
    times = len(completed.get(name, []))
    if times != 1 or name not in started:
        return [f"{name} was completed {times} times" + ("" if name in started else " and never started")]
    return [
        f"{name} started before {parent} was completed"
        for parent in step.get("dependencies", ())
        if not completed.get(parent) or completed[parent][0] > started[name]
    ]
