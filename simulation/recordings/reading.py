"""A WfFormat 1.5 file as the simulator needs it: the tasks, the files they move, the machines, how long it all took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.domain.documents import parse_json
from orchestration.domain.errors import Problem
from orchestration.management.wfinstances.recording import FILE_LIMITS, RecordingInvalid, read_recording


@dataclass(frozen=True, slots=True)
class RecordedTask:
    """One task: the places in the recording of those that it waits for, seconds of work, bytes of its input files."""

    parents: tuple[int, ...]
    seconds: float
    bytes_read: int


@dataclass(frozen=True, slots=True)
class RecordedWorkflow:
    """A recorded execution; parents stand before their children.

    `cores` has one number for each machine. `makespan` is the seconds from its begin to its end as they were measured:
    what a prediction is compared with, never what it is made from.
    """

    name: str
    tasks: tuple[RecordedTask, ...]
    cores: tuple[int, ...]
    makespan: float

    @property
    def application(self) -> str:
        """Return what was run: the file's name up to its first hyphen."""
        return self.name.partition("-")[0]


def read_workflow(file: Path) -> RecordedWorkflow:
    """Return the recorded execution in a file.

    Raises OSError if it cannot be read, DocumentInvalid for what is no JSON, RecordingInvalid for what is no recorded
    workflow, or one without machines or makespan.
    """
    text = file.read_bytes()
    recording = read_recording(text)
    workflow = parse_json(text, limits=FILE_LIMITS)["workflow"]
    problems: list[Problem] = []
    cores = _cores(workflow["execution"].get("machines"), problems)
    makespan = workflow["execution"].get("makespanInSeconds")
    if not _positive(makespan):
        problems.append(_problem("workflow.execution.makespanInSeconds", "must be a number of seconds above 0"))
    if problems:
        raise RecordingInvalid(f"{file.name}: {problems[0].path}: {problems[0].message}", problems)
    read = _bytes_read(workflow["specification"])
    places = {task.id: place for place, task in enumerate(recording.tasks)}
    tasks = tuple(
        RecordedTask(tuple(places[parent] for parent in task.parents), task.seconds, read.get(task.id, 0))
        for task in recording.tasks
    )
    return RecordedWorkflow(file.stem, tasks, cores, float(makespan))


def _cores(machines: Any, problems: list[Problem]) -> tuple[int, ...]:
    path = "workflow.execution.machines"
    if not isinstance(machines, list) or not machines:
        problems.append(_problem(path, "must be a list of machines"))
        return ()
    found = []
    for place, machine in enumerate(machines):
        cpu = machine.get("cpu") if isinstance(machine, Mapping) else None
        count = cpu.get("coreCount") if isinstance(cpu, Mapping) else None
        if isinstance(count, int) and _positive(count):
            found.append(count)
        else:
            problems.append(_problem(f"{path}[{place}].cpu.coreCount", "must be a whole number above 0"))
    return tuple(found)


def _bytes_read(specification: Mapping[str, Any]) -> dict[str, int]:
    """Return the bytes of each task's input files, by its id; a file without a size counts nothing."""
    sizes: dict[str, int] = {}
    for each in specification.get("files") or ():
        size = each.get("sizeInBytes")
        if isinstance(size, int) and _positive(size):
            sizes[each.get("id")] = size
    return {
        task["id"]: sum(sizes.get(name, 0) for name in task.get("inputFiles") or ()) for task in specification["tasks"]
    }


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _problem(path: str, message: str) -> Problem:
    return Problem(path, "recording", message)
