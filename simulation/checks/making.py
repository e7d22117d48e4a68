"""Making checks: those of the catalogue and those of recordings, in one process or several, in the table's order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from simulation.recordings.reading import RecordedWorkflow

from .accuracy import FEWEST, applications_in, foretold, not_told
from .catalogue import CHECKS, run
from .recordings import recorded_workflows
from .table import Check

RECORDINGS = "recorded-workflows"
ACCURACY = "recorded-makespans"
NAMES = (*CHECKS, RECORDINGS, ACCURACY)
"""The groups of checks that there are."""

Making = Callable[[], list[Check]]


def make(
    names: Sequence[str],
    *,
    folder: Path | None,
    seed: int,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Check]:
    """Return the checks of some groups (`NAMES`), those of recordings first; the same whatever `jobs`.

    `folder` is where recorded workflows lie, None if they are nowhere. Raises KeyError for a group that there is not.
    """
    tasks = [*_of_recordings(names, folder), *_of_catalogue(names, seed)]
    checks: list[Check] = []
    with ProcessPoolExecutor(max_workers=max(1, jobs)) as processes:
        futures = [processes.submit(task) for task in tasks]
        for done, future in enumerate(futures, start=1):
            checks += future.result()
            progress(done, len(tasks))
    return checks


def _of_recordings(names: Iterable[str], folder: Path | None) -> Iterator[Making]:
    if RECORDINGS in names:
        yield partial(_recorded, folder)
    if ACCURACY in names:
        applications = applications_in(folder)
        for name, recordings in applications.items():
            if len(recordings) >= FEWEST:
                yield partial(_foretold, name, recordings)
        yield partial(_not_told, applications)


def _of_catalogue(names: Iterable[str], seed: int) -> Iterator[Making]:
    for name in names:
        if name not in (RECORDINGS, ACCURACY):
            yield partial(run, name, seed)


def _recorded(folder: Path | None) -> list[Check]:
    return list(recorded_workflows(folder))


def _foretold(name: str, recordings: list[RecordedWorkflow]) -> list[Check]:
    return list(foretold(name, recordings))


def _not_told(applications: dict[str, list[RecordedWorkflow]]) -> list[Check]:
    return list(not_told(applications))
