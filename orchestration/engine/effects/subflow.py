"""Subflows: a child execution, started at most once for an attempt.

The child's id is derived from the attempt, so that starting it again (after a crash, a hand-over) changes nothing. Who
waits for it is written into its row: its end is told to the parent's inbox in the same transaction as the end itself.
"""

from __future__ import annotations

import asyncio

import orjson
import structlog

from orchestration.domain.commands import StartChild
from orchestration.domain.definition import check_input
from orchestration.domain.errors import InputInvalid, StepError
from orchestration.domain.facts import ChildStarted, Fact, Failed
from orchestration.engine.effects.tools import Origin, Tools
from orchestration.engine.journal import FIRST_PAUSE, LONGEST_PAUSE, UNANSWERED
from orchestration.engine.store import ChildRow, WorkflowRow

log = structlog.get_logger(__name__)


async def start_child(command: StartChild, origin: Origin, tools: Tools) -> Fact | None:
    """Start the child; None: its end will be told."""
    row = await _find(command, origin, tools)
    if row is None:
        which = f" revision {command.revision}" if command.revision is not None else ""
        error = StepError("workflow_not_found", f"there is no workflow {command.workflow!r}{which}")
        return Failed(command.attempt, error)
    definition = tools.graph(row.revision_id, row.document).definition
    try:
        check_input(definition, command.input)
    except InputInvalid as error:
        return Failed(command.attempt, StepError("invalid_input", error.message, None, error.details))
    child = ChildRow(
        id=command.child_id,
        team_id=origin.team_id,
        workflow_id=row.workflow_id,
        revision_id=row.revision_id,
        priority=definition.config.priority,
        depth=command.depth,
        parent_id=origin.execution_id,
        parent_attempt=command.attempt if command.wait else "",
        root_id=origin.root_id,
        input=orjson.dumps(command.input).decode(),
        steps_total=len(definition.steps),
        by="",
        correlation_id=origin.correlation_id,
        created_at=tools.now(),
    )
    await tools.insert_child(child, command.workflow)
    return None if command.wait else ChildStarted(command.attempt, command.child_id)


async def _find(command: StartChild, origin: Origin, tools: Tools) -> WorkflowRow | None:
    """Look the workflow up, again until the database answers: that it does not is no failure of the step."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await tools.store.workflow(origin.team_id, command.workflow, command.revision)
        except UNANSWERED as error:
            log.warning("a subflow waits for the database", execution=origin.execution_id, error=str(error))
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
