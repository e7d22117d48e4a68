"""The retry storm: a service that a short fault must not fell for good.

Ten workers of 0.1 s, first come first served, callers that give up after 1 s and try four times; from second 60 to 75
nine of ten workers are gone. The same in real time is `python -m tests.storm`.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from orchestration.domain.calling.answers import SUCCESS, Answer
from orchestration.domain.calling.gate import Call, Gate, Go, admit, answered
from orchestration.domain.calling.policy import SECOND, Breaker, RetryBudget, ServicePolicy

ATTEMPTS, WORKERS, FAULT, MEASURED = 4, 10, (60 * SECOND, 75 * SECOND), (120 * SECOND, 200 * SECOND)
NO_BUDGET = RetryBudget(enabled=False)
NO_BREAKER = Breaker(enabled=False)


@dataclass
class Attempt:
    number: int
    go: Go
    over: bool = False


@dataclass
class World:
    gate: Gate
    chance: random.Random
    due: list[Any] = field(default_factory=list)
    ticket: Any = field(default_factory=count)
    queue: deque[Attempt] = field(default_factory=deque)
    busy: int = 0
    good: int = 0

    def at(self, instant: int, what: str, subject: Any) -> None:
        heapq.heappush(self.due, (instant, next(self.ticket), what, subject))

    def run(self) -> None:
        while self.due:
            now, _, what, subject = heapq.heappop(self.due)
            getattr(self, what)(subject, now)
            workers = 1 if FAULT[0] <= now < FAULT[1] else WORKERS
            while self.queue and self.busy < workers:
                self.busy += 1
                self.at(now + SECOND // 10, "serve", self.queue.popleft())

    def arrive(self, number: int, now: int) -> None:
        decision = admit(self.gate, Call(number), now)
        if not isinstance(decision, Go):
            self.at(now + (decision.after or SECOND), "arrive", number)
            return
        attempt = Attempt(number, decision)
        self.queue.append(attempt)
        self.at(now + SECOND, "give_up", attempt)

    def serve(self, attempt: Attempt, now: int) -> None:
        self.busy -= 1
        if not attempt.over:
            attempt.over = True
            answered(self.gate, attempt.go, SUCCESS, now)
            self.good += MEASURED[0] <= now < MEASURED[1]

    def give_up(self, attempt: Attempt, now: int) -> None:
        if attempt.over:
            return
        attempt.over = True
        answered(self.gate, attempt.go, Answer(failed=True), now)
        if attempt.number < ATTEMPTS:
            wait = self.chance.random() * 50_000 * 2 ** (attempt.number - 1)
            self.at(now + round(wait), "arrive", attempt.number + 1)


def goodput(policy: ServicePolicy, *, per_second: int, seed: int) -> float:
    """Return good answers a second long after the fault, as a share of what was offered."""
    world, now = World(Gate(policy), random.Random(seed)), 0
    while now < MEASURED[1]:
        now += round(world.chance.expovariate(per_second) * SECOND)
        world.at(now, "arrive", 1)
    offered = sum(MEASURED[0] <= instant < MEASURED[1] for instant, *_ in world.due)
    world.run()
    return world.good / offered


@pytest.mark.parametrize("seed", range(3))
def test_it_never_recovers_when_every_call_is_retried(seed: int):
    assert goodput(ServicePolicy(retry_budget=NO_BUDGET, breaker=NO_BREAKER), per_second=60, seed=seed) < 0.05


@pytest.mark.parametrize("seed", range(3))
def test_it_recovers_with_the_budget_alone(seed: int):
    assert goodput(ServicePolicy(breaker=NO_BREAKER), per_second=60, seed=seed) > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_it_recovers_with_the_default_policy_though_calls_gather_while_the_circuit_is_open(seed: int):
    assert goodput(ServicePolicy(), per_second=60, seed=seed) > 0.95
