"""Starting: from a join's verdict to an attempt, a timer, a child or the inside of a container."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from heapq import heappop, heappush
from typing import Any

from .. import events as e
from ..commands import StartAttempt, StartChild
from ..durations import format_duration
from ..errors import ExpressionError, StepError
from ..ids import attempt_reference, child_execution_id, idempotency_key
from ..instants import from_datetime, parse_instant
from ..lifecycle import PENDING, RETRYING, RUNNING
from ..retry import WORKER_LOST
from ..templates import unseal
from .again import reset_nested
from .attempts import answered, attempt_failed, expression_failure, fail_unstarted, too_late
from .cancelling import abort
from .closing import ask, no_room, oversized, room_for_iteration, too_many_iterations
from .joins import RUN, SKIP
from .ledger import Ledger
from .postponing import give_up, no_longer_waits
from .state import NOTIFIER, StepRun

_LATEST_INSTANT = 253_402_300_800_000_000
"""The year 10000: later instants have no text."""


def consider(ledger: Ledger, run: StepRun, resets: int) -> None:
    """Take on a pending run whose join came to a verdict after so many resets: skip it, or make it ready.

    What a skip leads to comes next: it goes on down the arrows at the same moment, before other runs are considered.
    """
    if resets != run.resets:
        return
    run.queued = False
    if run.status != PENDING or run.ready or ledger.by_path.get(run.path) is not run:
        return
    container = run.scope.container
    if run.scope.held or (container is not None and container.status != RUNNING):
        return
    verdict = run.join_says()
    if verdict is SKIP:
        _skip(ledger, run, {"reason": "join"})
    elif verdict is RUN:
        _check_condition(ledger, run)


def _check_condition(ledger: Ledger, run: StepRun) -> None:
    condition = run.node.condition
    if condition is None:
        ledger.make_ready(run)
        return
    try:
        holds = condition.evaluate(ledger.names_of(run))
        if not isinstance(holds, bool):
            raise ExpressionError("a bool is needed here")
    except ExpressionError as error:
        abort(ledger, run, compensate=False)
        fail_unstarted(ledger, run, expression_failure("condition", error))
        return
    if holds:
        ledger.make_ready(run)
        ledger.conditions_met.append(run)
    elif run.type == "condition":
        output = {"condition_result": False, "executed": False}
        _skip(ledger, run, {"reason": "condition", "output": output})
    else:
        _skip(ledger, run, {"reason": "condition"})


def _skip(ledger: Ledger, run: StepRun, data: dict[str, Any]) -> None:
    # What was reset in a container that ran before will not run again either.
    abort(ledger, run, compensate=False)
    before = len(ledger.eligible)
    ledger.write(e.STEP_SKIPPED, run.path, data)
    ledger.eligible.rotate(len(ledger.eligible) - before)


def start_next(ledger: Ledger) -> bool:
    """Start the first run, by place in the definition, that may start now; return False if none may."""
    ready, without_slot = ledger.ready, ledger.without_slot
    while True:
        slot_free = ledger.slots_used < ledger.parallel_limit
        if slot_free and without_slot and (not ready or without_slot[0] < ready[0]):
            place, run = heappop(without_slot)
        elif ready:
            place, run = heappop(ready)
        else:
            return False
        if not run.ready or ledger.by_path.get(run.path) is not run:
            continue
        scope = run.scope
        if run.status == PENDING and scope.limit is not None and scope.active >= scope.limit:
            heappush(scope.blocked, (place, run))
        elif run.node.takes_slot and not slot_free:
            heappush(without_slot, (place, run))
        else:
            _STARTS[run.node.type](ledger, run)
            return True


# Calls ----------------------------------------------------------------------------------------------------------------


def _input(ledger: Ledger, run: StepRun) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the input's real value, and what of it may be journaled. Raises ExpressionError."""
    if run.status != PENDING:
        return real_input(ledger, run), {}
    template = run.node.input
    if template is None:
        return {}, {"input": {}}
    value, bindings = template.evaluate_sealed(ledger.names_of(run))
    real = unseal(value, bindings, ledger.secrets)
    if not isinstance(real, dict):
        raise ExpressionError("an input must come to an object")
    return real, {"input": value, "sealed": bindings} if bindings else {"input": value}


def real_input(ledger: Ledger, run: StepRun) -> dict[str, Any]:
    """Return the input of a run that started before, secrets included. Raises ExpressionError."""
    if run.sealed:
        return unseal(run.input, run.sealed, ledger.secrets)  # type: ignore[no-any-return]
    return run.input or {}


def _begin_call(ledger: Ledger, run: StepRun) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the input and the entry's data for the next attempt; None if the run failed over it."""
    first = run.status == PENDING
    if run.postponed is not None and no_longer_waits(ledger, run):
        give_up(ledger, run, run.postponed)
        return None
    if not first and too_late(run.node.retry, run, ledger.now):
        ledger.write(e.STEP_FAILED, run.path, {"error": run.last_error, "attempt": run.attempts})
        return None
    try:
        values, data = _input(ledger, run)
    except ExpressionError as error:
        fail_unstarted(ledger, run, expression_failure("input", error))
        return None
    if first and values:
        too_large = oversized(ledger, values)
        if too_large is not None:
            fail_unstarted(ledger, run, too_large)
            return None
    # What was postponed was not made: it is made under the number that it has.
    data["attempt"] = run.attempts if run.postponed is not None else run.attempts + 1
    return values, data


def _start_call(ledger: Ledger, run: StepRun) -> None:
    begun = _begin_call(ledger, run)
    if begun is None:
        return
    values, data = begun
    if run.node.timeout is None and run.type == "service":
        timeout = ledger.service_timeouts.get(run.node.step.service_name)
        if timeout is not None:
            data["timeout"] = timeout
    ledger.write(e.STEP_STARTED, run.path, data)
    ledger.order(call_command(ledger, run, values))


def call_command(ledger: Ledger, run: StepRun, values: dict[str, Any]) -> StartAttempt:
    """Return the call of the attempt that the run has under way."""
    step = run.node.step
    assert run.reference is not None
    key = idempotency_key(ledger.execution_id, run.path, run.generation)
    timeout = ledger.timeout_of(run)
    if run.node.type == "notification":
        return StartAttempt(
            run.reference, run.path, "notification", NOTIFIER, step.channel, values, run.attempts, key, timeout
        )
    return StartAttempt(
        run.reference,
        run.path,
        "service",
        step.service_name,
        step.method,
        values,
        run.attempts,
        key,
        timeout,
        step.completion,
        step.delivery,
        step.balance,
        run.node.timeout is None,
        run.last_error is not None and run.last_error.get("code") == WORKER_LOST,
    )


def _start_subflow(ledger: Ledger, run: StepRun) -> None:
    begun = _begin_call(ledger, run)
    if begun is None:
        return
    values, data = begun
    reference = attempt_reference(run.path, ledger.seq + 1)
    data["child"] = child_execution_id(ledger.execution_id, reference)
    ledger.write(e.STEP_STARTED, run.path, data)
    if ledger.depth >= ledger.limits.subflow_depth:
        limit = ledger.limits.subflow_depth
        error = StepError("limit_exceeded", f"{limit} executions below the first at most", details={"limit": limit})
        attempt_failed(ledger, run, error)
        return
    ledger.order(child_command(ledger, run, values))


def child_command(ledger: Ledger, run: StepRun, values: dict[str, Any]) -> StartChild:
    """Return the start of the child that the run's attempt waits for."""
    step = run.node.step
    assert run.reference is not None
    return StartChild(
        attempt=run.reference,
        step=run.path,
        child_id=run.asked["child"],
        workflow=step.workflow,
        revision=step.revision,
        input=values,
        wait=step.wait,
        depth=ledger.depth + 1,
    )


# Steps without a call -------------------------------------------------------------------------------------------------


def _start_condition(ledger: Ledger, run: StepRun) -> None:
    ledger.write(e.STEP_STARTED, run.path, {"attempt": run.attempts + 1})
    answered(ledger, run, {"condition_result": True, "executed": True})


def _start_delay(ledger: Ledger, run: StepRun) -> None:
    try:
        until = _delay_until(ledger, run)
    except ExpressionError as error:
        fail_unstarted(ledger, run, expression_failure("until", error))
        return
    length = max(0, until - ledger.now)
    ledger.write(e.STEP_STARTED, run.path, {"attempt": run.attempts + 1, "for": length})
    ledger.write(e.STEP_WAITING, run.path, {"until": until})
    if until <= ledger.now:
        run.due = None
        delay_over(ledger, run)


def _delay_until(ledger: Ledger, run: StepRun) -> int:
    duration = run.node.step.duration
    if duration is not None:
        return ledger.now + int(duration)
    template = run.node.until
    assert template is not None
    moment = template.evaluate(ledger.names_of(run))
    try:
        if isinstance(moment, datetime):
            return min(from_datetime(moment), _LATEST_INSTANT)
        if isinstance(moment, str):
            return min(parse_instant(moment), _LATEST_INSTANT)
    except ValueError as error:
        raise ExpressionError(str(error)) from None
    raise ExpressionError("a timestamp is needed here")


def delay_over(ledger: Ledger, run: StepRun) -> None:
    """Complete a delay whose time has come."""
    answered(ledger, run, {"delay_duration": format_duration(run.asked["for"])})


def _start_wait(ledger: Ledger, run: StepRun) -> None:
    step = run.node.step
    ledger.write(e.STEP_STARTED, run.path, {"attempt": run.attempts + 1})
    waits_for = {"signal": step.signal} if step.signal is not None else {"event": step.event}
    ledger.write(e.STEP_WAITING, run.path, {**waits_for, "until": run.deadline})
    if step.signal is None:
        return
    kept = ledger.kept_signals.get(step.signal)
    if kept:
        value, by = kept[0]
        signalled(ledger, run, {"name": step.signal, "value": value, "by": by, "kept": True})


def signalled(ledger: Ledger, run: StepRun, data: dict[str, Any]) -> None:
    """End a wait with what came."""
    ledger.write(e.STEP_SIGNALLED, run.path, data)
    answered(ledger, run, {"timed_out": False, "value": data["value"], "by": data.get("by")})


# Containers -----------------------------------------------------------------------------------------------------------


def _start_parallel(ledger: Ledger, run: StepRun) -> None:
    if run.body is None and not room_for_iteration(ledger, run):
        fail_unstarted(ledger, run, no_room(ledger))
        return
    _open_container(ledger, run, {})


def _open_container(ledger: Ledger, run: StepRun, data: dict[str, Any]) -> None:
    if run.status == RETRYING:
        reset_nested(ledger, run)
    ledger.write(e.STEP_STARTED, run.path, {"attempt": run.attempts + 1, **data})


def _start_loop(ledger: Ledger, run: StepRun) -> None:
    if run.body is not None:
        _open_container(ledger, run, {})
        return
    node = run.node
    try:
        if node.items is not None:
            data: dict[str, Any] = {"items": _items(ledger, run)}
            count = len(data["items"])
        else:
            data = {"more": ask(ledger, run, None, 0)}
            count = 1 if data["more"] else 0
    except ExpressionError as error:
        fail_unstarted(ledger, run, expression_failure("items" if node.items is not None else "while", error))
        return
    if count > node.step.max_iterations:
        fail_unstarted(ledger, run, too_many_iterations(run))
    elif not room_for_iteration(ledger, run, min(count, node.limit or 1)):
        fail_unstarted(ledger, run, no_room(ledger))
    else:
        _open_container(ledger, run, data)


def _items(ledger: Ledger, run: StepRun) -> list[Any]:
    template = run.node.items
    assert template is not None
    items = template.evaluate(ledger.names_of(run))
    if not isinstance(items, list):
        raise ExpressionError("a list is needed here")
    return items


_STARTS: dict[str, Callable[[Ledger, StepRun], None]] = {
    "service": _start_call,
    "notification": _start_call,
    "subflow": _start_subflow,
    "condition": _start_condition,
    "delay": _start_delay,
    "wait": _start_wait,
    "parallel": _start_parallel,
    "loop": _start_loop,
}
