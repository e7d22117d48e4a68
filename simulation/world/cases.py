"""Kinds of executions: what an execution is given, what services answer it, and which of its calls fail come what may.

Which way an execution goes is decided by the definition's own conditions, over what it was given and what services
answered. So a workload may have cases: inputs, answers and failures that belong together, as one recorded execution had
them. Each job is one of them, drawn by its number alone, so that all policies meet the same kinds in the same order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestration.domain.errors import StepError
from orchestration.domain.ids import fraction
from simulation.streams import Floats, KeyedDraws, Streams

from .places import place_of

NO_PACE = 1.0


@dataclass(frozen=True, slots=True)
class Failing:
    """Calls of a step that fail because of what the execution is: the `first` ones of a step run; None: all of them."""

    error: StepError
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of execution.

    `input` is laid over the workload's, `answers` (by step run path) over the services' usual output, `fails` is by the
    step's place in the definition; calls take `pace` times as long. `children` are the cases of executions that a step
    starts, by its step run path. `count` is how many recorded executions it stands for.
    """

    input: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fails: Mapping[str, Failing] = field(default_factory=dict)
    pace: float = NO_PACE
    children: Mapping[str, Case] = field(default_factory=dict)
    count: float = 1.0

    def answer(self, path: str, usual: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the step run at `path` is answered; more rounds than were recorded are answered as the last."""
        own = self.answers.get(path)
        if own is None:
            own = self.answers.get(place_of(path))
        return {**usual, **(own or {})}

    def fails_for_good(self, place: str) -> bool:
        """Say whether every call of the step at this place in the definition fails."""
        failing = self.fails.get(place)
        return failing is not None and failing.first is None

    def error(self, path: str, tried: dict[str, int]) -> StepError | None:
        """Return the error of one more call of the step run at `path`, None for one that need not fail.

        `tried` counts the calls of step runs that fail for a while; it is kept up here.
        """
        failing = self.fails.get(place_of(path)) if self.fails else None
        if failing is None:
            return None
        if failing.first is None:
            return failing.error
        tried[path] = tried.get(path, 0) + 1
        return failing.error if tried[path] <= failing.first else None


class CaseDraws:
    """Which case a job is."""

    def __init__(self, cases: Sequence[Case], streams: Streams, workload: str) -> None:
        """Draw from `cases` (at least one) by how many executions each stands for."""
        self._cases = cases
        self._bounds = _bounds(cases)
        self._streams = streams
        self._source = f"case:{workload}"
        self._keyed: KeyedDraws = streams.keyed(self._source)

    def draw(self, job: int) -> Case:
        """Return the case of a job."""
        return _at(self._cases, self._bounds, self._keyed.draw(job))

    def of(self, execution_id: str, done: Collection[str]) -> Case:
        """Return a case for an execution that is no job of this simulation, drawn by its id.

        `done` are the places of its steps that completed: it is none of those of whom one fails for good.
        """
        share = fraction(self._streams.root, self._streams.replication, self._source, execution_id)
        fitting = [each for each in self._cases if not any(each.fails_for_good(place) for place in done)]
        return _at(fitting, _bounds(fitting), share) if fitting else _at(self._cases, self._bounds, share)


def _bounds(cases: Sequence[Case]) -> Floats:
    bounds = np.cumsum([each.count for each in cases], dtype=np.float64)
    shares: Floats = bounds / bounds[-1]
    return shares


def _at(cases: Sequence[Case], bounds: Floats, share: float) -> Case:
    return cases[min(int(np.searchsorted(bounds, share, side="right")), len(cases) - 1)]
