"""Where chance comes from: one stream per purpose, so that a change of policy changes nobody else's luck.

Every source of chance (the arrivals of a workload, the service times of a step, its failures) has a name, and its own
stream: `SeedSequence(entropy=root, spawn_key=(replication, crc32(name)))`. What two policies are compared with are the
same draws at the same places, though one of them makes more calls than the other: a draw that belongs to an attempt is
looked up by (job, attempt) in a counter-based generator (Philox: Salmon, Moraes, Dror and Shaw, "Parallel Random
Numbers: As Easy as 1, 2, 3", 2011), never taken from a stream in the order in which things happen to happen.

Always true: the same root, replication and name give the same numbers, whatever was asked before, on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import numpy as np
from numpy.random import PCG64DXSM, Generator, Philox, SeedSequence
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Quantile = Callable[[Floats], Floats]

BLOCK = 1024
"""Jobs whose draws are made together."""

KEPT_BLOCKS = 64
_FOUR = 4
"""Numbers of 64 bits that one step of Philox' counter yields."""

_TO_UNIT = 2.0**-53


class Streams:
    """The streams of one replication of one experiment."""

    __slots__ = ("replication", "root")

    def __init__(self, root: int, replication: int = 0) -> None:
        self.root = root
        self.replication = replication

    def generator(self, source: str) -> Generator:
        """Return a new generator at the beginning of the stream of `source`."""
        return Generator(PCG64DXSM(self._seed(source)))

    def keyed(self, source: str, quantile: Quantile | None = None) -> KeyedDraws:
        """Return the draws of `source` by (job, attempt): uniform in [0, 1), or `quantile` of that."""
        return KeyedDraws(self._seed(source), quantile)

    def _seed(self, source: str) -> SeedSequence:
        return SeedSequence(entropy=self.root, spawn_key=(self.replication, crc32(source.encode())))


class KeyedDraws:
    """Draws that belong to (job, attempt). They are made a block of jobs at a time and remembered for a while."""

    __slots__ = ("_blocks", "_key", "_quantile")

    def __init__(self, seed: SeedSequence, quantile: Quantile | None = None) -> None:
        self._key = seed.generate_state(2, np.uint64)
        self._quantile = quantile
        self._blocks: dict[tuple[int, int], list[float]] = {}

    def draw(self, job: int, attempt: int = 1) -> float:
        """Return the draw of the `attempt`-th attempt (from 1) of job `job` (from 0)."""
        place = (job // BLOCK, attempt)
        block = self._blocks.get(place)
        if block is None:
            block = self._remember(place)
        return block[job % BLOCK]

    def first(self, count: int, attempt: int = 1) -> Floats:
        """Return the draws of jobs 0 to `count` - 1 for one attempt, as an array of `count`."""
        blocks = -(-count // BLOCK)
        return self._values(0, attempt, blocks)[:count]

    def _remember(self, place: tuple[int, int]) -> list[float]:
        if len(self._blocks) >= KEPT_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        block = self._blocks[place] = self._values(*place, 1).tolist()
        return block

    def _values(self, block: int, attempt: int, blocks: int) -> Floats:
        bits = Philox(key=self._key, counter=[block * BLOCK // _FOUR, attempt, 0, 0]).random_raw(blocks * BLOCK)
        unit: Floats = (bits >> np.uint64(11)).astype(np.float64) * _TO_UNIT
        return unit if self._quantile is None else self._quantile(unit)
