"""Who took a worker down: how the one to blame is told from those that it held besides.

A worker that dies says nothing. Two kinds of executions may have done it, and each is watched in its own way:

* One of which nothing was committed since it was claimed (its journal cannot be folded, a decision never returns). It
  keeps its count of claims when its dead shift is buried, and is due as a *suspect* (store.py).
* One with a call of a function of this very process in flight (registry/local.py). Its start was committed, so it got
  further by its journal; but the same step was in flight at death after death. Those are counted here, in the journal.

A suspect is driven by a shift that holds nothing else. The innocent gets further there in a moment, and goes on among
the others; the one to blame takes down a shift of its own, and only that, until `claims_without_progress` is reached
and it is put aside. A service behind an address cannot take a worker down, however often its calls were in flight.
"""

from __future__ import annotations

import enum

from orchestration.domain.lifecycle import RETRYING, RUNNING
from orchestration.domain.run import Run
from orchestration.registry.local import is_local


class Verdict(enum.Enum):
    """What becomes of an execution that was just claimed."""

    INNOCENT = "it is driven among others"
    SUSPECT = "it is driven alone"
    GUILTY = "it is put aside"


def judge(run: Run, *, team_id: int, lost: bool, most: int) -> Verdict:
    """Judge an execution whose journal was just folded; `lost`: its last holder died. `most` deaths are too many."""
    deaths = deaths_in_a_row(run, team_id=team_id, lost=lost)
    if deaths >= most:
        return Verdict.GUILTY
    return Verdict.SUSPECT if deaths and deaths >= most - 1 else Verdict.INNOCENT


def deaths_in_a_row(run: Run, *, team_id: int, lost: bool = False) -> int:
    """Return how many workers died one after the other with the same call of a local function in flight."""
    most = 0
    for step in run.by_path.values():
        if step.type == "service" and step.status in (RUNNING, RETRYING):
            deaths = int(lost and step.status == RUNNING) + _lost_at_the_end(step.tries)
            if deaths > most and is_local(team_id=team_id, name=step.node.step.service_name):
                most = deaths
    return most


def _lost_at_the_end(tries: list[list[object]]) -> int:
    lost = 0
    for _, _, ended_at, error in reversed(tries):
        if ended_at is None:
            continue
        if not isinstance(error, dict) or error.get("code") != "worker_lost":
            break
        lost += 1
    return lost
