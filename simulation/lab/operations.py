"""What is done in the lab: scenarios saved, renamed, shared and deleted; simulations started and cancelled."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import F

from orchestration import clock
from orchestration.domain.errors import Conflict, InputInvalid, LimitExceeded, NotFound, Overloaded, Problem, Refused
from orchestration.teams import queries as teams

from . import claims, duty
from .models import NAME_LENGTH, Batch, SavedScenario, SimulationRun
from .states import ACTIVE, ASK, CANCELLED

if TYPE_CHECKING:
    from .plan import Size

SEEDS = 2**53
"""Seeds are below this: a number that JSON keeps exactly everywhere."""

DRAWN = 10**6
"""Seeds that are drawn are below this, so that people can say them to one another."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A scenario as it was saved."""

    scenario_id: UUID
    version: int


def save_scenario(
    *, team_id: int, text: str, name: str, by: str, scenario_id: UUID | None = None, version: int | None = None
) -> Saved:
    """Save a scenario, a new one where no id is given. `version` is the one that the text was made from.

    Raises DocumentInvalid (with paths), InputInvalid for a name that is none, NotFound, Conflict where somebody else
    saved it meanwhile, LimitExceeded where the team has as many as it may.
    """
    from .plan import read

    read(text)
    name, now = _name(name), clock.now()
    if scenario_id is None:
        most = settings.PODIUM.simulation_scenarios_per_team
        if SavedScenario.objects.filter(team_id=team_id).count() >= most:
            raise LimitExceeded(
                f"the team has {most} scenarios, and may have no more (`simulation_scenarios_per_team`); delete some",
                limit="simulation_scenarios_per_team",
            )
        told = {"created_at": now, "created_by": by, "updated_at": now, "updated_by": by}
        row = SavedScenario.objects.create(id=uuid4(), team_id=team_id, name=name, text=text, **told)
        return Saved(row.pk, row.version)
    row = _scenario(team_id, scenario_id)
    known = row.version if version is None else version
    same = SavedScenario.objects.filter(pk=row.pk, version=known)
    changes = {"name": name, "text": text, "version": F("version") + 1, "updated_at": now, "updated_by": by}
    if not same.update(**changes):
        raise Conflict(
            f"{row.updated_by} saved this scenario meanwhile (version {row.version}, yours was made from {known}); "
            "save yours as a new one, or begin again from theirs",
            version=row.version,
        )
    return Saved(row.pk, known + 1)


def rename_scenario(*, team_id: int, scenario_id: UUID, name: str, by: str) -> None:
    """Give a scenario another name. Raises NotFound, InputInvalid."""
    row = _scenario(team_id, scenario_id)
    SavedScenario.objects.filter(pk=row.pk).update(name=_name(name), updated_at=clock.now(), updated_by=by)


def delete_scenario(*, team_id: int, scenario_id: UUID) -> None:
    """Delete a scenario; its runs stay. Raises NotFound."""
    _scenario(team_id, scenario_id).delete()


def share_scenario(*, team_id: int, scenario_id: UUID) -> str:
    """Return the key of the scenario's link, made if it has none. It opens for the team's members. Raises NotFound."""
    row = _scenario(team_id, scenario_id)
    SavedScenario.objects.filter(pk=row.pk, link=None).update(link=secrets.token_urlsafe(16))
    return str(SavedScenario.objects.values_list("link", flat=True).get(pk=row.pk))


def unshare_scenario(*, team_id: int, scenario_id: UUID) -> None:
    """Take the scenario's link back; whoever has it finds nothing any more. Raises NotFound."""
    SavedScenario.objects.filter(pk=_scenario(team_id, scenario_id).pk).update(link=None)


def start_run(
    *,
    team_id: int,
    text: str,
    name: str,
    by: str,
    scenario_id: UUID | None = None,
    seed: int | None = None,
    experiment: Mapping[str, Any] | None = None,
) -> UUID:
    """Have a scenario simulated in the background; return the run's id. `seed` None: one is drawn.

    `experiment`, as scenario files write them, is asked of it; None: it is compared with its variants.

    Raises DocumentInvalid for a scenario that cannot be simulated, LimitExceeded for one that is too large, Overloaded
    where as many of the team are under way as may be, NotFound, InputInvalid.
    """
    planned = _planned(text, experiment)
    if seed is not None and not 0 <= seed < SEEDS:
        said = f"a seed is a whole number from 0 to {SEEDS - 1}"
        raise InputInvalid(said, [Problem("seed", "value.range", said)])
    row = None if scenario_id is None else _scenario(team_id, scenario_id)
    now = clock.now()
    with transaction.atomic():
        _let_in(team_id)
        run = SimulationRun.objects.create(
            id=uuid4(),
            team_id=team_id,
            scenario=row,
            name=_name(name),
            text=text,
            seed=secrets.randbelow(DRAWN) if seed is None else seed,
            batches=len(planned),
            experiment=None if experiment is None else orjson.dumps(experiment).decode(),
            created_at=now,
            created_by=by,
        )
        Batch.objects.bulk_create(
            Batch(run=run, place=place, group=group, replication=replication)
            for place, (group, replication) in enumerate(planned)
        )
        _forget_old(team_id)
        transaction.on_commit(duty.call)
    return run.pk


def _planned(text: str, experiment: Mapping[str, Any] | None) -> list[tuple[str, int]]:
    """Return the batches that a run begins with. Raises DocumentInvalid, LimitExceeded."""
    from simulation.scenarios.running import refuse_overload

    from .plan import batches, read, size_of

    plan = read(text)
    if experiment is None:
        refuse_overload(plan.scenarios, plan.expected)
        refuse_large(size_of(plan))
        return batches(plan)
    from .asking import experiment_of, first_size

    refuse_large(first_size(plan, experiment_of(experiment), seed=0), of="simulation_experiment_replications")
    return [(ASK, 0)]


REPLICATIONS = {
    "simulation_replications": "replications of all variants and points of the curve together",
    "simulation_experiment_replications": "replications of all set-ups that it tries together",
}


def refuse_large(size: Size, of: str = "simulation_replications") -> None:
    """Raise LimitExceeded for what is too large; `of` is the setting that limits its replications."""
    podium = settings.PODIUM
    for name, count, what in (
        (of, size.replications, REPLICATIONS[of]),
        ("simulation_executions", size.executions, "executions (replications × horizon × rate)"),
    ):
        most = getattr(podium, name)
        if count > most:
            said = f"this comes to {count:,} {what}, and {most:,} are the most (`{name}`)"
            advice = "fewer variants or replications" if name.endswith("replications") else "a shorter horizon"
            raise LimitExceeded(f"{said}; {advice} would do", limit=name, path="horizon")


def _let_in(team_id: int) -> None:
    """Raise Overloaded where the team has as many simulations under way as it may."""
    teams.lock_team(team_id=team_id)
    most = settings.PODIUM.simulation_runs_per_team
    under_way = SimulationRun.objects.filter(team_id=team_id, state__in=ACTIVE).order_by("created_at")
    names = list(under_way.values_list("name", flat=True)[:most])
    if len(names) >= most:
        raise Overloaded(
            f"{most} simulations of your team are under way, and no more may be at once (`simulation_runs_per_team`): "
            f"{', '.join(names)}. Wait for one of them, or cancel it",
            limit="simulation_runs_per_team",
            retry_after=settings.PODIUM.overload_retry_seconds,
        )


def _forget_old(team_id: int) -> None:
    """Delete the oldest ended runs beyond those that are kept."""
    ended = SimulationRun.objects.filter(team_id=team_id).exclude(state__in=ACTIVE).order_by("-created_at", "-id")
    old = list(ended.values_list("pk", flat=True)[settings.PODIUM.simulation_runs_kept :][:1_000])
    if old:
        SimulationRun.objects.filter(pk__in=old).delete()


def cancel_run(*, team_id: int, run_id: UUID, by: str) -> None:
    """End a run; what it has told so far stays. Its workers find out within a second.

    Raises NotFound, Refused for one that has ended.
    """
    run = SimulationRun.objects.filter(pk=run_id, team_id=team_id).first()
    if run is None:
        raise NotFound("there is no such simulation")
    with transaction.atomic():
        alive = SimulationRun.objects.filter(pk=run_id, state__in=ACTIVE)
        if not alive.update(state=CANCELLED, ended_at=clock.now(), ended_by=by):
            state = SimulationRun.objects.values_list("state", flat=True).get(pk=run_id)
            said = f"the simulation is {state}: only one that is queued or runs can be cancelled"
            raise Refused(said, state=state, allowed=[])
        claims.forget(run_id)


def _scenario(team_id: int, scenario_id: UUID) -> SavedScenario:
    row = SavedScenario.objects.filter(pk=scenario_id, team_id=team_id).first()
    if row is None:
        raise NotFound("there is no such scenario")
    return row


def _name(name: str) -> str:
    plain = " ".join("".join(each for each in name if unicodedata.category(each)[0] != "C" or each.isspace()).split())
    if not plain or len(plain) > NAME_LENGTH:
        said = f"a name has 1 to {NAME_LENGTH} characters"
        raise InputInvalid(said, [Problem("name", "text.format", said)])
    return plain
