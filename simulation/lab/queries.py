"""What is read of the lab: scenarios and runs, as frozen dataclasses. What another team owns is not found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from orchestration.domain.errors import NotFound, Problem

from .models import SavedScenario, SimulationRun
from .states import ACTIVE

LISTED = 50


@dataclass(frozen=True, slots=True)
class ScenarioView:
    """A saved scenario; `link` is the key under which it is shared, None: it is not."""

    id: UUID
    name: str
    text: str
    version: int
    link: str | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run without what it came to. `progress` is 0 to 1; `verdict` the worst word of its promises, empty: none."""

    id: UUID
    name: str
    scenario_id: UUID | None
    state: str
    progress: float
    verdict: str
    created_at: datetime
    created_by: str
    started_at: datetime | None
    ended_at: datetime | None
    ended_by: str

    @property
    def active(self) -> bool:
        """Say whether it has not ended."""
        return self.state in ACTIVE


@dataclass(frozen=True, slots=True)
class RunDetail:
    """A run with all that is known of it. `result` grows while it runs; `told` is how many batches are in it."""

    summary: RunSummary
    text: str
    seed: int
    batches: int
    done: int
    told: int
    result: dict[str, Any] | None
    experiment: dict[str, Any] | None
    problems: tuple[Problem, ...]
    note: str


def list_scenarios(*, team_id: int, limit: int = LISTED) -> tuple[ScenarioView, ...]:
    """Return the team's scenarios, the last changed first."""
    rows = SavedScenario.objects.filter(team_id=team_id).order_by("-updated_at", "-id")[:limit]
    return tuple(map(_scenario, rows))


def get_scenario(*, team_id: int, scenario_id: UUID) -> ScenarioView:
    """Return a scenario. Raises NotFound."""
    row = SavedScenario.objects.filter(pk=scenario_id, team_id=team_id).first()
    if row is None:
        raise NotFound("there is no such scenario")
    return _scenario(row)


def scenario_of_link(*, team_id: int, link: str) -> ScenarioView:
    """Return the scenario that is shared under `link`, to members of its team. Raises NotFound."""
    row = SavedScenario.objects.filter(link=link, team_id=team_id).first()
    if row is None:
        raise NotFound("nothing is shared under this link, or not with your team")
    return _scenario(row)


def list_runs(
    *, team_id: int, scenario_id: UUID | None = None, limit: int = LISTED, before: UUID | None = None
) -> tuple[RunSummary, ...]:
    """Return the team's runs, the newest first; of one scenario, or those that came before another. Raises NotFound."""
    rows = SimulationRun.objects.filter(team_id=team_id)
    if scenario_id is not None:
        rows = rows.filter(scenario_id=scenario_id)
    if before is not None:
        rows = rows.filter(created_at__lt=_run(team_id, before).created_at)
    return tuple(map(_summary, rows.order_by("-created_at", "-id")[:limit]))


def get_run(*, team_id: int, run_id: UUID) -> RunDetail:
    """Return a run. Raises NotFound."""
    row = _run(team_id, run_id)
    return RunDetail(
        summary=_summary(row),
        text=row.text,
        seed=row.seed,
        batches=row.batches,
        done=row.done,
        told=row.told,
        result=None if row.result is None else orjson.loads(row.result),
        experiment=None if row.experiment is None else orjson.loads(row.experiment),
        problems=tuple(Problem(**each) for each in orjson.loads(row.problems)),
        note=row.note,
    )


def without_pictures(result: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what a run comes to as programs read it."""
    return None if result is None else {key: value for key, value in result.items() if key != "blocks"}


def _run(team_id: int, run_id: UUID) -> SimulationRun:
    row = SimulationRun.objects.filter(pk=run_id, team_id=team_id).first()
    if row is None:
        raise NotFound("there is no such simulation")
    return row


def _scenario(row: SavedScenario) -> ScenarioView:
    return ScenarioView(
        id=row.pk,
        name=row.name,
        text=row.text,
        version=row.version,
        link=row.link,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
    )


def _summary(row: SimulationRun) -> RunSummary:
    return RunSummary(
        id=row.pk,
        name=row.name,
        scenario_id=row.scenario_id,
        state=row.state,
        progress=min(1.0, row.done / row.batches) if row.batches else 0.0,
        verdict=row.verdict,
        created_at=row.created_at,
        created_by=row.created_by,
        started_at=row.started_at,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )
