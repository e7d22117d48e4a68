"""Virtual time: one heap of what will happen, and loops whose callbacks run one at a time, in an order that luck draws.

True at all times: nothing happens but here; time stands still while some loop that may run has something ready, and
then goes to the next instant of the heap. Callbacks of one loop run in the order in which they became ready, as asyncio
promises; between loops, and between what was set for the same instant, the order is drawn.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .loop import VirtualLoop

MICROSECONDS = 1_000_000
EPOCH = 1_767_225_600_000_000
"""Where virtual time begins, in microseconds: 2026-01-01T00:00:00Z."""
MOST_TURNS = 2_000_000


class StandsStill(Exception):
    """So much happened in one run that it must be going round in circles."""


class Timetable:
    """What will happen when. Instants are microseconds since the world began."""

    def __init__(self, luck: Random) -> None:
        self.now = 0
        self.turns = 0
        self.loops: list[VirtualLoop] = []
        self._luck = luck
        self._heap: list[tuple[int, float, int, Callable[[], object]]] = []
        self._count = 0

    def at(self, instant: int, happen: Callable[[], object]) -> None:
        """Have something happen at an instant, at once if that has passed."""
        self._count += 1
        heapq.heappush(self._heap, (max(instant, self.now), self._luck.random(), self._count, happen))

    def after(self, seconds: float, happen: Callable[[], object]) -> None:
        """Have something happen in so many seconds."""
        self.at(self.now + round(seconds * MICROSECONDS), happen)

    def run(self, until: int, done: Callable[[], bool] | None = None) -> None:
        """Let everything happen up to an instant, or until `done` says so. Raises StandsStill."""
        heap = self._heap
        while True:
            self._settle()
            if done is not None and done():
                return
            if not heap or heap[0][0] > until:
                self.now = max(self.now, until)
                return
            self.now, _, _, happen = heapq.heappop(heap)
            happen()

    def _settle(self) -> None:
        """Run what is ready, until nothing is that may run."""
        loops, luck = self.loops, self._luck
        while True:
            able = [loop for loop in loops if loop.ready and loop.blocked_until <= self.now]
            if not able:
                return
            loop = able[0] if len(able) == 1 else able[int(luck.random() * len(able))]
            loop.turn()
            self.turns += 1
            if self.turns > MOST_TURNS:
                raise StandsStill(f"{MOST_TURNS} callbacks have run by {self.now / MICROSECONDS:.6f} s")
