"""One pool of servers with what real ones have: a limited room, priorities, impatience, retries, closed users.

Always true: a server is idle only while nobody waits (work is conserved); among those who wait the most urgent is next,
and of these whoever came first. Who waits longer than patience allows is gone at that instant, though it is noticed
only when it would be served; that changes nothing for others, as a pool with impatient callers has no bounded room.

When and whether a failed attempt is made again says the domain's own retry code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from orchestration.domain.limits import MICROSECONDS
from orchestration.domain.retry import RetryPolicy, wait_after

Draw = Callable[[int, int], float]
"""A draw for (job, attempt), attempts from 1."""

_DONE, _ARRIVES = 0, 1


@dataclass(frozen=True, slots=True)
class PoolRules:
    """How a pool works. `room` bounds those who wait and are served together; None is no bound.

    `preempt`: the more urgent interrupts the less urgent, whose work goes on later where it was left.
    `retry` says how often a failed attempt is made again and after which wait; None: never.
    """

    servers: int
    room: int | None = None
    preempt: bool = False
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class Luck:
    """What chance has in store for (job, attempt): seconds of service, seconds of patience, whether it fails.

    `fails` is compared with `failure_share`; `jitter` is for the wait before the next attempt.
    """

    service: Draw
    patience: Draw | None = None
    fails: Draw | None = None
    failure_share: float = 0.0
    jitter: Draw | None = None


@dataclass(slots=True)
class Served:
    """What came of it, in order of completion. Times are seconds; one entry per attempt that was served.

    `waits` are those of attempts, `visits` waits and service of attempts; `totals` the time from a job's first arrival
    to its end, `failed` how many jobs ended in failure, `attempts` how many were made. `area` is the integral of the
    number in the pool over time.
    """

    waits: list[float] = field(default_factory=list)
    visits: list[float] = field(default_factory=list)
    priorities: list[int] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    ended_at: list[float] = field(default_factory=list)
    offered: int = 0
    blocked: int = 0
    abandoned: int = 0
    failed: int = 0
    attempts: int = 0
    area: float = 0.0
    until: float = 0.0


@dataclass(slots=True)
class _Attempt:
    job: int
    number: int
    priority: int
    first_at: float
    at: float
    left: float
    leaves_at: float | None
    resumed_at: float = 0.0
    running: int = 0


class Pool:
    """A pool and its own small event loop."""

    def __init__(self, rules: PoolRules, luck: Luck, think: Callable[[int], float] | None = None) -> None:
        """Make an empty pool. `think(job)` gives the seconds until a closed user's next job after `job` ended.

        Raises ValueError for a bounded room with impatient callers: who has left would still be counted in it.
        """
        if rules.room is not None and luck.patience is not None:
            raise ValueError("a pool has a bounded room or impatient callers, not both")
        self._rules = rules
        self._luck = luck
        self._think = think
        self._heap: list[tuple[float, int, int, _Attempt, int]] = []
        self._waiting: list[tuple[int, int, _Attempt]] = []
        self._busy = 0
        self._interruptible: list[_Attempt] = []
        self._tickets = count()
        self._inside = 0
        self._now = 0.0
        self._jobs = 0
        self.served = Served()

    def run(self, arrivals: list[float], priorities: list[int] | None = None, until: float | None = None) -> Served:
        """Serve jobs that arrive at ascending instants (seconds) until all are done, or until `until`."""
        for place, instant in enumerate(arrivals):
            self._go_on(instant)
            if until is not None and instant >= until:
                break
            self._new_job(instant, priorities[place] if priorities else 0)
        self._go_on(until if until is not None else float("inf"))
        self.served.until = self._now if until is None else until
        return self.served

    def _go_on(self, instant: float) -> None:
        while self._heap and self._heap[0][0] <= instant:
            now, _, what, attempt, running = heappop(self._heap)
            if what == _DONE:
                if running == attempt.running:
                    self._pass(now)
                    self._done(attempt)
            else:
                self._pass(now)
                self._arrive(attempt)
        if instant != float("inf"):
            self._pass(instant)

    def _pass(self, now: float) -> None:
        self.served.area += self._inside * (now - self._now)
        self._now = now

    def _new_job(self, at: float, priority: int) -> None:
        job, self._jobs = self._jobs, self._jobs + 1
        self.served.offered += 1
        self._arrive(self._attempt(job, 1, priority, at, at))

    def _attempt(self, job: int, number: int, priority: int, first_at: float, at: float) -> _Attempt:
        patience = self._luck.patience
        leaves_at = None if patience is None else at + patience(job, number)
        return _Attempt(job, number, priority, first_at, at, self._luck.service(job, number), leaves_at)

    def _arrive(self, attempt: _Attempt) -> None:
        self.served.attempts += 1
        if self._rules.room is not None and self._inside >= self._rules.room:
            self.served.blocked += 1
            return
        self._inside += 1
        if self._busy < self._rules.servers:
            self._serve(attempt)
            return
        if self._rules.preempt:
            least = max(self._interruptible, key=lambda each: each.priority)
            if least.priority > attempt.priority:
                self._interrupt(least)
                self._serve(attempt)
                return
        heappush(self._waiting, (attempt.priority, next(self._tickets), attempt))

    def _serve(self, attempt: _Attempt) -> None:
        attempt.resumed_at = self._now
        self._busy += 1
        if self._rules.preempt:
            self._interruptible.append(attempt)
        heappush(self._heap, (self._now + attempt.left, next(self._tickets), _DONE, attempt, attempt.running))

    def _interrupt(self, attempt: _Attempt) -> None:
        attempt.left -= self._now - attempt.resumed_at
        attempt.running += 1
        self._busy -= 1
        self._interruptible.remove(attempt)
        # Ahead of its equals, who came after it.
        heappush(self._waiting, (attempt.priority, -next(self._tickets), attempt))

    def _done(self, attempt: _Attempt) -> None:
        served = self.served
        self._inside -= 1
        self._busy -= 1
        if self._rules.preempt:
            self._interruptible.remove(attempt)
        visit = self._now - attempt.at
        served.visits.append(visit)
        served.waits.append(visit - self._luck.service(attempt.job, attempt.number))
        served.priorities.append(attempt.priority)
        if not self._again(attempt):
            served.totals.append(self._now - attempt.first_at)
            served.ended_at.append(self._now)
            self._think_again(attempt)
        self._next()

    def _next(self) -> None:
        while self._waiting:
            attempt = heappop(self._waiting)[2]
            if attempt.leaves_at is not None and attempt.leaves_at < self._now:
                # It left between two events: what it was counted for since is taken back.
                self.served.area -= self._now - attempt.leaves_at
                self.served.abandoned += 1
                self.served.waits.append(attempt.leaves_at - attempt.at)
                self._inside -= 1
                continue
            self._serve(attempt)
            return

    def _again(self, attempt: _Attempt) -> bool:
        luck, retry = self._luck, self._rules.retry
        if luck.fails is None or luck.fails(attempt.job, attempt.number) >= luck.failure_share:
            return False
        if retry is None or (retry.max_attempts is not None and attempt.number >= retry.max_attempts):
            self.served.failed += 1
            return False
        jitter = 0.0 if luck.jitter is None else luck.jitter(attempt.job, attempt.number)
        due = self._now + wait_after(retry, attempt.number, jitter) / MICROSECONDS
        again = self._attempt(attempt.job, attempt.number + 1, attempt.priority, attempt.first_at, due)
        heappush(self._heap, (due, next(self._tickets), _ARRIVES, again, 0))
        return True

    def _think_again(self, attempt: _Attempt) -> None:
        if self._think is None:
            return
        job, self._jobs = self._jobs, self._jobs + 1
        self.served.offered += 1
        due = self._now + self._think(job)
        heappush(self._heap, (due, next(self._tickets), _ARRIVES, self._attempt(job, 1, attempt.priority, due, due), 0))
