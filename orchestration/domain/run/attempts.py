"""What becomes of an attempt: an answer, a failure that is tried again, or an end."""

from __future__ import annotations

from typing import Any

from .. import events as e
from ..errors import ExpressionError, StepError
from ..retry import RetryPolicy, is_retryable, next_attempt_at
from .ledger import Ledger
from .state import StepRun

INVALID_OUTPUT, EXPRESSION_ERROR, TIMEOUT = "invalid_output", "expression_error", "timeout"


def answered(ledger: Ledger, run: StepRun, output: Any) -> None:
    """Complete the run with what its attempt answered, if its `output` templates allow."""
    if run.node.type == "notification":
        output = {"notification_sent": True}
    elif output is None:
        output = {}
    if not isinstance(output, dict):
        attempt_failed(ledger, run, StepError(INVALID_OUTPUT, "the answer is not a JSON object"))
        return
    data: dict[str, Any] = {"output": output}
    template = run.node.output
    if template is not None:
        try:
            data["merge"] = template.evaluate({**ledger.names_of(run), "output": output})
        except ExpressionError as error:
            attempt_failed(ledger, run, expression_failure("output", error))
            return
    ledger.write(e.STEP_COMPLETED, run.path, data)


def expression_failure(key: str, error: ExpressionError) -> StepError:
    """Return the step error of an expression that came to nothing."""
    return StepError(EXPRESSION_ERROR, f"{key}: {error.message}", details=error.details)


def fail_unstarted(ledger: Ledger, run: StepRun, error: StepError) -> None:
    """Fail a run before its first attempt: nothing was called, so nothing is tried again."""
    ledger.write(e.STEP_FAILED, run.path, {"error": error.as_json(), "attempt": run.attempts})


def max_attempts_of(ledger: Ledger, run: StepRun) -> int:
    """Return how many attempts the run may make in all."""
    given = run.node.retry.max_attempts
    if given is not None:
        return given
    return ledger.defaults.retry_attempts if run.node.takes_slot else 1


def attempt_failed(ledger: Ledger, run: StepRun, error: StepError, retry_after: int | None = None) -> None:
    """Have a failed attempt made again later, as far as its policy allows, or fail the run."""
    node = run.node
    at_most_once = node.type == "service" and node.step.delivery == "at-most-once"
    retryable = is_retryable(node.retry, error, at_most_once=at_most_once)
    data: dict[str, Any] = {"error": judged(error, retryable), "attempt": run.attempts}
    until = None
    if retryable:
        until = next_attempt_at(
            node.retry,
            failed_attempt=run.attempts,
            max_attempts=max_attempts_of(ledger, run),
            first_started_at=run.first_started_at or ledger.now,
            now=ledger.now,
            draw=ledger.draw(run, run.attempts),
            retry_after=retry_after,
        )
    if until is None:
        ledger.write(e.STEP_FAILED, run.path, data)
    else:
        ledger.write(e.STEP_RETRYING, run.path, {**data, "until": until})


def judged(error: StepError, retryable: bool) -> dict[str, Any]:
    """Return the error as it is journaled, with the policy's verdict in `retryable`."""
    return StepError(error.code, error.message, retryable, error.details).as_json()


def too_late(policy: RetryPolicy, run: StepRun, now: int) -> bool:
    """Tell whether a retry that had to wait for its turn would start after the policy's deadline."""
    if policy.deadline is None or run.first_started_at is None:
        return False
    return now > run.first_started_at + policy.deadline


def attempt_timed_out(ledger: Ledger, run: StepRun) -> None:
    """Fail the attempt whose time is up; its call is aborted by the caller."""
    attempt_failed(ledger, run, StepError(TIMEOUT, f"no answer within the step's timeout (attempt {run.attempts})"))
