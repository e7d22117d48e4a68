"""Arrows and joins: what became of an arrow, and what a step's join says of it by now (see WORKFLOWS.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph import ON_FAILURE, Node
from ..lifecycle import COMPLETED, FAILED, SKIPPED

if TYPE_CHECKING:
    from .state import StepRun

WAIT, RUN, SKIP = "wait", "run", "skip"
"""What a join says of its step: not yet, now, never."""


def is_satisfied(source: StepRun, kind: str) -> bool:
    """Tell whether an arrow of this kind out of an ended run is satisfied, rather than dead."""
    if kind == ON_FAILURE:
        if source.status == FAILED:
            return True
        return source.status == SKIPPED and source.output is not None
    return source.status == COMPLETED


def _all_success(run: StepRun, node: Node) -> str:
    if run.dead_dependencies or (node.branches and run.dead_branches == node.branches):
        return SKIP
    if run.satisfied_dependencies == node.dependencies and (not node.branches or run.satisfied_branches):
        return RUN
    return WAIT


def _none_failed(run: StepRun, node: Node) -> str:
    if run.spoiled:
        return SKIP
    return WAIT if run.open_arrows else RUN


def _any_success(run: StepRun, node: Node) -> str:
    if run.open_arrows:
        return WAIT
    return RUN if run.satisfied_dependencies or run.satisfied_branches else SKIP


def _first_success(run: StepRun, node: Node) -> str:
    if run.satisfied_dependencies or run.satisfied_branches:
        return RUN
    return WAIT if run.open_arrows else SKIP


def _all_done(run: StepRun, node: Node) -> str:
    return WAIT if run.open_arrows else RUN


JOINS = {
    "all_success": _all_success,
    "none_failed": _none_failed,
    "any_success": _any_success,
    "first_success": _first_success,
    "all_done": _all_done,
}
