"""A rolling backtest over what the platform recorded: fit to the windows up to one, predict the next, go on.

The starts of the predicted window are replayed, for how much comes is not the model's to know; everything else (times,
failures, ways, capacity) is from before it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from orchestration.domain.documents import parse_document
from orchestration.domain.errors import Problem
from orchestration.domain.instants import format_instant
from orchestration.domain.limits import MICROSECONDS
from simulation.fit.arrivals import TRACE
from simulation.fit.scenario import fit_history
from simulation.fit.times import FEW
from simulation.fit.writing import write
from simulation.scenarios.backtesting import Backtest, Prediction, points_of
from simulation.scenarios.building import AS_WRITTEN
from simulation.scenarios.language import ScenarioInvalid
from simulation.scenarios.recorded_language import RecordedOf
from simulation.scenarios.running import simulated
from simulation.scenarios.scoring import scores

from . import history as records

REPLICATIONS = 40
"""Replications of each predicted window: a band of 95 % needs that many."""

WINDOWS = 6
FEWEST_WINDOWS, MOST_WINDOWS = 2, 60


def backtest(
    *,
    team_id: int,
    workflow: str,
    since: int,
    until: int,
    windows: int,
    seed: int,
    cap: int,
    jobs: int = 1,
    replications: int = REPLICATIONS,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Backtest:
    """Return how well each window but the first is predicted from those before it (instants are microseconds).

    Windows in which nothing can be fitted or compared are left out, and named. Raises NotFound, LimitExceeded, and
    ScenarioInvalid for a number of windows that cannot be and where no window is left.
    """
    if not FEWEST_WINDOWS <= windows <= MOST_WINDOWS:
        said = f"there are {FEWEST_WINDOWS} to {MOST_WINDOWS} windows, not {windows}"
        raise ScenarioInvalid(f"--backtest: {said}", [Problem("--backtest", "value.range", said)])
    bounds = [since + (until - since) * place // windows for place in range(windows + 1)]
    found: list[Prediction] = []
    left_out: list[str] = []
    for place, (first, last) in enumerate(pairwise(bounds[1:]), start=1):
        asked = _Window(team_id, workflow, since, first, last, seed, cap)
        try:
            found.append(asked.predicted(jobs=jobs, replications=replications))
        except ScenarioInvalid as error:
            left_out.append(f"{format_instant(first)}: {error.message}")
        progress(place, windows - 1)
    if not found:
        said = "; ".join(left_out)
        raise ScenarioInvalid(f"nothing can be predicted: {said}", [Problem("--backtest", "fit.impossible", said)])
    return Backtest(workflow, tuple(found), tuple(left_out))


class _Window:
    """One window to be predicted: from `first` to `last`, by what was recorded from `since` on."""

    def __init__(self, team_id: int, workflow: str, since: int, first: int, last: int, seed: int, cap: int) -> None:
        self.team_id, self.workflow = team_id, workflow
        self.since, self.first, self.last = since, first, last
        self.seed, self.cap = seed, cap

    def predicted(self, *, jobs: int, replications: int) -> Prediction:
        """Return the prediction. Raises ScenarioInvalid where too little was recorded before the window or in it."""
        past = records.read_history(
            team_id=self.team_id, workflow=self.workflow, since=self.since, until=self.first, cap=self.cap
        )
        starts = records.starts_of(team_id=self.team_id, workflow=self.workflow, since=self.first, until=self.last)
        real = records.ended_in(team_id=self.team_id, workflow=self.workflow, since=self.first, until=self.last)
        if min(len(past.roots), real[0].size) < FEW:
            said = f"{len(past.roots)} executions before it and {real[0].size} in it; {FEW} of each are needed"
            raise ScenarioInvalid(said, [Problem("--backtest", "fit.impossible", said)])
        document = fit_history(past, seed=self.seed).document
        length = (self.last - self.first) / MICROSECONDS
        document |= {"horizon": length, "transient": True}
        document["workloads"][0]["arrivals"] = {"kind": TRACE}
        name = document["workloads"][0]["name"]
        with tempfile.TemporaryDirectory(prefix="podium-backtest-") as folder:
            file = Path(folder) / "window.yaml"
            write(document, trace=(starts - self.first) / MICROSECONDS, standing=None, out=file)
            told = parse_document(file.read_bytes())
            outcomes = simulated(told, [AS_WRITTEN], range(replications), file.parent, self.seed, jobs)[AS_WRITTEN]
        ended = [outcome.workloads[name] for outcome in outcomes]
        figures: dict[str, Any] = records.figures_of(np.sort(real[1]), length)
        recorded = {name: RecordedOf(**figures, completed=0.0)}
        return Prediction(
            since=format_instant(self.first),
            until=format_instant(self.last),
            fitted_to=len(past.roots),
            recorded=real[0].size,
            scores=tuple(scores(recorded, outcomes, length)),
            points=tuple(points_of(real, [(each.ended_at, each.times) for each in ended], length)),
        )
