"""Undoing: the compensations of what completed, one at a time, the last completed first, on past an error."""

from __future__ import annotations

from typing import Any

from .. import events as e
from ..commands import StartAttempt
from ..errors import ExpressionError, StepError
from ..ids import idempotency_key
from ..lifecycle import COMPENSATING
from ..retry import is_retryable, next_attempt_at
from ..templates import unseal
from .attempts import expression_failure, judged
from .ledger import Ledger
from .state import StepRun

_ENDS = {"failed": e.WORKFLOW_FAILED, "cancelled": e.WORKFLOW_CANCELLED}


def end_execution(ledger: Ledger, *, ending: str, error: dict[str, Any] | None, undo: bool) -> None:
    """End the execution as `failed` or `cancelled`, first undoing what it did if `undo` and there is anything."""
    if undo and ledger.root is not None and ledger.to_undo():
        ledger.write(e.WORKFLOW_COMPENSATING, "", {"as": ending, "error": error})
    else:
        ledger.write(_ENDS[ending], "", {} if error is None else {"error": error})


def compensate(ledger: Ledger) -> None:
    """Start the next compensation if none is under way; after the last one end the execution."""
    while ledger.status == COMPENSATING:
        under_way = _under_way(ledger)
        if under_way is not None:
            if under_way.reference is None and under_way.due is None:
                _attempt(ledger, under_way)
            if under_way.status == COMPENSATING:
                return
        elif ledger.undo:
            _begin(ledger, ledger.undo[-1])
        else:
            _end(ledger)


def _under_way(ledger: Ledger) -> StepRun | None:
    run = ledger.undoing
    return run if run is not None and run.status == COMPENSATING else None


def _begin(ledger: Ledger, run: StepRun) -> None:
    undo = run.node.undo
    assert undo is not None
    data: dict[str, Any] = {"input": {}}
    timeout = ledger.service_timeouts.get(undo.service) if undo.timeout is None else None
    if timeout is not None:
        data["timeout"] = timeout
    if undo.input is not None:
        names = {**ledger.names_of(run), "output": {} if run.output is None else run.output}
        try:
            data["input"], sealed = undo.input.evaluate_sealed(names)
            if sealed:
                data["sealed"] = sealed
            if not isinstance(unseal(data["input"], sealed, ledger.secrets), dict):
                raise ExpressionError("an input must come to an object")
        except ExpressionError as error:
            ledger.write(e.STEP_COMPENSATING, run.path, {"input": None})
            failure = expression_failure("compensate.input", error)
            ledger.write(e.STEP_COMPENSATION_FAILED, run.path, {"error": judged(failure, False)})
            return
    ledger.write(e.STEP_COMPENSATING, run.path, data)


def _attempt(ledger: Ledger, run: StepRun) -> None:
    undo = run.node.undo
    assert undo is not None
    try:
        values = run.undo_input if not run.undo_sealed else unseal(run.undo_input, run.undo_sealed, ledger.secrets)
    except ExpressionError as error:
        failure = expression_failure("compensate.input", error)
        ledger.write(e.STEP_COMPENSATION_FAILED, run.path, {"error": judged(failure, False)})
        return
    ledger.start_undo_attempt(run, ledger.now)
    assert run.reference is not None
    ledger.order(undo_command(ledger, run, values))


def undo_command(ledger: Ledger, run: StepRun, values: dict[str, Any]) -> StartAttempt:
    """Return the call of the compensation attempt that the run has under way."""
    undo = run.node.undo
    assert undo is not None
    assert run.reference is not None
    return StartAttempt(
        attempt=run.reference,
        step=run.path,
        purpose="compensation",
        service=undo.service,
        method=undo.method,
        input=values,
        number=run.undo_attempts + 1,
        idempotency_key=idempotency_key(ledger.execution_id, run.path, run.generation, compensation=True),
        timeout=ledger.undo_timeout_of(run, undo),
        default_timeout=undo.timeout is None,
    )


def undo_answered(ledger: Ledger, run: StepRun) -> None:
    """Note that the compensation succeeded, whatever it answered."""
    ledger.write(e.STEP_COMPENSATED, run.path, {})


def undo_failed(ledger: Ledger, run: StepRun, error: StepError, retry_after: int | None = None) -> None:
    """Have a failed compensation tried again, as far as its own policy allows, or give it up."""
    undo = run.node.undo
    assert undo is not None
    policy, attempt = undo.retry, run.undo_attempts + 1
    retryable = is_retryable(policy, error)
    data: dict[str, Any] = {"error": judged(error, retryable), "attempt": attempt}
    until = None
    if retryable:
        until = next_attempt_at(
            policy,
            failed_attempt=attempt,
            max_attempts=ledger.defaults.retry_attempts if policy.max_attempts is None else policy.max_attempts,
            first_started_at=run.undo_started_at or ledger.now,
            now=ledger.now,
            draw=ledger.draw(run, -attempt),
            retry_after=retry_after,
        )
    if until is None:
        ledger.write(e.STEP_COMPENSATION_FAILED, run.path, data)
    else:
        ledger.write(e.STEP_RETRYING, run.path, {**data, "until": until, "compensation": True})


def _end(ledger: Ledger) -> None:
    ending, error = ledger.ending["as"], ledger.ending["error"]
    data = {} if error is None else {"error": error}
    failed = ledger.config.compensation != "best-effort" and ledger.undo_failures > 0
    ledger.write(e.WORKFLOW_COMPENSATION_FAILED if failed else _ENDS[ending], "", data)
