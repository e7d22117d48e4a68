"""Attempts that were not made: they wait, with the reason, and are asked for again under the same number.

True at all times: a postponed run is `waiting` (or `compensating`), has nothing in flight, holds no slot, and has a
timer. It holds no slot because nothing of it is under way (rule 11 of the language says the same of a retry's wait): a
service that is away does not stop the calls of those that are there. Its place in a `parallel` or loop with a limit it
keeps, as every step run does from its start to its end, so that a loop over a service that is away does not begin its
next iterations.

What bounds the wait: the execution's timeout, those of containers around it, `retry.deadline`, and whoever cancels.
The step's own `timeout` is that of an attempt, from start to answer: each time that it is asked for it has it whole. A
compensation is bounded by nothing of that but its deadline (rules 31 and 37), so it is given up after
`postponed_undo`. A policy that names the reason in `retry.never` waits for nothing: the attempt fails at once.
"""

from __future__ import annotations

from typing import Any

from .. import events as e
from ..errors import StepError
from ..facts import Postponed
from ..postponement import BUSY, RECOVERING, wait_before_asking
from ..retry import RetryPolicy, is_retryable
from .attempts import attempt_failed, judged
from .compensating import undo_failed
from .ledger import Ledger
from .state import Postponement, StepRun


def postpone(ledger: Ledger, run: StepRun, fact: Postponed) -> None:
    """Have an attempt that was not made asked for again later, or fail the run where its policy will not wait."""
    policy = run.node.retry
    if fact.reason in policy.never:
        attempt_failed(ledger, run, StepError(fact.reason, fact.message))
        return
    if no_longer_waits(ledger, run):
        give_up(ledger, run, Postponement(fact.reason, fact.message))
        return
    _wait(ledger, run, fact, _deadline(policy, run.first_started_at), {"attempt": run.attempts})


def postpone_undo(ledger: Ledger, run: StepRun, fact: Postponed) -> None:
    """Have a compensation's attempt that was not made asked for again later, or give the compensation up."""
    undo = run.node.undo
    assert undo is not None
    error = StepError(fact.reason, fact.message)
    if fact.reason in undo.retry.never:
        undo_failed(ledger, run, error)
        return
    began = run.undo_started_at or ledger.now
    deadline = began + ledger.defaults.postponed_undo
    given = _deadline(undo.retry, began)
    if given is not None:
        deadline = min(deadline, given)
    attempt = run.undo_attempts + 1
    if ledger.now >= deadline:
        data = {"error": judged(error, is_retryable(undo.retry, error)), "attempt": attempt}
        ledger.write(e.STEP_COMPENSATION_FAILED, run.path, data)
        return
    _wait(ledger, run, fact, deadline, {"attempt": attempt, "compensation": True})


def no_longer_waits(ledger: Ledger, run: StepRun) -> bool:
    """Tell whether the policy's deadline has come."""
    deadline = _deadline(run.node.retry, run.first_started_at)
    return deadline is not None and ledger.now >= deadline


def give_up(ledger: Ledger, run: StepRun, why: Postponement) -> None:
    """Fail a run whose policy lets no attempt start any more."""
    error = StepError(why.reason, why.message)
    data = {"error": judged(error, is_retryable(run.node.retry, error)), "attempt": run.attempts}
    ledger.write(e.STEP_FAILED, run.path, data)


def service_back(ledger: Ledger, service: str) -> bool:
    """Have what waits for an instance of the service asked for now; tell whether anything does.

    Who said so may be wrong, again and again (an instance that only other workers can call): every further time since
    the last attempt that was made it takes longer until it is asked for.
    """
    waiting = list(ledger.service_waits.get(service, {}).values())
    moved = False
    for run in waiting:
        until = ledger.now
        if run.recoveries:
            until += wait_before_asking(
                ledger.defaults,
                reason=run.postponed.reason if run.postponed is not None else RECOVERING,
                times=run.recoveries,
                after=None,
                draw=ledger.draw(run, "back", ledger.seq),
            )
        if run.due is not None and until < run.due:
            data: dict[str, Any] = {"reason": RECOVERING, "message": "", "until": until, "back": True}
            ledger.write(e.STEP_POSTPONED, run.path, data)
            moved = True
    return moved


def _deadline(policy: RetryPolicy, began: int | None) -> int | None:
    return None if policy.deadline is None or began is None else began + policy.deadline


def _wait(ledger: Ledger, run: StepRun, fact: Postponed, deadline: int | None, data: dict[str, Any]) -> None:
    until = ledger.now + wait_before_asking(
        ledger.defaults,
        reason=fact.reason,
        times=1 + (run.busy if fact.reason in BUSY else run.postponements),
        after=fact.after,
        draw=ledger.draw(run, "postponed", ledger.seq),
    )
    if deadline is not None:
        until = min(until, deadline)
    told = {"reason": fact.reason, "message": fact.message, "until": until}
    ledger.write(e.STEP_POSTPONED, run.path, {**told, **data})
