"""Real workflows: with unlimited workers a recorded graph takes exactly as long as its critical path.

The recordings (WfFormat 1.5) become definitions as everywhere; a task is a call that takes as long as it took. They are
read where they lie, and are not part of the project.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestration.domain.commands import StartAttempt
from orchestration.domain.definition import parse_definition
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.facts import Answered
from orchestration.domain.graph import Graph
from orchestration.domain.lifecycle import COMPLETED
from orchestration.domain.limits import MICROSECONDS
from orchestration.management.wfinstances.definition import definition_of, workflow_id
from orchestration.management.wfinstances.recording import Recording, read_recording
from simulation.world.clock import Later
from simulation.world.shell import EPOCH, Execution, Shell

from .table import Check, exactly, left_out

SCALE = 0.01
"""Longer tasks would become timers; as calls they go through everything that a call goes through."""


class _Recorded:
    """Tasks that take as long as their input says."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def call(self, execution: Execution, command: StartAttempt) -> None:
        """Answer after `us` microseconds."""
        self._shell.after(command.input["us"], self._answer, (execution, command.attempt))

    def cancel(self, execution: Execution, attempt: str) -> None:
        """Do nothing: no task is late."""

    def _answer(self, happening: Later) -> None:
        execution, attempt = happening._value
        self._shell.tell(execution, Answered(attempt, {}))


def recorded_workflows(folder: Path | None) -> Iterator[Check]:
    """Case 21: every recording in a folder, its makespan against its critical path, in seconds."""
    files = sorted(folder.glob("*.json")) if folder is not None else []
    if not files:
        where = "none was named (--recordings FOLDER)" if folder is None else f"there are none in {folder}"
        yield left_out("21 makespan of recorded workflows", where)
    for file in files:
        name = f"21 makespan of {file.stem}"
        try:
            recording = read_recording(file.read_bytes())
            got = makespan(recording, workflow_id(file.stem))
        except (OSError, OrchestrationError) as error:
            yield Check(name, "a recording", str(error), None, False)
        else:
            yield exactly(name, recording.critical_path(SCALE) / MICROSECONDS, got / MICROSECONDS)


def makespan(recording: Recording, workflow: str) -> int:
    """Return the microseconds from start to end of a recording, run by the domain in simulated time; -1: it fails."""
    definition = parse_definition(definition_of(recording, workflow=workflow, scale=SCALE))
    shell = Shell({definition.id: Graph.compile(definition)}, keep=True)
    shell.calls = _Recorded(shell)
    execution = shell.start(definition.id, workflow, {})
    shell.env.run()
    run = execution.run
    return run.ended_at - EPOCH if run.status == COMPLETED and run.ended_at is not None else -1
