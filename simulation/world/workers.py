"""Simulated workers: so many executions at once, and what deciding and committing costs.

Each worker is one loop, so what its executions decide waits in line for it. A commit is shared by whoever is ready, so
it is a delay and not a queue. An execution keeps its slot until it ends.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from orchestration.domain.limits import MICROSECONDS

from .models import WorkersModel
from .shell import Execution, Shell


class Workers:
    """The workers of a world."""

    def __init__(self, model: WorkersModel, shell: Shell) -> None:
        self.model = model
        self.busy = 0
        self.spent = 0
        self.most_held = 0
        self._shell = shell
        self._free_at = [shell.now] * model.count
        self._slots = model.count * model.slots
        self._waiting: list[tuple[int, int, Callable[[], object]]] = []
        self._came = 0
        self._per_entry = model.per_entry * MICROSECONDS
        self._commit = round(model.commit * MICROSECONDS)
        self._wake_up = round(model.wake_up * MICROSECONDS)

    @property
    def waiting(self) -> int:
        """Return how many executions wait for a slot."""
        return len(self._waiting)

    def admit(self, begin: Callable[[], object], priority: int = 0) -> None:
        """Begin an execution once a slot is free: by priority (0 goes first), then by age, as claims do."""
        if self.busy >= self._slots:
            self._came += 1
            heappush(self._waiting, (priority, self._came, begin))
            return
        idle = not self.busy
        self._hold()
        if idle and self._wake_up:
            self._shell.after(self._wake_up, lambda _: _do(begin))
        else:
            begin()

    def ended(self) -> None:
        """Give a slot back, to whose turn it is."""
        self.busy -= 1
        if self._waiting:
            self._hold()
            heappop(self._waiting)[2]()

    def decided(self, execution: Execution, entries: int, then: Callable[[], None] | None) -> bool:
        """Return True if nothing costs anything; otherwise call `then` when the entries are committed."""
        now = self._shell.now
        place = execution.created % len(self._free_at)
        cost = round(entries * self._per_entry)
        ready = max(now, self._free_at[place]) + cost
        self._free_at[place] = ready
        self.spent += cost
        if ready + self._commit == now:
            return True
        if then is not None:
            self._shell.after(ready + self._commit - now, lambda _: then())
        return False

    def _hold(self) -> None:
        self.busy += 1
        self.most_held = max(self.most_held, self.busy)


def _do(begin: Callable[[], object]) -> None:
    begin()
