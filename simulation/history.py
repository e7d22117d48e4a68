"""What the platform has on record, fetched for a fit or for a simulation that begins now. Nothing is written.

This file and the command are where the simulator touches the rest of the platform: engine and registry are asked
through their queries, and what comes back are plain values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from orchestration import clock
from orchestration.domain.calling.policy import DEFAULT_POLICY, policy_document
from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph
from orchestration.domain.lifecycle import COMPLETED
from orchestration.domain.limits import MICROSECONDS
from orchestration.engine import history as engine
from orchestration.registry.queries import ServiceView, list_services
from orchestration.registry.stands import CallingStand, calling_stands
from orchestration.teams.operations import default_team
from orchestration.teams.queries import get_team

from .fit.dependence import Instants
from .fit.scenario import History
from .fit.services import Registered
from .statistics.intervals import percentile
from .streams import Floats

CAPACITY = "capacity"
"""The key of an instance's metadata that says how many calls it serves at once."""


def team_named(slug: str | None) -> int:
    """Return the id of the team with this slug, of the default team without one. Raises NotFound."""
    return default_team().id if slug is None else get_team(slug=slug).id


def now() -> int:
    """Return the instant now (microseconds)."""
    return clock.now_us()


def read_history(*, team_id: int, workflow: str, since: int, until: int, cap: int = engine.SAMPLE) -> History:
    """Return what was recorded of a workflow from `since` until before `until` (microseconds).

    At most `cap` executions are read with their journals. Raises NotFound, LimitExceeded.
    """
    starts = engine.starts(team_id=team_id, workflow=workflow, since=since, until=until)
    chosen = engine.sample(starts.ids, cap)
    executions = tuple(engine.recorded_executions(team_id=team_id, ids=chosen))
    found = engine.definitions(team_id=team_id, revisions={(each.workflow, each.revision) for each in executions})
    current = current_definitions(team_id=team_id, workflow=workflow)
    filters = ["started in the window by nobody else's step", "not the demo's", "not quarantined"]
    if len(chosen) < len(starts.ids):
        filters.append(f"{len(chosen)} of {len(starts.ids)} executions read, in {engine.BLOCKS} even blocks")
    return History(
        workflow=workflow,
        since=since,
        until=until,
        arrivals=np.array(starts.instants, dtype=np.int64),
        executions=executions,
        graphs={key: Graph.compile(parse_definition(each)) for key, each in found.items()},
        current=current,
        registered=registered_services(team_id=team_id),
        filters=tuple(filters),
        cap=cap,
    )


def recorded_figures(*, team_id: int, workflow: str, since: int, until: int) -> dict[str, float | int]:
    """Return what came of a window's executions that ended in it: their number, rate, and percentiles (seconds)."""
    found = engine.ends(team_id=team_id, workflow=workflow, since=since, until=until)
    times = np.sort(np.array([ended - created for created, ended, _ in found], dtype=np.float64)) / MICROSECONDS
    completed = sum(status == COMPLETED for _, _, status in found) / len(found) if found else 0.0
    return {**figures_of(times, (until - since) / MICROSECONDS), "completed": completed}


def figures_of(times: Floats, length: float) -> dict[str, float | int]:
    """Return the number, rate and percentiles of sorted times of executions that ended in `length` seconds."""
    return {
        "count": int(times.size),
        "per_second": times.size / length,
        "p50": percentile(times, 0.50) if times.size else 0.0,
        "p95": percentile(times, 0.95) if times.size else 0.0,
    }


def starts_of(*, team_id: int, workflow: str, since: int, until: int) -> Instants:
    """Return the instants of a window's starts (microseconds, in their order). Raises NotFound, LimitExceeded."""
    found = engine.starts(team_id=team_id, workflow=workflow, since=since, until=until)
    return np.array(found.instants, dtype=np.int64)


def ended_in(*, team_id: int, workflow: str, since: int, until: int) -> tuple[Floats, Floats]:
    """Return of a window's executions that ended in it when that was, from its beginning, and their times (seconds)."""
    found = engine.ends(team_id=team_id, workflow=workflow, since=since, until=until)
    ended = np.array([ended - since for _, ended, _ in found], dtype=np.float64) / MICROSECONDS
    times = np.array([ended - created for created, ended, _ in found], dtype=np.float64) / MICROSECONDS
    return ended, times


def current_definitions(*, team_id: int, workflow: str) -> dict[str, dict[str, Any]]:
    """Return the latest definition of a workflow and of all that it starts, itself first."""
    found: dict[str, dict[str, Any]] = {}
    wanted = [workflow]
    while wanted:
        found |= engine.latest_definitions(team_id=team_id, workflows=wanted)
        wanted = sorted({each for name in wanted for each in _started_by(found.get(name, {}))} - found.keys())
        if not wanted or not engine.latest_definitions(team_id=team_id, workflows=wanted):
            break
    return found


def registered_services(*, team_id: int) -> dict[str, Registered]:
    """Return what the registry says of the team's services, by name."""
    return {each.name: _registered(each) for each in list_services(team_id=team_id)}


@dataclass(frozen=True, slots=True)
class Now:
    """What is under way at an instant, as a document for a scenario's `standing`, and what it leaves out.

    `executions` are those of the document, as they were read.
    """

    at: int
    document: dict[str, Any]
    count: int
    warnings: tuple[str, ...]
    executions: tuple[engine.RecordedExecution, ...] = ()
    graphs: Mapping[tuple[str, int], Graph] = field(default_factory=dict)


def read_now(*, team_id: int, workflows: Iterable[str], limit: int = engine.MOST_OPEN) -> Now:
    """Return what is under way now of these workflows, and how circuits stand."""
    names = tuple(workflows)
    found = engine.open_executions(team_id=team_id, workflows=names, limit=limit)
    executions = found.executions
    revisions = {(each.workflow, each.revision) for each in executions}
    known = engine.definitions(team_id=team_id, revisions=revisions)
    at = max([now(), *(each.entries[-1].at for each in executions if each.entries)])
    document = {
        "at": at,
        "definitions": {f"{slug}@{number}": each for (slug, number), each in known.items()},
        "executions": [
            {
                "id": each.id,
                "workflow": each.workflow,
                "definition": f"{each.workflow}@{each.revision}",
                "created": each.created,
                "input": each.input,
                "depth": each.depth,
                "parent": each.parent,
                "parent_attempt": each.parent_attempt,
                "entries": [[entry.seq, entry.type, entry.at, entry.step, entry.data] for entry in each.entries],
            }
            for each in executions
        ],
        "gates": {each.service: _gate(each) for each in calling_stands(team_id=team_id)},
    }
    said = [f"{found.left_out} or more open executions are left out: {limit} are read"] if found.left_out else []
    graphs = {key: Graph.compile(parse_definition(each)) for key, each in known.items()}
    return Now(at, document, sum(not each.depth for each in executions), tuple(said), executions, graphs)


def _gate(stand: CallingStand) -> dict[str, Any]:
    return {
        "verdict": asdict(stand.verdict),
        "held_until": stand.held_until,
        "due_at": stand.due_at,
        "calls": [],
    }


def _registered(service: ServiceView) -> Registered:
    usual = policy_document(DEFAULT_POLICY)
    policy = {key: value for key, value in service.policy.items() if value != usual.get(key)}
    told = [each.metadata.get(CAPACITY) for each in service.instances]
    numbers = [each for each in told if isinstance(each, int) and not isinstance(each, bool) and each > 0]
    capacity = round(sum(numbers) / len(numbers)) if numbers and len(numbers) == len(told) else None
    return Registered(service.usable or len(service.instances), policy, capacity)


def _started_by(definition: Mapping[str, Any]) -> Iterator[str]:
    """Yield the workflows that steps of a definition start."""
    todo = list(definition.get("steps", ()))
    while todo:
        step = todo.pop()
        todo += step.get("steps", ())
        if step.get("type") == "subflow":
            name = step.get("workflow") or step.get("workflow_id")
            if isinstance(name, str):
                yield name
