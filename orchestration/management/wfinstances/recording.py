"""A WfFormat 1.5 file as the platform needs it: tasks, what they wait for, and how long each of them ran."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestration.domain.documents import parse_json
from orchestration.domain.errors import DocumentInvalid, Problem
from orchestration.domain.limits import LIMITS, MICROSECONDS

SCHEMA_VERSION = "1.5"
# A recording lists every file that a task read, so it is far larger than the definition that comes of it.
FILE_LIMITS = replace(LIMITS, payload_bytes=32 * 1024 * 1024)
PROBLEMS_SHOWN = 20


class RecordingInvalid(DocumentInvalid):
    """A file that is not a recorded workflow in WfFormat 1.5."""

    code = "recording_invalid"


@dataclass(frozen=True, slots=True)
class Task:
    """One recorded task: its id, the ids of the tasks that it waits for, and its run time in seconds."""

    id: str
    parents: tuple[str, ...]
    seconds: float

    def duration(self, scale: float) -> int:
        """Return the run time times `scale`, in whole microseconds."""
        return round(self.seconds * scale * MICROSECONDS)


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded workflow: its tasks, parents before their children."""

    name: str
    description: str
    tasks: tuple[Task, ...]

    def critical_path(self, scale: float) -> int:
        """Return the longest sum of scaled run times along any chain of dependencies, in microseconds."""
        ends: dict[str, int] = {}
        for task in self.tasks:
            ends[task.id] = max((ends[parent] for parent in task.parents), default=0) + task.duration(scale)
        return max(ends.values(), default=0)

    def total(self, scale: float) -> int:
        """Return the sum of all scaled run times, in microseconds."""
        return sum(task.duration(scale) for task in self.tasks)


def read_recording(text: bytes) -> Recording:
    """Return the recording that stands in a WfFormat 1.5 file.

    Raises DocumentInvalid for what is no JSON, RecordingInvalid with all problems for what is no such recording.
    """
    document = parse_json(text, limits=FILE_LIMITS)
    problems: list[Problem] = []
    if not isinstance(document, dict) or document.get("schemaVersion") != SCHEMA_VERSION:
        raise RecordingInvalid("not a WfFormat 1.5 file", [_problem("schemaVersion", f"must be {SCHEMA_VERSION}")])
    specified = _tasks(document, "workflow.specification.tasks", problems)
    seconds = _run_times(_tasks(document, "workflow.execution.tasks", problems), problems)
    tasks = [] if problems else _join(specified, seconds, problems)
    ordered = [] if problems else _parents_first(tasks, problems)
    if problems:
        message = f"the recording cannot be read: {problems[0].path}: {problems[0].message}"
        raise RecordingInvalid(message, problems[:PROBLEMS_SHOWN])
    name, description = document.get("name"), document.get("description")
    return Recording(
        name=name if isinstance(name, str) else "",
        description=description if isinstance(description, str) else "",
        tasks=tuple(ordered),
    )


def _problem(path: str, message: str) -> Problem:
    return Problem(path, "recording", message)


def _tasks(document: Mapping[str, Any], path: str, problems: list[Problem]) -> list[dict[str, Any]]:
    found: Any = document
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, list) or not found:
        problems.append(_problem(path, "must be a list of tasks"))
        return []
    good: list[dict[str, Any]] = []
    seen: set[str] = set()
    for index, task in enumerate(found):
        name = task.get("id") if isinstance(task, dict) else None
        if not isinstance(name, str) or not name:
            problems.append(_problem(f"{path}[{index}].id", "must be a text"))
        elif name in seen:
            problems.append(_problem(f"{path}[{index}].id", f"{name!r} is used twice"))
        else:
            seen.add(name)
            good.append(task)
    return good


def _run_times(executed: Sequence[dict[str, Any]], problems: list[Problem]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for task in executed:
        value = task.get("runtimeInSeconds")
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            path = f"workflow.execution.tasks[{task['id']}].runtimeInSeconds"
            problems.append(_problem(path, "must be a number of seconds, 0 or more"))
        else:
            seconds[task["id"]] = float(value)
    return seconds


def _join(specified: Sequence[dict[str, Any]], seconds: Mapping[str, float], problems: list[Problem]) -> list[Task]:
    parents = _arrows(specified, problems)
    tasks: list[Task] = []
    for task in specified:
        name = task["id"]
        if name not in seconds:
            problems.append(_problem(f"workflow.execution.tasks[{name}]", "has no recorded run time"))
        else:
            tasks.append(Task(name, tuple(parents[name]), seconds[name]))
    return tasks


def _arrows(specified: Sequence[dict[str, Any]], problems: list[Problem]) -> dict[str, dict[str, None]]:
    """Return the parents of every task; an arrow counts whichever of its two ends names the other."""
    parents: dict[str, dict[str, None]] = {task["id"]: {} for task in specified}
    for task in specified:
        for key, parent_of in (("parents", False), ("children", True)):
            names = task.get(key, [])
            for other in names if isinstance(names, list) else [names]:
                if not isinstance(other, str) or other not in parents:
                    path = f"workflow.specification.tasks[{task['id']}].{key}"
                    problems.append(_problem(path, f"there is no task {other!r}"))
                elif parent_of:
                    parents[other][task["id"]] = None
                else:
                    parents[task["id"]][other] = None
    return parents


def _parents_first(tasks: Sequence[Task], problems: list[Problem]) -> list[Task]:
    by_id = {task.id: task for task in tasks}
    children: dict[str, list[str]] = {task.id: [] for task in tasks}
    missing = {task.id: len(task.parents) for task in tasks}
    for task in tasks:
        for parent in task.parents:
            children[parent].append(task.id)
    free = deque(task.id for task in tasks if not task.parents)
    ordered: list[Task] = []
    while free:
        name = free.popleft()
        ordered.append(by_id[name])
        for child in children[name]:
            missing[child] -= 1
            if not missing[child]:
                free.append(child)
    if len(ordered) < len(tasks):
        stuck = next(name for name, left in missing.items() if left)
        problems.append(_problem("workflow.specification.tasks", f"{stuck!r} waits for itself"))
    return ordered
