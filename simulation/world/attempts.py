"""What chance has in store for attempts, keyed so that two policies meet the same luck.

An attempt is known by its execution's job number, its step run's path and its number. For a step at the top of a
workflow that was not started by another, the draws are made a block of jobs at a time; inside loops and children, where
paths are many, one at a time by a hash.
"""

from __future__ import annotations

import numpy as np

from orchestration.domain.ids import fraction
from simulation.streams import KeyedDraws, Quantile, Streams

from .shell import Execution


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

    def _hashed(self, execution: Execution, path: str, number: int) -> float:
        streams = self._streams
        share = fraction(streams.root, streams.replication, self._purpose, execution.id, path, number)
        return share if self._quantile is None else float(self._quantile(np.array([share]))[0])
