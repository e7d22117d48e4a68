"""Ending what has not ended: aborting attempts, children and waits, the innermost first."""

from __future__ import annotations

from .. import events as e
from ..commands import CancelAttempt, CancelChild
from ..lifecycle import RUNNING
from .ledger import Ledger
from .state import Scope, StepRun


def cancel_scope(ledger: Ledger, scope: Scope, *, compensate: bool) -> None:
    """Cancel every run of the list that has not ended; running children are told to `compensate` or not."""
    if not scope.open:
        return
    for run in scope.runs:
        if not run.ended:
            cancel_run(ledger, run, compensate=compensate)


def cancel_run(ledger: Ledger, run: StepRun, *, compensate: bool) -> None:
    """Cancel one run with all that is nested in it."""
    abort(ledger, run, compensate=compensate)
    ledger.write(e.STEP_CANCELLED, run.path, {})


def abort(ledger: Ledger, run: StepRun, *, compensate: bool) -> None:
    """Abort what a run has under way, nested runs included, without ending the run itself."""
    if run.body is not None:
        for scope in run.body.scopes:
            cancel_scope(ledger, scope, compensate=compensate)
    elif run.reference is not None and run.node.takes_slot:
        ledger.order(CancelAttempt(run.reference))
    elif run.type == "subflow" and run.status == RUNNING and run.node.step.wait:
        ledger.order(CancelChild(run.asked["child"], compensate))
