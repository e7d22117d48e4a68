"""What chance has in store for attempts, keyed so that two policies meet the same luck.

An attempt is known by its execution's job number, its step run's path and its number. For a step at the top of a
workflow that was not started by another, the draws are made a block of jobs at a time; inside loops and children, where
paths are many, one at a time by a hash.
"""

from __future__ import annotations

import numpy as np

from orchestration.domain.commands import StartAttempt
from orchestration.domain.ids import fraction
from orchestration.domain.limits import MICROSECONDS
from simulation.streams import KeyedDraws, Quantile, Streams

from .shell import Execution

GRID = 2048
"""Even draws that stand for a whole distribution where a part of it is asked for."""


def remaining(execution: Execution, command: StartAttempt, draws: AttemptDraws, time: int, now: int) -> int:
    """Return how long an attempt still takes that was under way when the simulation began; any other takes `time`.

    Of one that began t ago it is T - t given T > t. One that is older than any time of its model takes `time` again.
    """
    began = execution.under_way.pop(command.attempt, None)
    if began is None:
        return time
    return draws.remaining(execution, command, now - began, time)


class AttemptDraws:
    """The draws of one purpose (service times, failures) of all attempts."""

    __slots__ = ("_paths", "_purpose", "_quantile", "_streams")

    def __init__(self, streams: Streams, purpose: str, quantile: Quantile | None = None) -> None:
        self._streams = streams
        self._purpose = purpose
        self._quantile = quantile
        self._paths: dict[tuple[str, str], KeyedDraws] = {}

    def draw(self, execution: Execution, path: str, number: int) -> float:
        """Return the draw of the `number`-th attempt (from 1) of an execution's step run at `path`."""
        draws = self._paths.get((execution.workflow, path))
        if draws is None:
            if "." in path:
                return self._hashed(execution, path, number)
            source = f"{self._purpose}:{execution.workflow}:{path}"
            draws = self._paths[execution.workflow, path] = self._streams.keyed(source, self._quantile)
        if execution.job < 0:
            return self._hashed(execution, path, number)
        return draws.draw(execution.job, number)

    def remaining(self, execution: Execution, command: StartAttempt, spent: int, otherwise: int) -> int:
        """Return the rest of a time (microseconds) of which `spent` is over; `otherwise` where no time is so long."""
        if self._quantile is None:
            return otherwise
        longer = np.sort(self._quantile((np.arange(GRID) + 0.5) / GRID))
        longer = longer[longer * MICROSECONDS > spent]
        if not longer.size:
            return otherwise
        share = fraction(self._streams.root, self._streams.replication, self._purpose, execution.id, command.attempt)
        return round(float(longer[int(share * longer.size)]) * MICROSECONDS) - spent

    def _hashed(self, execution: Execution, path: str, number: int) -> float:
        streams = self._streams
        share = fraction(streams.root, streams.replication, self._purpose, execution.id, path, number)
        return share if self._quantile is None else float(self._quantile(np.array([share]))[0])
