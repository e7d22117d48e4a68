"""From what the engine was measured to take, the costs of the simulator's workers: eight numbers, by arithmetic.

A worker is thought of as a loop that does one thing at a time and a writer beside it (simulation/world/workers.py).
With chains of n steps an execution has 2n + 2 entries: its start, two for each step, its end.

* `per_entry` and `per_execution`: with all executions there at once the loops never rest, and one execution takes one
  of them T(n) = per_execution + (2n + 2) per_entry. Two lengths give both. They are times of a busy worker on this
  host, beside its neighbours, its database and its broker; that is what a simulation of this host needs.
* `commit`: one execution alone goes from a step's start to the next one's in 2 per_entry + commit + 2 commit_per_entry.
* `commit_per_entry`: in a fan-out of n steps the loop decides n starts, the writer commits them, then the loop takes n
  answers in while the writer commits those: a step takes per_entry + commit_per_entry + the larger of both.
* `per_call`: what the loops take longer for a step over HTTP.
* `dispatch`, `wake_up`: from the start call to the first step's call, less what deciding and committing take.

A cost that comes out below nothing is nothing: it cannot be told from its neighbours on this host.
"""

from __future__ import annotations

from dataclasses import dataclass

SHORT, LONG = 1, 20
"""Lengths of the chains whose throughput is measured; those of the comparison are others."""

STEP_ENTRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured (seconds): `short`, `long` and `http` are a worker's time for an execution under full load.

    `http` is of a chain of `http_steps` over HTTP, `step` from step to step alone, `fan_step` a fan-out's time divided
    by its steps, `awake` and `asleep` from the start call to the call of the first step.
    """

    short: float
    long: float
    http: float
    http_steps: int
    step: float
    fan_step: float
    awake: float
    asleep: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a worker costs (seconds), by the names of a scenario's `workers`."""

    per_execution: float
    per_entry: float
    per_call: float
    commit: float
    commit_per_entry: float
    dispatch: float
    wake_up: float
    linger: float

    def as_workers(self, *, count: int, slots: int) -> dict[str, int | str]:
        """Return the `workers` of a scenario; durations are whole microseconds."""
        costs = {name: f"{round(getattr(self, name) * 1_000_000)}us" for name in self.__slots__}
        return {"count": count, "slots": slots, **costs}


def costs_of(measured: Measured, *, linger: float) -> Costs:
    """Return the costs that explain what was measured."""
    per_entry = _cost((measured.long - measured.short) / (STEP_ENTRIES * (LONG - SHORT)))
    per_execution = _cost(measured.short - entries_of(SHORT) * per_entry)
    http = measured.http - per_execution - entries_of(measured.http_steps) * per_entry
    commit_per_entry = _in_a_commit(measured.fan_step, per_entry)
    commit = _cost(measured.step - STEP_ENTRIES * (per_entry + commit_per_entry))
    first = per_execution + STEP_ENTRIES * (per_entry + commit_per_entry) + commit
    return Costs(
        per_execution=per_execution,
        per_entry=per_entry,
        per_call=_cost(http / measured.http_steps),
        commit=commit,
        commit_per_entry=commit_per_entry,
        dispatch=_cost(measured.awake - first),
        wake_up=_cost(measured.asleep - first),
        linger=linger,
    )


def _in_a_commit(fan_step: float, per_entry: float) -> float:
    """Return what an entry takes of its commit: a fan's step is per_entry + it + the larger of both."""
    rest = fan_step - per_entry
    return _cost(min(rest - per_entry, rest / 2))


def entries_of(steps: int) -> int:
    """Return how many journal entries a chain of so many steps has."""
    return STEP_ENTRIES * steps + 2


def _cost(seconds: float) -> float:
    return max(0.0, seconds)
