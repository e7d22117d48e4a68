"""The lives of things, as tables: state -> what happens -> next state. No other file compares and assigns states.

The pictures in the documentation are drawn from these tables. A pair that is not in its table is refused by
`next_state`, which names the thing, its state and what was asked of it, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import events as e
from .errors import IllegalTransition

PENDING = "pending"
RUNNING = "running"
PAUSED = "paused"
COMPLETED = "completed"
FAILED = "failed"
CANCELLED = "cancelled"
COMPENSATING = "compensating"
COMPENSATION_FAILED = "compensation_failed"
RETRYING = "retrying"
WAITING = "waiting"
SKIPPED = "skipped"
COMPENSATED = "compensated"

ACTIVE = "active"
INACTIVE = "inactive"
DRAINING = "draining"
GONE = "deregistered"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """One kind of thing: its first state, its states that may be last, and its table."""

    name: str
    first: str
    last: frozenset[str]
    table: Mapping[str, Mapping[str, str]]

    def next_state(self, thing: str, state: str, event: str) -> str:
        """Return the state that `event` leads to from `state`; raise IllegalTransition where it does not fit."""
        try:
            return self.table[state][event]
        except KeyError:
            raise IllegalTransition(
                f"{self.name} {thing} is {state}: {event} does not fit",
                thing=thing,
                state=state,
                asked=event,
                allowed=sorted(self.table.get(state, ())),
            ) from None


_BACK_AGAIN = {e.WORKFLOW_RETRIED: RUNNING}
_ENDINGS = {
    e.WORKFLOW_FAILED: FAILED,
    e.WORKFLOW_CANCELLED: CANCELLED,
    e.WORKFLOW_COMPENSATION_FAILED: COMPENSATION_FAILED,
}

EXECUTION = Lifecycle(
    name="execution",
    first=PENDING,
    last=frozenset({COMPLETED, FAILED, CANCELLED, COMPENSATION_FAILED}),
    table={
        PENDING: {e.WORKFLOW_STARTED: RUNNING, e.WORKFLOW_CANCELLED: CANCELLED},
        RUNNING: {
            e.WORKFLOW_PAUSED: PAUSED,
            e.WORKFLOW_COMPLETED: COMPLETED,
            e.WORKFLOW_FAILED: FAILED,
            e.WORKFLOW_CANCELLED: CANCELLED,
            e.WORKFLOW_COMPENSATING: COMPENSATING,
            e.WORKFLOW_RETRIED: RUNNING,
        },
        PAUSED: {
            e.WORKFLOW_RESUMED: RUNNING,
            e.WORKFLOW_FAILED: FAILED,
            e.WORKFLOW_CANCELLED: CANCELLED,
            e.WORKFLOW_COMPENSATING: COMPENSATING,
        },
        COMPENSATING: _ENDINGS,
        FAILED: _BACK_AGAIN,
        CANCELLED: _BACK_AGAIN,
        COMPENSATION_FAILED: _BACK_AGAIN,
    },
)

_RESET = {e.STEP_RESET: PENDING}

STEP_RUN = Lifecycle(
    name="step run",
    first=PENDING,
    last=frozenset({COMPLETED, FAILED, SKIPPED, CANCELLED, COMPENSATED, COMPENSATION_FAILED}),
    table={
        PENDING: {
            e.STEP_STARTED: RUNNING,
            e.STEP_SKIPPED: SKIPPED,
            e.STEP_FAILED: FAILED,
            e.STEP_CANCELLED: CANCELLED,
            e.STEP_RESET: PENDING,
        },
        RUNNING: {
            e.STEP_WAITING: WAITING,
            e.STEP_POSTPONED: WAITING,
            e.STEP_COMPLETED: COMPLETED,
            e.STEP_RETRYING: RETRYING,
            e.STEP_FAILED: FAILED,
            e.STEP_CANCELLED: CANCELLED,
        },
        WAITING: {
            e.STEP_SIGNALLED: WAITING,
            # A call that was not made waits until it is asked for again, and is told when its service is back.
            e.STEP_POSTPONED: WAITING,
            e.STEP_STARTED: RUNNING,
            e.STEP_COMPLETED: COMPLETED,
            e.STEP_RETRYING: RETRYING,
            e.STEP_FAILED: FAILED,
            e.STEP_CANCELLED: CANCELLED,
        },
        RETRYING: {
            e.STEP_STARTED: RUNNING,
            e.STEP_FAILED: FAILED,
            e.STEP_CANCELLED: CANCELLED,
        },
        COMPLETED: {e.STEP_COMPENSATING: COMPENSATING, **_RESET},
        FAILED: {e.STEP_COMPENSATING: COMPENSATING, **_RESET},
        SKIPPED: _RESET,
        CANCELLED: _RESET,
        COMPENSATING: {
            e.STEP_RETRYING: COMPENSATING,
            e.STEP_POSTPONED: COMPENSATING,
            e.STEP_COMPENSATED: COMPENSATED,
            e.STEP_COMPENSATION_FAILED: COMPENSATION_FAILED,
        },
        COMPENSATED: _RESET,
        COMPENSATION_FAILED: _RESET,
    },
)

INSTANCE = Lifecycle(
    name="instance",
    first=ACTIVE,
    last=frozenset({GONE}),
    table={
        ACTIVE: {"registered": ACTIVE, "drained": DRAINING, "fell silent": INACTIVE, "deregistered": GONE},
        DRAINING: {"registered": ACTIVE, "fell silent": INACTIVE, "deregistered": GONE},
        INACTIVE: {"registered": ACTIVE, "heartbeat": ACTIVE, "deregistered": GONE},
    },
)

LIFECYCLES = (EXECUTION, STEP_RUN, INSTANCE)

ENDED_EXECUTION = EXECUTION.last
ENDED_STEP_RUN = STEP_RUN.last
IN_PROGRESS = frozenset({RUNNING, WAITING, RETRYING})
"""States of a step run that has started and not ended."""
