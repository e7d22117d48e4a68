"""What an end brings about: containers, iterations and the execution that end with what ended in them."""

from __future__ import annotations

from typing import Any

import orjson

from .. import events as e
from ..errors import ExpressionError, StepError
from ..lifecycle import COMPLETED, FAILED, RUNNING
from ..retry import is_retryable
from .again import run_again
from .attempts import answered, attempt_failed, expression_failure, max_attempts_of
from .cancelling import abort, cancel_scope
from .compensating import end_execution
from .ledger import Ledger
from .state import Body, Scope, StepRun

_ENDS_ITS_LIST = frozenset({"fail-fast", "compensate"})


def judge(ledger: Ledger, run: StepRun) -> None:
    """Draw the conclusion for the list around a run that failed, or won a race."""
    container = run.scope.container
    if container is None:
        if run.unhandled and ledger.config.failure_policy in _ENDS_ITS_LIST:
            fail_execution(ledger, error_of(run))
        return
    if container.status != RUNNING or container.body is None or not _stands(ledger, run):
        return
    if container.node.mode == "race" and container.body.winner is run:
        _complete_parallel(ledger, container, run.scope)
    elif container.node.mode == "all" and run.unhandled:
        error = StepError("child_failed", f"{run.path} failed", details={"step": run.path, "cause": run.error})
        container_failed(ledger, container, error)


def _stands(ledger: Ledger, run: StepRun) -> bool:
    return ledger.by_path.get(run.path) is run


def error_of(run: StepRun) -> dict[str, Any]:
    """Return the error of an execution that failed because this top-level run did."""
    error = run.error or {}
    return {**error, "details": {**error.get("details", {}), "step": run.path}}


# Executions -----------------------------------------------------------------------------------------------------------


def fail_execution(ledger: Ledger, error: dict[str, Any]) -> None:
    """End the execution as its failure policy says: cancel what has not ended, then undo or fail."""
    undo = ledger.config.failure_policy == "compensate"
    if ledger.root is not None:
        cancel_scope(ledger, ledger.root, compensate=undo)
    end_execution(ledger, ending="failed", error=error, undo=undo)


def cancel_execution(ledger: Ledger, *, compensate: bool) -> None:
    """End the execution as cancelled, with `compensate` after undoing what it completed."""
    if ledger.root is not None:
        cancel_scope(ledger, ledger.root, compensate=compensate)
    end_execution(ledger, ending="cancelled", error=None, undo=compensate)


def close(ledger: Ledger, scope: Scope, reopened: int) -> None:
    """Draw the conclusion from the end of everything in a list that had been reopened so often by then."""
    if reopened != scope.reopened:
        return
    scope.queued = False
    if scope.open or scope.closed or scope.held:
        return
    container = scope.container
    if container is None:
        _close_execution(ledger, scope)
        return
    body = container.body
    if container.status != RUNNING or body is None or ledger.by_path.get(container.path) is not container:
        return
    if container.type == "parallel":
        _complete_parallel(ledger, container, scope)
    else:
        _close_iteration(ledger, container, scope)


def _close_execution(ledger: Ledger, root: Scope) -> None:
    failure = root.first_failure()
    if failure is None:
        _complete_execution(ledger, root)
    elif ledger.config.failure_policy == "retry" and ledger.rounds < ledger.config.max_retries:
        run_again(ledger, by="policy")
    else:
        fail_execution(ledger, error_of(failure))


def _complete_execution(ledger: Ledger, root: Scope) -> None:
    template = ledger.graph.output
    try:
        output = dict(root.vars.current) if template is None else template.evaluate(ledger.names(root))
    except ExpressionError as error:
        fail_execution(ledger, expression_failure("output", error).as_json())
        return
    too_large = oversized(ledger, output)
    if too_large is not None:
        fail_execution(ledger, too_large.as_json())
        return
    ledger.write(e.WORKFLOW_COMPLETED, "", {"output": output})


def oversized(ledger: Ledger, value: Any) -> StepError | None:
    """Return the error of a value that is larger than a payload may be, None if it is not."""
    size = len(orjson.dumps(value))
    limit = ledger.limits.payload_bytes
    if size <= limit:
        return None
    return StepError("too_large", f"{size} bytes, where {limit} are allowed", details={"bytes": size, "limit": limit})


# Containers -----------------------------------------------------------------------------------------------------------


def container_failed(ledger: Ledger, run: StepRun, error: StepError) -> None:
    """Fail the attempt of a container or subflow: what runs in it is cancelled first."""
    abort(ledger, run, compensate=_will_compensate(ledger, run, error))
    attempt_failed(ledger, run, error)


def _will_compensate(ledger: Ledger, run: StepRun, error: StepError) -> bool:
    """Tell whether this failure goes up to the top of an execution that then compensates."""
    if ledger.config.failure_policy != "compensate":
        return False
    while True:
        again = run.attempts < max_attempts_of(ledger, run) and is_retryable(run.node.retry, error)
        if again or run.node.handled or run.node.optional:
            return False
        container = run.scope.container
        if container is None:
            return True
        if container.node.mode != "all":
            return False
        run, error = container, StepError("child_failed")


def _succeed(ledger: Ledger, run: StepRun, output: dict[str, Any]) -> None:
    too_large = oversized(ledger, output)
    if too_large is None:
        answered(ledger, run, output)
    else:
        attempt_failed(ledger, run, too_large)


def _complete_parallel(ledger: Ledger, run: StepRun, scope: Scope) -> None:
    body = run.body
    assert body is not None
    race = run.node.mode == "race"
    if race:
        cancel_scope(ledger, scope, compensate=False)
        if body.winner is None:
            errors = {nested.id: nested.error for nested in scope.runs if nested.status == FAILED}
            error = StepError("all_failed", "no step of the race completed", details={"errors": errors})
            attempt_failed(ledger, run, error)
            return
    try:
        results = _outputs(scope) if run.node.result is None else run.node.result.evaluate(ledger.names(scope))
    except ExpressionError as error:
        attempt_failed(ledger, run, expression_failure("result", error))
        return
    failed = {nested.id: nested.error for nested in scope.runs if nested.status == FAILED}
    output = {
        "results": results,
        "errors": failed,
        "succeeded": sum(nested.status == COMPLETED for nested in scope.runs),
        "failed": len(failed),
        "winner": body.winner.id if race and body.winner is not None else None,
    }
    _succeed(ledger, run, output)


def _outputs(scope: Scope) -> dict[str, Any]:
    return {nested.id: nested.output for nested in scope.runs if nested.status == COMPLETED}


# Loops ----------------------------------------------------------------------------------------------------------------


def _close_iteration(ledger: Ledger, run: StepRun, scope: Scope) -> None:
    try:
        result = None if scope.first_failure() is not None else _iteration_result(ledger, run, scope)
    except ExpressionError as error:
        container_failed(ledger, run, expression_failure("result", error))
        return
    assert scope.iteration is not None
    if not room_for_iteration(ledger, run):
        container_failed(ledger, run, no_room(ledger))
        return
    ledger.mark_iteration(run, scope.iteration, result)


def _iteration_result(ledger: Ledger, run: StepRun, scope: Scope) -> Any:
    if run.node.result is not None:
        return run.node.result.evaluate(ledger.names(scope))
    if len(scope.runs) == 1:
        only = scope.runs[0]
        return only.output if only.status == COMPLETED else None
    return _outputs(scope)


def room_for_iteration(ledger: Ledger, run: StepRun, count: int = 1) -> bool:
    """Tell whether the execution may have the step runs of `count` more iterations, or of a `parallel` body."""
    body = run.node.body
    assert body is not None
    return len(ledger.by_path) + count * len(body.nodes) <= ledger.limits.step_runs


def no_room(ledger: Ledger) -> StepError:
    """Return the error of an execution that would have too many step runs."""
    limit = ledger.limits.step_runs
    return StepError("limit_exceeded", f"an execution may have {limit} step runs", details={"limit": limit})


def go_on(ledger: Ledger, run: StepRun) -> None:
    """Complete a loop that has nothing left, or ask its `while` whether to go on."""
    body = run.body
    if run.type != "loop" or run.status != RUNNING or body is None or body.open:
        return
    if ledger.by_path.get(run.path) is not run:
        return
    if body.items is not None:
        if body.iterations() == len(body.items):
            _complete_loop(ledger, run, body)
    elif body.more is False:
        _complete_loop(ledger, run, body)
    else:
        _ask_again(ledger, run, body)


def _ask_again(ledger: Ledger, run: StepRun, body: Body) -> None:
    index = body.iterations()
    try:
        holds = ask(ledger, run, body, index)
    except ExpressionError as error:
        attempt_failed(ledger, run, expression_failure("while", error))
        return
    if not holds:
        _complete_loop(ledger, run, body)
    elif index >= run.node.step.max_iterations:
        attempt_failed(ledger, run, too_many_iterations(run))
    elif not room_for_iteration(ledger, run):
        attempt_failed(ledger, run, no_room(ledger))
    else:
        ledger.mark_next(run)


def ask(ledger: Ledger, run: StepRun, body: Body | None, index: int) -> bool:
    """Evaluate a loop's `while` before iteration `index`; raise ExpressionError if it gives no bool."""
    test = run.node.test
    assert test is not None
    holds = test.evaluate(ledger.names_of_test(run, None if body is None else body.shared, index))
    if not isinstance(holds, bool):
        raise ExpressionError("a bool is needed here")
    return holds


def too_many_iterations(run: StepRun) -> StepError:
    """Return the error of a loop that has more to do than its `max_iterations`."""
    limit = run.node.step.max_iterations
    return StepError("limit_exceeded", f"the loop may have {limit} iterations", details={"limit": limit})


def _complete_loop(ledger: Ledger, run: StepRun, body: Body) -> None:
    failures = [(scope.iteration, scope.first_failure()) for scope in body.scopes]
    errors = [{"index": index, "error": failure.error} for index, failure in failures if failure is not None]
    output = {
        "results": list(body.results),
        "errors": errors,
        "succeeded": body.iterations() - len(errors),
        "failed": len(errors),
        "iterations": body.iterations(),
    }
    _succeed(ledger, run, output)
