"""The calls that were made of late, from recorded attempts: what budgets and circuits remember of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestration.domain.calling.answers import answer_of
from orchestration.domain.errors import StepError
from orchestration.domain.limits import MICROSECONDS

from .attempts import CANCELLED, COMPLETED, RUNNING, Attempt

MEMORY = 600 * MICROSECONDS
"""How far back calls are looked at: a budget that nothing was spent from is full long before (microseconds)."""

MOST_CALLS = 5_000
"""Calls of one service that are looked at, the latest."""


def recent_calls(attempts: Iterable[Attempt], *, at: int) -> dict[str, list[list[Any]]]:
    """Return calls of the last ten minutes before `at` by service: `[began, ended, number, failed]`, the oldest first.

    `failed` is None where a call says nothing of the service, or is not over.
    """
    found: dict[str, list[list[Any]]] = {}
    for each in attempts:
        if at - MEMORY < each.ended <= at:
            found.setdefault(each.service, []).append([each.began, each.ended, each.number, _failed(each)])
    return {name: sorted(calls, key=lambda call: call[:3])[-MOST_CALLS:] for name, calls in found.items()}


def _failed(attempt: Attempt) -> bool | None:
    if attempt.outcome in (CANCELLED, RUNNING):
        return None
    if attempt.outcome == COMPLETED:
        return False
    details = {} if attempt.status is None else {"status": attempt.status}
    answer = answer_of(StepError(attempt.outcome, retryable=attempt.retryable, details=details))
    return answer.failed if answer.heard else None
