"""Who simulates what: batches are claimed, held by a lease, handed in, and taken back from whoever died.

True at all times: a batch is held by one worker at one epoch, and only that one can hand it in; what anybody else
hands in changes nothing. Worker and host may die at any moment: the lease runs out, the batch waits again, and another
worker finds it (tasks are wake-ups, the rows are the truth). A batch that has seen DEATHS workers die fails its run. A
run that has ended has no batches any more, which is how a worker that is still simulating for it finds out.

The instants are those of the host that writes them, so the hosts' clocks have to agree to within some seconds: much
less than `simulation_lease_seconds`. Where they do not, a batch may be simulated twice; it is handed in once.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import F, Min, Q, QuerySet

from orchestration import clock
from orchestration.domain.errors import Problem

from .models import Batch, SimulationRun, TriedSetup
from .states import ACTIVE, ASK, COMPARE, DONE, FAILED, FINISHED, HELD, LOAD, QUEUED, RUNNING, TRY, WAITING

BOOT = "PODIUM_BOOT"
DEATHS = 3
"""Workers that may die over one batch before its run is given up."""

LOOKED_AT = 100
"""Runs that one claim looks at, the oldest ones."""

HELP_SECONDS = 5.0
"""How often more workers are called while some are at work already."""

TOLD = Q(result__contains='"compare":{') | Q(result__contains='"experiment":{')
"""Runs that have told something."""

_called_at = [float("-inf")]


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that this worker holds at `epoch`, and what it needs to know of its run; `until` its time is up."""

    batch_id: int
    epoch: int
    holder: str
    run_id: UUID
    text: str
    seed: int
    group: str
    replication: int
    factors: tuple[float, ...]
    until: datetime
    setup_id: int | None = None
    experiment: str = ""


def me() -> str:
    """Return the name of this worker: the cluster that it belongs to, and its process."""
    return f"{os.environ.get(BOOT, '')}:{os.getpid()}"


def is_due() -> bool:
    """Say whether a worker should look: somebody waits and nobody is at work, or more hands might help."""
    runs = list(SimulationRun.objects.filter(state__in=ACTIVE).values_list("pk", flat=True)[:LOOKED_AT])
    if not runs:
        return False
    batches = Batch.objects.filter(run_id__in=runs)
    if not batches.filter(state=HELD, lease_until__gte=clock.now()).exists():
        return True
    now = clock.monotonic()
    if now - _called_at[0] < HELP_SECONDS:
        return False
    _called_at[0] = now
    return batches.filter(state=WAITING).exists()


def claim(*, holder: str, now: datetime) -> Claim | None:
    """Take the next batch, of the team and the run with the fewest in hand; None if there is none, or no room for it.

    What dead workers held is taken back first. Raises what the database raises.
    """
    podium = settings.PODIUM
    with transaction.atomic():
        # Locked in one order, so that claims follow one another.
        active = SimulationRun.objects.select_for_update().filter(state__in=ACTIVE)
        runs = {run.pk: run for run in active.order_by("created_at", "pk")[:LOOKED_AT]}
        _take_back(runs, now)
        held = list(Batch.objects.filter(state=HELD).values_list("run_id", "holder"))
        mine = f"{holder.rpartition(':')[0]}:"
        if sum(each.startswith(mine) for _, each in held) >= podium.simulation_workers:
            return None
        by_run = Counter(run_id for run_id, _ in held)
        by_team = Counter(runs[run_id].team_id for run_id, _ in held if run_id in runs)
        for run in sorted(runs.values(), key=lambda each: (by_team[each.team_id], by_run[each.pk], each.created_at)):
            batch = _next_of(run)
            if batch is not None:
                return _take(run, batch, holder, now)
    return None


def _take_back(runs: dict[UUID, SimulationRun], now: datetime) -> None:
    for batch in Batch.objects.filter(run_id__in=list(runs), state=HELD, lease_until__lt=now):
        if batch.deaths + 1 >= DEATHS:
            said = f"{DEATHS} workers died over replication {batch.replication}; it may need more memory than they have"
            fail(run_id=batch.run_id, problems=[Problem("", "worker.lost", said)], now=now)
            runs.pop(batch.run_id, None)
        else:
            Batch.objects.filter(pk=batch.pk).update(state=WAITING, holder="", deaths=F("deaths") + 1)


def _next_of(run: SimulationRun) -> Batch | None:
    waiting = Batch.objects.filter(run_id=run.pk, state=WAITING)
    if run.factors is None:
        waiting = waiting.exclude(group=LOAD)
    if run.experiment is not None and Batch.objects.filter(run_id=run.pk, group=TRY).exclude(state=FINISHED).exists():
        # It is asked again once all that it wanted is known.
        waiting = waiting.exclude(group=ASK)
    return waiting.order_by("place").first()


def _take(run: SimulationRun, batch: Batch, holder: str, now: datetime) -> Claim:
    podium, epoch = settings.PODIUM, batch.epoch + 1
    lease = now + timedelta(seconds=podium.simulation_lease_seconds)
    Batch.objects.filter(pk=batch.pk).update(state=HELD, holder=holder, epoch=epoch, lease_until=lease)
    if run.state == QUEUED:
        SimulationRun.objects.filter(pk=run.pk).update(state=RUNNING, started_at=now)
    return Claim(
        batch_id=batch.pk,
        epoch=epoch,
        holder=holder,
        run_id=run.pk,
        text=run.text,
        seed=run.seed,
        group=batch.group,
        replication=batch.replication,
        factors=tuple(orjson.loads(run.factors or "[]")),
        until=(run.started_at or now) + timedelta(seconds=podium.simulation_seconds),
        setup_id=batch.setup_id,
        experiment=run.experiment or "",
    )


def renew(held: Claim, *, now: datetime) -> bool:
    """Say that the worker lives; False: the batch is not its own any more, or its run has ended."""
    lease = now + timedelta(seconds=settings.PODIUM.simulation_lease_seconds)
    return own(held).update(lease_until=lease) == 1


def release(held: Claim) -> None:
    """Put a batch back, for another worker or for nobody."""
    own(held).update(state=WAITING, holder="", lease_until=None)


def hand_in(held: Claim, outcome: bytes, *, factors: list[float] | None) -> bool:
    """Write down what a batch came to; False, with nothing changed, if it is not the worker's own any more.

    `factors`, from the first replication, are where the curve is drawn; without any the curve's batches go.
    """
    with transaction.atomic():
        run = SimulationRun.objects.select_for_update().filter(pk=held.run_id, state=RUNNING).first()
        if run is None or not own(held).update(state=FINISHED, holder="", lease_until=None, outcome=outcome):
            return False
        changes: dict[str, Any] = {"done": F("done") + 1}
        if factors is not None and run.factors is None:
            changes["factors"] = orjson.dumps(factors).decode()
            if not factors:
                gone, _ = Batch.objects.filter(run_id=run.pk, group=LOAD).delete()
                changes["batches"] = F("batches") - gone
        SimulationRun.objects.filter(pk=run.pk).update(**changes)
    return True


def note_result(*, run_id: UUID, result: str, verdict: str, told: int) -> None:
    """Write down what `told` finished batches come to, unless more has been told already."""
    older = SimulationRun.objects.filter(pk=run_id, state=RUNNING, told__lt=told)
    older.update(result=result, verdict=verdict, told=told)


def end_if_done(*, run_id: UUID, now: datetime) -> bool:
    """End a run all of whose batches are done and told; say whether it has ended by that."""
    done = SimulationRun.objects.filter(pk=run_id, state=RUNNING, done=F("batches"), told__gte=F("batches"))
    ended = done.update(state=DONE, ended_at=now) == 1
    if ended:
        forget(run_id)
    return ended


def end_overdue(*, run_id: UUID, now: datetime) -> None:
    """End a run whose time is up: done as far as it has come, or failed where it has told nothing."""
    limit = settings.PODIUM.simulation_seconds
    overdue = SimulationRun.objects.filter(
        Q(done=F("told")) | Q(experiment__isnull=False),
        pk=run_id,
        state=RUNNING,
        started_at__lte=now - timedelta(seconds=limit),
    )
    note = (
        f"It ended after {limit:g} s, the longest time of a simulation (`simulation_seconds`), and is told by the "
        "replications that were done by then."
    )
    if overdue.filter(TOLD).update(state=DONE, ended_at=now, note=note):
        forget(run_id)
    elif overdue.exists():
        said = (
            f"not even two replications were done within {limit:g} s, the longest time of a simulation "
            "(`simulation_seconds`); shorten the horizon, or lower the load"
        )
        fail(run_id=run_id, problems=[Problem("horizon", "simulation.too_long", said)], now=now)


def fail(*, run_id: UUID, problems: list[Problem], now: datetime) -> None:
    """End a run that cannot be simulated, and say why."""
    told = orjson.dumps([each.as_json() for each in problems]).decode()
    if SimulationRun.objects.filter(pk=run_id, state__in=ACTIVE).update(state=FAILED, ended_at=now, problems=told):
        forget(run_id)


def forget(run_id: UUID) -> None:
    """Delete what a run that has ended needs no more; its workers find out by that."""
    Batch.objects.filter(run_id=run_id).delete()
    TriedSetup.objects.filter(run_id=run_id).delete()


def unfinished(*, now: datetime) -> list[UUID]:
    """Return runs with nothing left to claim and nobody at work, or whose time is up: they have only to be ended."""
    overdue = now - timedelta(seconds=settings.PODIUM.simulation_seconds)
    runs = SimulationRun.objects.filter(state=RUNNING).filter(Q(done=F("batches")) | Q(started_at__lte=overdue))
    busy = Batch.objects.filter(state=HELD, lease_until__gte=now).values_list("run_id", flat=True)
    return [each for each in runs.values_list("pk", flat=True)[:LOOKED_AT] if each not in set(busy)]


def cut(*, run_id: UUID, replications: int) -> None:
    """Let go of all replications of the scenario and its variants but the first ones: it is sure enough without them.

    Whoever simulates one of them finds out as if the run had ended.
    """
    with transaction.atomic():
        run = SimulationRun.objects.select_for_update().filter(pk=run_id, state=RUNNING).first()
        if run is None:
            return
        beyond = Batch.objects.filter(run_id=run_id, group=COMPARE, replication__gte=replications)
        done = beyond.filter(state=FINISHED).count()
        gone, _ = beyond.delete()
        SimulationRun.objects.filter(pk=run_id).update(batches=F("batches") - gone, done=F("done") - done)


def count_finished(*, run_id: UUID) -> int:
    """Return how many batches of a run are done."""
    return Batch.objects.filter(run_id=run_id, state=FINISHED).count()


def in_a_row(*, run_id: UUID, group: str) -> list[bytes]:
    """Return what the first batches of a group came to, up to the first one that is not finished yet."""
    first = Batch.objects.filter(run_id=run_id, group=group).exclude(state=FINISHED).aggregate(it=Min("replication"))
    rows = Batch.objects.filter(run_id=run_id, group=group, state=FINISHED)
    if first["it"] is not None:
        rows = rows.filter(replication__lt=first["it"])
    outcomes = rows.order_by("replication").values_list("outcome", flat=True)
    return [bytes(each) for each in outcomes if each is not None]


def finished(*, run_id: UUID, group: str) -> list[bytes]:
    """Return what the finished batches of a group came to, in the order of their replications."""
    rows = Batch.objects.filter(run_id=run_id, state=FINISHED, group=group).order_by("replication")
    return [bytes(each) for each in rows.values_list("outcome", flat=True) if each is not None]


def own(held: Claim) -> QuerySet[Batch]:
    """Return the batch, as long as it is the worker's own."""
    return Batch.objects.filter(pk=held.batch_id, epoch=held.epoch, holder=held.holder, state=HELD)
