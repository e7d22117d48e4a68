"""The journal's entries: what happened to an execution, in the order in which it happened.

Folding them gives the execution's state, exactly and without evaluating anything: the outcome of every expression that
mattered is in the entry that it led to. Decisions that have no entry of their own (a condition that held for a step
that has to wait for a slot, the end of an iteration) stand in `data["then"]` of the entry before them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WORKFLOW_STARTED = "workflow.started"
WORKFLOW_COMPLETED = "workflow.completed"
WORKFLOW_FAILED = "workflow.failed"
WORKFLOW_CANCELLED = "workflow.cancelled"
WORKFLOW_PAUSED = "workflow.paused"
WORKFLOW_RESUMED = "workflow.resumed"
WORKFLOW_RETRIED = "workflow.retried"
WORKFLOW_COMPENSATING = "workflow.compensating"
WORKFLOW_COMPENSATION_FAILED = "workflow.compensation_failed"
STEP_STARTED = "step.started"
STEP_COMPLETED = "step.completed"
STEP_FAILED = "step.failed"
STEP_RETRYING = "step.retrying"
STEP_WAITING = "step.waiting"
STEP_POSTPONED = "step.postponed"
STEP_SIGNALLED = "step.signalled"
STEP_SKIPPED = "step.skipped"
STEP_CANCELLED = "step.cancelled"
STEP_RESET = "step.reset"
STEP_COMPENSATING = "step.compensating"
STEP_COMPENSATED = "step.compensated"
STEP_COMPENSATION_FAILED = "step.compensation_failed"
LOG = "log"

EVENT_TYPES = frozenset(value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str))


@dataclass(slots=True)
class Event:
    """One entry: its place `seq` (1, 2, 3 … without gaps), what, when, and of which step run.

    `step` is the step run's path, empty for what concerns the whole execution; `data` is JSON.
    """

    seq: int
    type: str
    at: int
    step: str
    data: dict[str, Any]

    @property
    def id(self) -> str:
        """Return what tells this entry from every other of its execution."""
        return f"{self.seq}:{self.type}:{self.step}"
