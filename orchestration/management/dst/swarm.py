"""What kind of world a seed is: sizes, settings, and which faults there are and how often. Drawn anew for every seed.

Most seeds have only some kinds of faults: a fault that is everywhere hides what another would show.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True)
class Swarm:
    """A seed's parameters. `…_every` is the mean time between two faults of a kind (seconds; 0: never), what has no
    unit is a probability, `…skew` is how far clocks may be off (microseconds)."""

    # The world
    postgres: bool = True
    seconds: float = 60.0
    executions: int = 6
    workflows: int = 2
    actions: int = 6
    workers: int = 2
    same_host: bool = True
    # The settings
    lease_seconds: float = 6.0
    heartbeat_seconds: float = 2.0
    shift_seconds: float = 45.0
    linger_seconds: float = 2.0
    sweep_seconds: float = 1.0
    park_after_seconds: float = 1.0
    concurrency: int = 500
    claim_batch: int = 100
    journal_batch: int = 1000
    claims_without_progress: int = 3
    # Processes
    kill_every: float = 0.0
    kill_at_effect: float = 0.0
    stop_every: float = 0.0
    pause_every: float = 0.0
    stall_every: float = 0.0
    supervisor_dies_every: float = 0.0
    skew: int = 0
    web_skew: int = 0
    # The database
    outage_every: float = 0.0
    latency: float = 0.002
    statement_lost: float = 0.0
    answer_lost: float = 0.0
    effect_late: float = 0.0
    statement_slow: float = 0.0
    # Wake-ups
    ring_lost: float = 0.0
    ring_doubled: float = 0.0
    ring_late: float = 0.0
    wakeup_lost: float = 0.0
    wakeup_doubled: float = 0.0
    # The outside world
    call_lost: float = 0.0
    reply_lost: float = 0.0
    reply_late: float = 0.0
    call_fails: float = 0.1
    callback_doubled: float = 0.0
    call_postponed: float = 0.0
    away_every: float = 0.0
    action_doubled: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the parameters by name."""
        return asdict(self)

    def podium(self, real: Any) -> Any:
        """Return the site's settings, with those that the engine goes by replaced: no seed depends on the site."""
        return replace(
            real,
            lease_seconds=self.lease_seconds,
            heartbeat_seconds=self.heartbeat_seconds,
            shift_concurrency=self.concurrency,
            shift_seconds=self.shift_seconds,
            shift_linger_seconds=self.linger_seconds,
            claim_batch=self.claim_batch,
            claims_without_progress=self.claims_without_progress,
            park_after_seconds=self.park_after_seconds,
            journal_batch=self.journal_batch,
            workers=self.workers,
            sweep_seconds=self.sweep_seconds,
            postponed_seconds=1,
            postponed_max_seconds=60,
            postponed_busy_max_seconds=15,
            postponed_undo_seconds=300,
            retry_attempts=3,
            max_concurrent=100,
            execution_timeout_seconds=900,
            wait_timeout_seconds=120,
            service_timeout_seconds=30,
            service_answer_bytes=1024 * 1024,
            retry_after_max_seconds=900,
            limits=type(real.limits)(),
        )


EVERY = ("kill_every", "stop_every", "pause_every", "stall_every", "supervisor_dies_every", "outage_every")
OFTEN = (
    "ring_lost",
    "ring_doubled",
    "ring_late",
    "wakeup_lost",
    "wakeup_doubled",
    "callback_doubled",
    "action_doubled",
)
SOMETIMES = ("call_lost", "reply_lost", "reply_late", "statement_slow")
SELDOM = ("kill_at_effect", "statement_lost", "answer_lost", "effect_late")


def draw(luck: Random) -> Swarm:
    """Draw a seed's parameters."""
    values = _world(luck)
    for name in EVERY:
        values[name] = luck.choice([0.0, 0.0, luck.uniform(3, 12), luck.uniform(10, 60)])
    for names, most in ((OFTEN, 1.0), (SOMETIMES, 0.3), (SELDOM, 0.05)):
        for name in names:
            values[name] = luck.choice([0.0, luck.uniform(0, most / 5), luck.uniform(0, most)])
    values["call_fails"] = luck.choice([0.0, 0.1, 0.4])
    values["call_postponed"] = luck.choice([0.0, 0.0, luck.uniform(0, 0.3), 0.6])
    values["away_every"] = luck.choice([0.0, 0.0, luck.uniform(10, 60)])
    values["skew"] = luck.choice([0, 0, 500_000, 30_000_000, 3_600_000_000])
    values["web_skew"] = luck.choice([0, 0, 500_000, 30_000_000, 3_600_000_000])
    if not values["postgres"]:
        # A file answers when it is done.
        values["effect_late"] = 0.0
    return Swarm(**values)


def _world(luck: Random) -> dict[str, Any]:
    lease = luck.choice([3.0, 6.0, 6.0])
    return {
        "postgres": luck.random() < 0.7,
        "seconds": luck.choice([20.0, 60.0, 120.0]),
        "executions": luck.randint(1, 10),
        "workflows": luck.randint(1, 3),
        "actions": luck.choice([0, 4, 12, 30]),
        "workers": luck.randint(1, 3),
        "same_host": luck.random() < 0.5,
        "lease_seconds": lease,
        "heartbeat_seconds": lease / 3,
        "shift_seconds": luck.choice([3.0, 10.0, 45.0]),
        "linger_seconds": luck.choice([0.1, 2.0]),
        "sweep_seconds": luck.choice([0.5, 1.0, 1.0]),
        "park_after_seconds": luck.choice([0.05, 1.0, 1.0]),
        "concurrency": luck.choice([2, 4, 8, 500]),
        "claim_batch": luck.choice([1, 2, 100]),
        "journal_batch": luck.choice([1, 5, 1000]),
        "claims_without_progress": luck.choice([2, 3, 3]),
        "latency": luck.choice([0.0005, 0.002, 0.05, 0.2]),
    }


def healed(swarm: Swarm) -> Swarm:
    """Return the same world with nothing going wrong in it any more. (Clocks stay as they are.)"""
    calm: dict[str, Any] = dict.fromkeys((*EVERY, *OFTEN, *SOMETIMES, *SELDOM), 0.0)
    return replace(swarm, **calm, call_fails=0.0, call_postponed=0.0, away_every=0.0, latency=min(swarm.latency, 0.002))
