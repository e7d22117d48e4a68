"""The one honest answer to "why is this waiting?", read off an execution's state."""

from __future__ import annotations

from dataclasses import dataclass

from ..lifecycle import COMPENSATING, PAUSED, PENDING, RETRYING, RUNNING, WAITING
from ..postponement import sentence
from .joins import RUN
from .ledger import Ledger
from .state import Postponement, StepRun


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that an execution waits for.

    `kind` is one of `admission`, `resume`, `answer`, `callback`, `child`, `retry`, `delay`, `signal`, `event`, `slot`,
    `list_slot`, `compensation`, `postponed`; `until` is when it ends at the latest or by itself (microseconds), if that
    is known. Of what is postponed (a compensation too) `reason` is one of `postponement.REASONS`, and `until` is when
    it is asked for again.
    """

    kind: str
    step: str
    until: int | None
    detail: str
    reason: str = ""


def waiting_for(ledger: Ledger) -> list[Waiting]:
    """Return everything that the execution waits for, in definition order; nothing once it has ended."""
    if ledger.ended:
        return []
    if ledger.status == PENDING:
        return [Waiting("admission", "", None, "waits for a free place among its workflow's executions")]
    reasons = []
    if ledger.status == PAUSED:
        reasons.append(Waiting("resume", "", ledger.deadline, "paused until somebody resumes it"))
    for run in ledger.by_path.values():
        reason = _reason(ledger, run)
        if reason is not None:
            reasons.append(reason)
    return reasons


def _reason(ledger: Ledger, run: StepRun) -> Waiting | None:
    if run.status == COMPENSATING:
        return _undoing(run)
    if run.ready or _may_start(run):
        return _turn(ledger, run)
    if run.status == RETRYING:
        code = "" if run.last_error is None else f" after {run.last_error['code']}"
        return Waiting("retry", run.path, run.due, f"attempt {run.attempts + 1}{code}")
    if run.postponed is not None:
        return Waiting("postponed", run.path, run.due, _why(run, run.postponed), run.postponed.reason)
    if run.status == WAITING:
        return _wait(run)
    if run.status == RUNNING:
        return _answer(run)
    return None


def _may_start(run: StepRun) -> bool:
    """Tell whether a pending run only waits for its turn, as a fold alone can know it."""
    if run.status != PENDING or run.node.condition is not None:
        return False
    container = run.scope.container
    return (container is None or container.status == RUNNING) and run.join_says() is RUN


def _undoing(run: StepRun) -> Waiting:
    undo = run.node.undo
    assert undo is not None
    again = f" again (attempt {run.undo_attempts + 1})" if run.undo_attempts else ""
    detail, reason = f"{undo.service}.{undo.method} undoes it{again}", ""
    if run.postponed is not None:
        detail, reason = f"{detail}; {_why(run, run.postponed)}", run.postponed.reason
    return Waiting("compensation", run.path, run.due or run.deadline, detail, reason)


def _why(run: StepRun, why: Postponement) -> str:
    said = sentence(why.reason, run.service)
    return f"{said}: {why.message}" if why.message else said


def _turn(ledger: Ledger, run: StepRun) -> Waiting:
    scope = run.scope
    if run.status == PENDING and scope.limit is not None and scope.active >= scope.limit:
        return Waiting("list_slot", run.path, None, f"{scope.limit} steps of {run.parent} are in progress")
    if ledger.status == PAUSED:
        return Waiting("resume", run.path, None, "starts at the resume")
    limit = ledger.config.parallel_limit
    return Waiting("slot", run.path, None, f"{ledger.slots_used} of {limit} attempts are in flight")


def _wait(run: StepRun) -> Waiting:
    step = run.node.step
    if run.type == "delay":
        return Waiting("delay", run.path, run.due, "delay")
    if run.type != "wait":
        return Waiting("callback", run.path, run.deadline, f"{step.service_name} will post the result")
    if step.signal is not None:
        return Waiting("signal", run.path, run.deadline, f"signal {step.signal}")
    return Waiting("event", run.path, run.deadline, f"event {step.event}")


def _answer(run: StepRun) -> Waiting | None:
    if run.node.is_container:
        return None
    if run.type == "subflow":
        return Waiting("child", run.path, run.deadline, f"workflow {run.node.step.workflow}")
    if run.type == "notification":
        return Waiting("answer", run.path, run.deadline, f"notification by {run.node.step.channel}")
    if run.type != "service":
        return None
    step = run.node.step
    return Waiting("answer", run.path, run.deadline, f"{step.service_name}.{step.method}, attempt {run.attempts}")
