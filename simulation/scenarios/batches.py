"""A scenario's run as independent batches of replications, for whoever spreads them over processes or hosts.

    document = standalone(document, folder)            # nothing beside it is needed any more
    batches = batches_of(document, seed=7)             # refuses what is hopeless, before anything is spent
    outcomes = [run_batch(document, each, seed=7) for each in batches]     # anywhere, in any order
    result = merged(document, outcomes, seed=7)        # the very result of run_scenario with the same seed

Batches and outcomes are JSON values. A replication's chance comes from its number alone, so where and when it runs
changes nothing, and `merged` gives the same bytes as one process does. Keep the document as text where the order of
keys would otherwise be lost (PostgreSQL's jsonb sorts them): services are reported in the order they are written in.
"""

from __future__ import annotations

import binascii
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from pydantic import TypeAdapter

from simulation.streams import Floats
from simulation.world.cluster_figures import ClusterFigures
from simulation.world.standing import ResumedFigures
from simulation.world.world import Outcome, ServiceFigures, WorkloadFigures

from .building import AS_WRITTEN, recorded_times
from .files import with_files
from .running import Result, concluded, one_replication, planned, refuse_hopeless

BATCH = 5
"""Replications in a batch: enough that a task is worth its way, few enough that all hosts get some."""

_CLUSTER = TypeAdapter(ClusterFigures)

NOWHERE = Path("/nonexistent")
"""The folder of a document that stands alone."""


class OutcomesMissing(ValueError):
    """Batches that do not make up whole variants: a replication is missing, or there twice."""


def standalone(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the document with the recordings that it names written out, so that it means the same on another host.

    Raises ScenarioInvalid for a recording that is not there.
    """
    document = with_files(document, folder)
    alone = dict(document)
    if isinstance(workloads := document.get("workloads"), list):
        alone["workloads"] = [_written_out(each, place, folder) for place, each in enumerate(workloads)]
    if isinstance(variants := document.get("variants"), dict):
        alone["variants"] = {
            name: standalone(each, folder) if isinstance(each, dict) else each for name, each in variants.items()
        }
    return alone


def batches_of(
    document: dict[str, Any], *, seed: int, replications: int | None = None, first: int = 0, size: int = BATCH
) -> list[dict[str, Any]]:
    """Return the batches of a run, each `{"variant", "first", "count"}`: that many replications from `first` on.

    `replications` is how many each variant has (None: the scenario's own number), numbered from `first`, so that more
    may be added to a run that is there. All variants' first batches come first. Raises ScenarioInvalid for a document
    that cannot be simulated, a load above capacity, and a promise that cannot be kept.
    """
    plan = planned(document, folder=NOWHERE)
    if not first:
        refuse_hopeless(plan, seed=seed)
    end = first + (replications or plan.scenarios[AS_WRITTEN].replications)
    return [
        {"variant": name, "first": begin, "count": min(size, end - begin)}
        for begin in range(first, end, size)
        for name in plan.scenarios
    ]


def run_batch(document: dict[str, Any], batch: dict[str, Any], *, seed: int) -> dict[str, Any]:
    """Return what the replications of one batch came to, with the batch: a JSON value of some 20 bytes an execution."""
    text, begin = orjson.dumps(document), batch["first"]
    outcomes = [
        one_replication(text, str(NOWHERE), batch["variant"], seed, begin + place) for place in range(batch["count"])
    ]
    return {**batch, "outcomes": [outcome_as_json(each) for each in outcomes]}


def merged(document: dict[str, Any], found: Iterable[dict[str, Any]], *, seed: int) -> Result:
    """Return the result of a run from what its batches came to, in any order.

    Raises OutcomesMissing unless they are replications 0 to n - 1 of every variant, each once, n at least two.
    """
    plan = planned(document, folder=NOWHERE)
    rows: dict[str, dict[int, Outcome]] = {name: {} for name in plan.scenarios}
    for batch in found:
        for place, each in enumerate(batch["outcomes"], start=batch["first"]):
            if place in rows[batch["variant"]]:
                raise OutcomesMissing(f"replication {place} of {batch['variant']} is there twice")
            rows[batch["variant"]][place] = outcome_of(each)
    count = max(map(len, rows.values()))
    for name, row in rows.items():
        lost = [place for place in range(max(2, count)) if place not in row]
        if lost:
            raise OutcomesMissing(f"of {name} replication {lost[0]} is missing, {len(row)} are there")
    whole = {name: [row[place] for place in range(count)] for name, row in rows.items()}
    return concluded(plan, whole, seed=seed)


def outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    """Return one replication as a JSON value: counts and shares as they are, an execution's times packed."""
    return {
        "workloads": {
            name: {
                "offered": each.offered,
                "open": each.open,
                "overdue": each.overdue,
                "times": _packed(each.times),
                "ended_at": _packed(each.ended_at),
                "good": _packed(each.good),
                "every": each.every,
            }
            for name, each in outcome.workloads.items()
        },
        "services": {
            name: {field: _plain(getattr(each, field)) for field in ServiceFigures.__slots__}
            for name, each in outcome.services.items()
        },
        "steps": outcome.steps,
        "entries": outcome.entries,
        "worker_busy": outcome.worker_busy,
        "waiting": outcome.waiting,
        "open_over_time": list(outcome.open_over_time),
        "resumed": None if outcome.resumed is None else _resumed_as_json(outcome.resumed),
        "cluster": None if outcome.cluster is None else _CLUSTER.dump_python(outcome.cluster, mode="json"),
    }


def outcome_of(told: dict[str, Any]) -> Outcome:
    """Return the replication that a JSON value of `outcome_as_json` stands for, to the last bit."""
    return Outcome(
        workloads={
            name: WorkloadFigures(
                each["offered"],
                each["open"],
                each["overdue"],
                _unpacked(each["times"]),
                _unpacked(each["ended_at"]),
                _unpacked(each["good"]),
                each["every"],
            )
            for name, each in told["workloads"].items()
        },
        services={name: _service(each) for name, each in told["services"].items()},
        steps=told["steps"],
        entries=told["entries"],
        worker_busy=float(told["worker_busy"]),
        waiting=told["waiting"],
        open_over_time=tuple(told["open_over_time"]),
        resumed=None if told["resumed"] is None else _resumed(told["resumed"]),
        cluster=None if told["cluster"] is None else _CLUSTER.validate_python(told["cluster"]),
    )


def _resumed_as_json(figures: ResumedFigures) -> dict[str, Any]:
    return {
        "count": figures.count,
        "ended_at": _packed(figures.ended_at),
        "times": _packed(figures.times),
        "good": figures.good,
    }


def _resumed(told: dict[str, Any]) -> ResumedFigures:
    return ResumedFigures(told["count"], _unpacked(told["ended_at"]), _unpacked(told["times"]), told["good"])


def _service(told: dict[str, Any]) -> ServiceFigures:
    # A store of JSON may give 2.0 back as 2.
    shares = {field: float(told[field]) for field in ("busy", "inside", "arrivals", "time")}
    return ServiceFigures(**{**told, **shares})


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float) else dict(value)


def _packed(values: Floats) -> str:
    return b64encode(zlib.compress(values.astype("<f8").tobytes(), 1)).decode("ascii")


def _unpacked(text: str) -> Floats:
    try:
        found = np.frombuffer(zlib.decompress(b64decode(text, validate=True)), dtype="<f8")
    except (binascii.Error, zlib.error, ValueError) as error:
        raise OutcomesMissing(f"an outcome's times cannot be read: {error}") from error
    return found.astype(np.float64)


def _written_out(workload: Any, place: int, folder: Path) -> Any:
    arrivals = workload.get("arrivals") if isinstance(workload, dict) else None
    if not isinstance(arrivals, dict) or arrivals.get("kind") != "trace" or not isinstance(arrivals.get("file"), str):
        return workload
    rest = {key: value for key, value in arrivals.items() if key not in {"file", "column"}}
    column = arrivals.get("column", "TIMESTAMP")
    times = arrivals.get("times") or recorded_times(
        folder, arrivals["file"], column, path=f"workloads[{place}].arrivals"
    )
    return {**workload, "arrivals": {**rest, "times": times}}
