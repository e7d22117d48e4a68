"""What people and the bus do to an execution, and what is refused because it does not fit its state."""

from __future__ import annotations

from typing import Any

from .. import events as e
from ..errors import ExpressionError, Refused
from ..facts import BusEvent, Cancel, Pause, Rerun, Resume, Retry, Signal
from ..instants import format_instant
from ..lifecycle import CANCELLED, COMPENSATING, COMPENSATION_FAILED, FAILED, PAUSED, PENDING, RUNNING
from .again import run_again
from .closing import cancel_execution
from .ledger import Ledger
from .starting import signalled
from .state import StepRun

_FAILED = frozenset({FAILED, CANCELLED, COMPENSATION_FAILED})

ALLOWED: dict[str, frozenset[str]] = {
    "pause": frozenset({RUNNING}),
    "resume": frozenset({PAUSED}),
    "cancel": frozenset({PENDING, RUNNING, PAUSED}),
    "retry": _FAILED,
    "rerun": _FAILED,
    "signal": frozenset({PENDING, RUNNING, PAUSED, COMPENSATING}),
}
"""Which action fits which states of an execution."""


def allowed_actions(status: str) -> list[str]:
    """Return the actions that fit the state."""
    return [action for action, states in ALLOWED.items() if status in states]


def _check(ledger: Ledger, action: str) -> None:
    if ledger.status not in ALLOWED[action]:
        raise Refused(
            f"execution {ledger.execution_id} is {ledger.status}: {action} does not fit",
            state=ledger.status,
            asked=action,
            allowed=allowed_actions(ledger.status),
        )


def pause(ledger: Ledger, fact: Pause) -> None:
    """Pause a running execution."""
    _check(ledger, "pause")
    ledger.write(e.WORKFLOW_PAUSED, "", {})


def resume(ledger: Ledger, fact: Resume) -> None:
    """Resume a paused execution."""
    _check(ledger, "resume")
    ledger.write(e.WORKFLOW_RESUMED, "", {})
    ledger.resuming = True


def cancel(ledger: Ledger, fact: Cancel) -> None:
    """Cancel an execution that has not ended and is not being compensated."""
    _check(ledger, "cancel")
    cancel_execution(ledger, compensate=fact.compensate)


def retry(ledger: Ledger, fact: Retry) -> None:
    """Run an unsuccessful execution again from what failed."""
    _check(ledger, "retry")
    run_again(ledger, by="retry")


def rerun(ledger: Ledger, fact: Rerun) -> None:
    """Run an unsuccessful execution again from a top-level step."""
    _check(ledger, "rerun")
    if fact.step not in ledger.graph.steps.by_id:
        raise Refused(
            f"workflow {ledger.graph.definition.id} has no top-level step {fact.step!r}",
            state=ledger.status,
            asked="rerun",
            step=fact.step,
            steps=list(ledger.graph.steps.by_id),
        )
    run_again(ledger, by="rerun", step=fact.step)


def signal(ledger: Ledger, fact: Signal) -> None:
    """End the oldest wait for the signal, or keep it for one that is still to come."""
    _check(ledger, "signal")
    data: dict[str, Any] = {"name": fact.name, "value": fact.value, "by": fact.by}
    waits = ledger.signal_waits.get(fact.name)
    if waits:
        signalled(ledger, next(iter(waits.values())), data)
    else:
        ledger.write(e.STEP_SIGNALLED, "", data)


def bus_event(ledger: Ledger, fact: BusEvent) -> bool:
    """End every wait that listens to the event's topic and that it matches; tell whether there was one."""
    if ledger.status not in (RUNNING, PAUSED):
        return False
    event = {
        "topic": fact.topic,
        "payload": fact.payload,
        "id": fact.id,
        "published_at": format_instant(fact.published_at or ledger.now),
    }
    heard = [run for run in ledger.event_waits.get(fact.topic, {}).values() if _matches(ledger, run, event)]
    for run in heard:
        signalled(ledger, run, {"name": fact.topic, "value": fact.payload, "by": None, "event": fact.id})
    return bool(heard)


def _matches(ledger: Ledger, run: StepRun, event: dict[str, Any]) -> bool:
    match = run.node.match
    if match is None:
        return True
    try:
        return match.evaluate({**ledger.names_of(run), "event": event}) is True
    except ExpressionError:
        return False
