"""Running an imported definition on the engine, in this process and in any other that has workers, and checking it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
import uvloop
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

from orchestration.domain.events import STEP_COMPLETED
from orchestration.domain.limits import MICROSECONDS
from orchestration.engine import driver, operations, queries
from orchestration.management.wfinstances.checking import faults_in
from orchestration.teams.operations import default_team

log = structlog.get_logger(__name__)

BY = "import_wfinstance"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run: its status, how long it took (microseconds), and what is wrong with its journal."""

    execution_id: str
    workflow: str
    revision: int
    status: str
    error: dict[str, Any] | None
    steps: int
    makespan: int
    faults: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Say whether it completed, every step once and after all that it depends on."""
        return self.status == "completed" and not self.faults


def prepare_database() -> None:
    """Bring the database up to date where it is not."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0, interactive=False)


def save(document: dict[str, Any]) -> tuple[str, int]:
    """Save the definition in the default team; return its workflow and revision."""
    saved = operations.save_definition(team_id=default_team().id, document=document, by=BY)
    return saved.workflow, saved.revision


def run(documents: Sequence[dict[str, Any]], *, timeout: float) -> list[Outcome]:
    """Save definitions, run them beside one another, and check their journals.

    A shift of this process works until all executions have ended; workers that run elsewhere work beside it. Whoever
    holds the executions then, their ends are waited for `timeout` seconds at most.
    """
    team_id = default_team().id
    started = []
    for document in documents:
        workflow, revision = save(document)
        execution = operations.start_execution(team_id=team_id, workflow=workflow, revision=revision, input={}, by=BY)
        started.append((execution.execution_id, revision, document))
    connections.close_all()
    uvloop.run(_work(team_id, [execution_id for execution_id, _, _ in started], timeout))
    return [_outcome(team_id, *each) for each in started]


async def _work(team_id: int, execution_ids: Sequence[str], timeout: float) -> None:
    """Work on what is due until the executions have ended, or their time is up."""
    over = False
    shift = asyncio.create_task(driver.run_shift(until=lambda: over))
    try:
        async with asyncio.timeout(timeout):
            for each in execution_ids:
                await queries.await_until_ended(team_id=team_id, execution_id=each, timeout=timeout)
    except TimeoutError:
        log.error("not all executions ended in time", seconds=timeout)
    finally:
        over = True
        await shift


def _outcome(team_id: int, execution_id: str, revision: int, document: dict[str, Any]) -> Outcome:
    ended = queries.wait_until_ended(team_id=team_id, execution_id=execution_id, timeout=0.0)
    entries = list(journal(team_id=team_id, execution_id=execution_id))
    lasted = (ended.ended_at - ended.started_at) if ended.ended_at and ended.started_at else None
    return Outcome(
        execution_id=execution_id,
        workflow=document["id"],
        revision=revision,
        status=ended.status,
        error=ended.error,
        steps=sum(entry.type == STEP_COMPLETED for entry in entries),
        makespan=0 if lasted is None else round(lasted.total_seconds() * MICROSECONDS),
        faults=tuple(faults_in(document, entries)),
    )


def journal(*, team_id: int, execution_id: str) -> Iterator[queries.JournalEntry]:
    """Yield the whole journal of an execution."""
    after = 0
    while entries := queries.list_events(team_id=team_id, execution_id=execution_id, after=after):
        yield from entries
        after = entries[-1].seq
