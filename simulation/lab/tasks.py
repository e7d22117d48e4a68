"""The task that simulates: takes one batch after another until none is left or its turn is over.

A task is a wake-up. It carries nothing, may come twice, and may be lost: what there is to do stands in the rows, and
the pulse sends another one while there is something. So a run is spread over as many workers and hosts as come to look,
and each host runs `simulation_workers` batches at once at most: its housekeeping is never kept waiting.
"""

from __future__ import annotations

import contextlib
from uuid import UUID

import orjson
import structlog
from django.db import DatabaseError

from orchestration import clock
from orchestration.domain.errors import DocumentInvalid, Problem

from . import claims, duty, thinking
from .models import SimulationRun
from .plan import factors_from, read, run_batch
from .states import COMPARE, LOAD
from .telling import result_of, verdict_of

log = structlog.get_logger(__name__)

TURN_SECONDS = 40.0
"""How long a task takes more batches: less than the queue gives it before it hands it out a second time."""

RENEW_SECONDS = 0.5
"""How often a worker that simulates says that it lives, and looks whether it should go on."""


def work() -> dict[str, int]:
    """Simulate what waits; return how many batches were done."""
    until, done = clock.monotonic() + TURN_SECONDS, 0
    while clock.monotonic() < until:
        for run_id in claims.unfinished(now=clock.now()):
            conclude(run_id)
        held = claims.claim(holder=claims.me(), now=clock.now())
        if held is None:
            break
        carry_out(held)
        done += 1
    else:
        duty.call()
    return {"batches": done}


def carry_out(held: claims.Claim) -> None:
    """Simulate one batch, hand it in, and tell what its run comes to so far."""
    watch = Watch(held)
    try:
        if held.experiment:
            thinking.carry_out(held, watch)
            return
        if held.group == COMPARE and held.replication == 0:
            _refuse_hopeless(held)
        outcome = run_batch(held.text, held.group, held.replication, held.factors, seed=held.seed, stop=watch)
        if outcome is None:
            claims.release(held)
        else:
            first = held.group == COMPARE and held.replication == 0
            claims.hand_in(held, outcome, factors=factors_from(held.text, outcome) if first else None)
        conclude(held.run_id)
    except DocumentInvalid as error:
        claims.fail(run_id=held.run_id, problems=list(error.problems), now=clock.now())
    except MemoryError:
        said = "a replication needs more memory than a worker may take (`worker_memory_bytes`); lower the load"
        claims.fail(run_id=held.run_id, problems=[Problem("", "simulation.memory", said)], now=clock.now())
    except DatabaseError:
        # Whoever looks next finds the batch: put back, or by its lease.
        with contextlib.suppress(DatabaseError):
            claims.release(held)
        raise
    except Exception as error:
        log.exception("a simulation failed by our own fault", run=str(held.run_id))
        said = f"the simulator failed by its own fault ({type(error).__name__}); the log of the workers has the rest"
        claims.fail(run_id=held.run_id, problems=[Problem("", "internal", said)], now=clock.now())


def _refuse_hopeless(held: claims.Claim) -> None:
    from simulation.scenarios.running import refuse_hopeless

    refuse_hopeless(read(held.text), seed=held.seed)


class Watch:
    """Asked all the time whether to stop; now and then it renews the lease, and stops with the run or its time."""

    def __init__(self, held: claims.Claim) -> None:
        self._held = held
        self._next_at = 0.0

    def __call__(self) -> bool:
        """Say whether to stop."""
        now = clock.monotonic()
        if now < self._next_at:
            return False
        self._next_at = now + RENEW_SECONDS
        at = clock.now()
        return at >= self._held.until or not claims.renew(self._held, now=at)


def conclude(run_id: UUID) -> None:
    """Tell what a run comes to so far, and end it if that is all, or if its time is up."""
    wanted = ("text", "seed", "factors", "done", "told", "experiment")
    run = SimulationRun.objects.filter(pk=run_id).values(*wanted).first()
    if run is None:
        return
    if run["experiment"] is not None:
        claims.end_overdue(run_id=run_id, now=clock.now())
        return
    compared = claims.in_a_row(run_id=run_id, group=COMPARE)
    loaded = claims.finished(run_id=run_id, group=LOAD)
    told = claims.count_finished(run_id=run_id)
    if told > run["told"]:
        factors = orjson.loads(run["factors"] or "[]")
        result = result_of(run["text"], compared, loaded, factors, seed=run["seed"])
        verdict = verdict_of(result)
        claims.note_result(run_id=run_id, result=orjson.dumps(result).decode(), verdict=verdict, told=told)
        if result["over"] is not None:
            claims.cut(run_id=run_id, replications=result["over"])
    if not claims.end_if_done(run_id=run_id, now=clock.now()):
        claims.end_overdue(run_id=run_id, now=clock.now())
