"""Simulated workers: so many executions at once, and what deciding, calling and committing costs.

Each worker is one loop, a station with one place: taking an execution up, deciding and calling cost it time of its own,
first come first served. What was decided is queued for the worker's writer, which commits one batch at a time: whatever
is queued when a commit returns is the next one, so a commit is shared by all that came meanwhile. Commands are carried
out once their entries are committed. An execution keeps its slot until it ends.

Always true: what one execution decided is committed in the order in which it was; a worker never writes two batches at
once; an execution stays with the worker that took it up.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from orchestration.domain.limits import MICROSECONDS

from .clock import Later
from .models import WorkersModel
from .shell import Execution, Shell

Then = Callable[[], None]


class Worker:
    """One worker: until when its loop is busy, and what waits to be written."""

    __slots__ = ("free_at", "queue", "queued_entries", "writing")

    def __init__(self, now: int) -> None:
        self.free_at = now
        self.queue: list[Then] = []
        self.queued_entries = 0
        self.writing = False


class Workers:
    """The workers of a world."""

    def __init__(self, model: WorkersModel, shell: Shell) -> None:
        self.model = model
        self.busy = 0
        self.spent = 0
        self.most_held = 0
        self.commits = 0
        self._shell = shell
        self._workers = [Worker(shell.now) for _ in range(model.count)]
        self._slots = model.count * model.slots
        self._waiting: list[tuple[int, int, Callable[[], object]]] = []
        self._came = 0
        self._per_entry = model.per_entry * MICROSECONDS
        self._per_call = model.per_call * MICROSECONDS
        self._per_execution = model.per_execution * MICROSECONDS
        self._commit = model.commit * MICROSECONDS
        self._commit_per_entry = model.commit_per_entry * MICROSECONDS
        self._wake_up = round(model.wake_up * MICROSECONDS)
        self._dispatch = round(model.dispatch * MICROSECONDS)
        self._linger = round(model.linger * MICROSECONDS)
        self._asleep_at = shell.now

    @property
    def waiting(self) -> int:
        """Return how many executions wait for a slot."""
        return len(self._waiting)

    def admit(self, begin: Callable[[], object], priority: int = 0) -> None:
        """Begin an execution once a slot is free and somebody has noticed it: by priority (0 goes first), then age."""
        if self.busy >= self._slots:
            self._came += 1
            heappush(self._waiting, (priority, self._came, begin))
            return
        asleep = not self.busy and self._shell.now >= self._asleep_at
        self._hold()
        delay = self._wake_up if asleep else self._dispatch
        if delay:
            self._shell.after(delay, _begin, begin)
        else:
            begin()

    def ended(self) -> None:
        """Give a slot back, to whose turn it is."""
        self.busy -= 1
        if self._waiting:
            self._hold()
            heappop(self._waiting)[2]()
        elif not self.busy:
            self._asleep_at = self._shell.now + self._linger

    def decided(self, execution: Execution, entries: int, calls: int, then: Then | None) -> bool:
        """Return True if nothing costs anything; otherwise call `then` when the entries are committed."""
        worker = self._workers[execution.created % len(self._workers)]
        now = self._shell.now
        cost = entries * self._per_entry + calls * self._per_call
        if not execution.taken_up:
            execution.taken_up = True
            cost += self._per_execution
        time = round(cost)
        self.spent += time
        ready = worker.free_at = max(now, worker.free_at) + time
        if ready > now:
            self._shell.after(ready - now, self._ready, (worker, entries, then))
            return False
        if self._commit or self._commit_per_entry:
            self._put(worker, entries, then)
            return False
        return True

    def _ready(self, happening: Later) -> None:
        self._put(*happening._value)

    def _put(self, worker: Worker, entries: int, then: Then | None) -> None:
        if then is not None:
            worker.queue.append(then)
        worker.queued_entries += entries
        if not worker.writing:
            self._write(worker)

    def _write(self, worker: Worker) -> None:
        batch, worker.queue = worker.queue, []
        entries, worker.queued_entries = worker.queued_entries, 0
        worker.writing = True
        self.commits += 1
        time = round(self._commit + entries * self._commit_per_entry)
        self._shell.after(time, self._written, (worker, batch))

    def _written(self, happening: Later) -> None:
        worker: Worker
        batch: list[Any]
        worker, batch = happening._value
        worker.writing = False
        if worker.queued_entries or worker.queue:
            self._write(worker)
        for then in batch:
            then()

    def _hold(self) -> None:
        self.busy += 1
        self.most_held = max(self.most_held, self.busy)


def _begin(happening: Later) -> None:
    happening._value()
