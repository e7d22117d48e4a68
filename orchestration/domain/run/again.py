"""Running again what failed: which runs are reset, and what stays. Rules 28 to 31, 54 and 55 of the language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import events as e
from ..lifecycle import CANCELLED, COMPENSATED, COMPENSATION_FAILED, COMPLETED
from .ledger import Ledger
from .state import Scope, StepRun

_UNDONE = frozenset({COMPENSATED, COMPENSATION_FAILED})


def run_again(ledger: Ledger, *, by: str, step: str | None = None) -> None:
    """Begin another round: `by` is `policy`, `retry` or `rerun` (then from the top-level step `step`)."""
    data: dict[str, Any] = {"attempt": ledger.attempt + 1, "by": by}
    if step is not None:
        data["step"] = step
    known = ledger.root is not None
    if not known:
        # It begins only now.
        data["defaults"] = ledger.defaults.as_json()
    ledger.write(e.WORKFLOW_RETRIED, "", data)
    root = ledger.root
    if root is None or not known:
        return
    whole = set() if step is None else _followers(root, [root.steps.by_id[step].index])
    reset_scope(ledger, root, whole)


def reset_scope(ledger: Ledger, scope: Scope, whole: set[int] | None = None) -> None:
    """Reset what a retry has to run again in this list; the indices in `whole` with everything in them.

    Sources are reset before what follows them, so that a reset run finds its arrows as they are from now on.
    """
    whole = set(whole or ())
    seeds = {run.node.index for run in scope.runs if _runs_again(run)}
    affected = _followers(scope, seeds | whole)
    for index in scope.steps.forward:
        if index not in affected:
            continue
        run = scope.runs[index]
        keeps_nested = index in seeds and index not in whole
        _reset(ledger, run, keeps_nested=keeps_nested)


def reset_nested(ledger: Ledger, run: StepRun) -> None:
    """Reset what failed or was cancelled inside a container that is tried again, and what follows it."""
    if run.body is not None:
        for scope in run.body.scopes:
            reset_scope(ledger, scope)


def _reset(ledger: Ledger, run: StepRun, *, keeps_nested: bool) -> None:
    if keeps_nested:
        reset_nested(ledger, run)
        ledger.write(e.STEP_RESET, run.path, {})
        return
    if run.body is not None:
        for scope in run.body.scopes:
            for index in scope.steps.forward:
                _reset(ledger, scope.runs[index], keeps_nested=False)
        ledger.write(e.STEP_RESET, run.path, {"whole": True})
    else:
        ledger.write(e.STEP_RESET, run.path, {})


def _runs_again(run: StepRun) -> bool:
    if run.unhandled or run.status == CANCELLED or run.status in _UNDONE:
        return True
    return run.status == COMPLETED and run.body is not None and _undone_within(run)


def _undone_within(run: StepRun) -> bool:
    if run.body is None:
        return False
    nested = (inner for scope in run.body.scopes for inner in scope.runs)
    return any(inner.status in _UNDONE or _undone_within(inner) for inner in nested)


def _followers(scope: Scope, seeds: Iterable[int]) -> set[int]:
    found = set(seeds)
    todo = list(found)
    while todo:
        for target, _ in scope.steps.nodes[todo.pop()].arrows_out:
            if target not in found:
                found.add(target)
                todo.append(target)
    return found
