"""The instants at which a run has something to decide by itself: a heap whose entries may be out of date.

An entry counts only while the run of its step (or the execution) still names that very instant, so nothing has to be
searched for and removed. `hold` keeps due times back during a pause, `release` puts them where they were.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .state import StepRun

DEADLINE, DUE, EXECUTION_DEADLINE = "deadline", "due", "execution"

Timer = tuple[int, int, str, "StepRun | None"]

_COMPACT_ABOVE = 4096


class Timers:
    """All instants that a run waits for, the earliest first, those of one instant in the order of setting."""

    __slots__ = ("_compact_at", "_count", "_heap", "_held")

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._held: list[Timer] = []
        self._count = 0
        self._compact_at = _COMPACT_ABOVE

    def set(self, instant: int, kind: str, run: StepRun | None) -> None:
        """Wait for an instant."""
        self._count += 1
        heappush(self._heap, (instant, self._count, kind, run))
        if len(self._heap) > self._compact_at:
            self._compact()

    def _compact(self) -> None:
        self._heap = [timer for timer in self._heap if timer[3] is None or _stands(timer)]
        heapify(self._heap)
        self._compact_at = max(_COMPACT_ABOVE, 2 * len(self._heap))

    def first(self, deadline: int | None, *, paused: bool) -> Timer | None:
        """Return the earliest timer that still counts; while `paused`, due times are held back.

        `deadline` is the execution's own, None when it has none any more.
        """
        heap = self._heap
        while heap:
            timer = heap[0]
            instant, _, kind, run = timer
            if run is None:
                if instant == deadline:
                    return timer
            elif instant == (run.due if kind is DUE else run.deadline):
                if not (paused and kind is DUE):
                    return timer
                self._held.append(timer)
            heappop(heap)
        return None

    def pop(self) -> None:
        """Take the earliest timer away."""
        heappop(self._heap)

    def release(self) -> None:
        """Put back what was held during a pause."""
        for timer in self._held:
            heappush(self._heap, timer)
        self._held.clear()


def _stands(timer: Timer) -> bool:
    instant, _, kind, run = timer
    assert run is not None
    return instant == (run.due if kind is DUE else run.deadline)
