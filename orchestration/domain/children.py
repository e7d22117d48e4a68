"""Children of subflows, for shells that keep their workflows in memory: one revision of each."""

from __future__ import annotations

from collections.abc import Mapping

from .commands import StartChild
from .definition import check_input
from .errors import InputInvalid, StepError
from .graph import Graph
from .limits import LIMITS


def why_no_child(command: StartChild, graphs: Mapping[str, Graph]) -> StepError | None:
    """Return the error for which the step of a subflow fails, None where the child may be started."""
    graph = graphs.get(command.workflow)
    if graph is None or command.revision not in (None, 1):
        return StepError("workflow_not_found", f"there is no workflow {command.workflow}")
    if command.depth > LIMITS.subflow_depth:
        return StepError("limit_exceeded", f"more than {LIMITS.subflow_depth} executions below the first")
    try:
        check_input(graph.definition, command.input)
    except InputInvalid as error:
        return StepError("invalid_input", str(error), details=error.details)
    return None
