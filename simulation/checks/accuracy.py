"""How well recorded machines and at most three calibrated numbers foretell a makespan, against the figures to beat.

Each recording of an application is foretold by numbers that were fitted to the application's other recordings; the mean
absolute error of that is compared with `BARS`: the errors of slots per core, overhead per task and negotiation period,
calibrated the same way. `simulation.recordings` says what the platform is and how its numbers are found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from orchestration.domain.errors import DocumentInvalid
from simulation.recordings.calibration import Calibration, mean_error, naive_error
from simulation.recordings.platform import simulated_makespan
from simulation.recordings.reading import RecordedWorkflow, read_workflow

from .table import Check, exactly, left_out

BARS = {
    "1000genome": 0.395,
    "blast": 0.366,
    "bwa": 0.343,
    "cycles": 0.234,
    "epigenomics": 0.127,
    "montage": 0.418,
    "seismology": 0.196,
    "soykb": 0.131,
    "srasearch": 0.276,
}
"""The mean absolute error to beat, by application, as a share of the measured makespan."""

FEWEST = 2
"""Recordings of an application without which none can be left out."""


def applications_in(folder: Path | None) -> dict[str, list[RecordedWorkflow]]:
    """Return the recordings of a folder by application, each in the order of their names; what is none is passed over.

    A file that cannot be read fails its own check of the critical path.
    """
    found: dict[str, list[RecordedWorkflow]] = defaultdict(list)
    for file in sorted(folder.glob("*.json")) if folder is not None else ():
        try:
            recorded = read_workflow(file)
        except (OSError, DocumentInvalid):
            continue
        found[recorded.application].append(recorded)
    return dict(found)


def not_told(applications: dict[str, list[RecordedWorkflow]]) -> Iterator[Check]:
    """Yield what cannot be told: applications with one recording, and figures to beat without any."""
    alone = [name for name, recordings in applications.items() if len(recordings) < FEWEST]
    if alone:
        yield left_out(_name(", ".join(sorted(alone))), "one recording each, and none to fit to")
    absent = [name for name in BARS if name not in applications]
    if absent:
        yield left_out(_name(", ".join(absent)), "there are no recordings of them")


def foretold(application: str, recordings: list[RecordedWorkflow]) -> Iterator[Check]:
    """Yield the error for one application with at least two recordings, and that the list scheduler is the world."""
    predictions = Calibration().leave_one_out(recordings)
    error, naive = mean_error(predictions), naive_error(predictions)
    bar = BARS.get(application, naive)
    words = f"below {bar:.1%} (naive {naive:.1%})" if application in BARS else f"below {bar:.1%} (naive)"
    yield Check(f"{_name(application)}, {len(recordings)} recordings", words, f"{error:.1%}", None, error < bar)
    worlds = (simulated_makespan(each, told.overheads) for each, told in zip(recordings, predictions, strict=True))
    apart = max(abs(world - told.predicted) for world, told in zip(worlds, predictions, strict=True))
    yield exactly(f"21 seconds between world and list scheduler, {application}", 0.0, apart)


def _name(application: str) -> str:
    return f"21 error of the makespan, each left out once, {application}"
