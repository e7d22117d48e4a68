"""The batches of an experiment: replications of the set-ups that it wants to know, and asking it again.

An experiment has one batch in which it is asked. Either that says what is missing: then batches for that are made, the
batch waits until they are done, and it is asked again. Or that is the answer, and the run ends with it. All of it is in
rows: a worker that dies over the question leaves nothing behind, and another one asks it anew.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import F, Max

from orchestration import clock
from orchestration.domain.errors import LimitExceeded, Problem
from simulation.experiments.known import Key, Missing, Stopped
from simulation.scenarios.batches import NOWHERE, outcome_as_json, outcome_of
from simulation.scenarios.building import AS_WRITTEN
from simulation.scenarios.running import one_replication
from simulation.world.world import Outcome

from . import claims, duty
from .asking import Told, ask, experiment_of, size_of
from .models import Batch, SimulationRun, TriedSetup
from .operations import refuse_large
from .plan import Size, Stop, read
from .states import ASK, DONE, FINISHED, RUNNING, TRY, WAITING


def carry_out(held: claims.Claim, watch: Callable[[], bool]) -> None:
    """Make a replication that the experiment wants to know, or ask it again. Raises what simulating raises."""
    stop = Stop(watch)
    try:
        if held.group == ASK:
            _ask(held, stop)
        else:
            _try(held, stop)
    except Stopped:
        claims.release(held)
    claims.end_overdue(run_id=held.run_id, now=clock.now())


def _try(held: claims.Claim, stop: Stop) -> None:
    setup = None if held.setup_id is None else TriedSetup.objects.filter(pk=held.setup_id).first()
    if setup is None:
        return
    text = setup.text.encode()
    outcome = one_replication(text, str(NOWHERE), AS_WRITTEN, held.seed, held.replication, stop)
    if stop():
        raise Stopped
    claims.hand_in(held, orjson.dumps(outcome_as_json(outcome)), factors=None)


def _ask(held: claims.Claim, stop: Stop) -> None:
    plan, experiment = read(held.text), experiment_of(orjson.loads(held.experiment))
    run = SimulationRun.objects.filter(pk=held.run_id).values("result").first() or {"result": None}
    told = orjson.loads(run["result"])["replications"] if run["result"] else 0
    known = _known(held.run_id)
    for found in ask(plan, experiment, seed=held.seed, told=told, known=known.keys(), load=Loader(known), stop=stop):
        if found.missing and not _refused(held, found.missing):
            _want(held, found)
        elif not found.missing:
            _note(held, found)


def _known(run_id: UUID) -> dict[Key, int]:
    rows = Batch.objects.filter(run_id=run_id, group=TRY, state=FINISHED)
    return {(digest, place): pk for digest, place, pk in rows.values_list("setup__digest", "replication", "pk")}


class Loader:
    """Gets what a replication came to from its row."""

    def __init__(self, known: dict[Key, int]) -> None:
        self._known = known

    def __call__(self, key: Key) -> Outcome:
        """Return the outcome. Raises Stopped where the run has ended meanwhile."""
        found = Batch.objects.filter(pk=self._known[key]).values_list("outcome", flat=True).first()
        if found is None:
            raise Stopped
        return outcome_of(orjson.loads(bytes(found)))


def _refused(held: claims.Claim, missing: tuple[Missing, ...]) -> bool:
    """End the run where it would grow beyond what an experiment may come to; say whether it has ended so."""
    size = size_of(missing)
    there = Batch.objects.filter(run_id=held.run_id, group=TRY).count()
    try:
        refuse_large(Size(there + size.replications, size.executions), of="simulation_experiment_replications")
    except LimitExceeded as error:
        problem = Problem("experiment", "simulation.too_large", error.message)
        claims.fail(run_id=held.run_id, problems=[problem], now=clock.now())
        return True
    return False


def _want(held: claims.Claim, found: Told) -> None:
    """Make batches of what is missing, replication by replication of all set-ups; the question waits for them."""
    with transaction.atomic():
        run = SimulationRun.objects.select_for_update().filter(pk=held.run_id, state=RUNNING).first()
        if run is None or not claims.own(held).update(state=WAITING, holder="", lease_until=None):
            return
        TriedSetup.objects.bulk_create(
            [
                TriedSetup(run=run, digest=each.digest, name=each.name, text=each.text.decode())
                for each in found.missing
            ],
            ignore_conflicts=True,
        )
        setups = dict(TriedSetup.objects.filter(run=run).values_list("digest", "pk"))
        wanted = sorted((place, each.digest) for each in found.missing for place in each.replications)
        last = Batch.objects.filter(run=run).aggregate(last=Max("place"))["last"]
        Batch.objects.bulk_create(
            Batch(run=run, place=last + number, group=TRY, replication=place, setup_id=setups[digest])
            for number, (place, digest) in enumerate(wanted, start=1)
        )
        changes = {} if found.result is None else {"result": orjson.dumps(found.result).decode()}
        told = F("done") if changes else F("told")
        SimulationRun.objects.filter(pk=run.pk).update(batches=F("batches") + len(wanted), told=told, **changes)
        transaction.on_commit(duty.call)


def _note(held: claims.Claim, found: Told) -> None:
    """Write down what it comes to so far; with all there is the run ends."""
    result = orjson.dumps(found.result).decode()
    with transaction.atomic():
        run = SimulationRun.objects.select_for_update().filter(pk=held.run_id, state=RUNNING).first()
        if run is None or not claims.own(held).exists():
            return
        same = SimulationRun.objects.filter(pk=run.pk)
        if not found.done:
            same.update(result=result, verdict=found.verdict, told=F("done"))
            return
        same.update(
            result=result,
            verdict=found.verdict,
            done=F("batches"),
            told=F("batches"),
            state=DONE,
            ended_at=clock.now(),
        )
        claims.forget(run.pk)
