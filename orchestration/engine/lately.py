"""What a workflow's executions of the last while were like: how many began when, and how long their calls took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from orchestration import clock
from orchestration.domain.lifecycle import COMPLETED, FAILED
from orchestration.engine import models

EXECUTIONS = 500
"""Executions whose calls are looked at, the newest ones."""

STARTS = 100_000
"""Executions whose beginnings are counted, the newest ones."""

HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Lately:
    """What was recorded of a workflow since an instant. Times are microseconds.

    `busiest` is how many executions began in the busiest whole hour. `calls` are times of service steps by path, with
    the numbers of items taken out (`parts.fetch`), of those that succeeded at once; `failures` of `attempts` failed, of
    those that came to an end of their own. `took` are the times of executions that completed; `example` is the newest
    of these.
    """

    executions: int
    busiest: int
    calls: dict[str, list[int]]
    attempts: dict[str, int]
    failures: dict[str, int]
    took: list[int]
    example: str | None


def lately(*, team_id: int, workflow: str, since: datetime) -> Lately:
    """Return what was recorded of a workflow since an instant; of one that is not there, nothing was."""
    rows = models.Execution.objects.filter(
        team_id=team_id, workflow__slug=workflow, created_at__gte=clock.to_us(since)
    ).order_by("-created_at", "-id")
    starts = list(rows.values_list("created_at", flat=True)[:STARTS])
    newest = list(rows.values_list("id", "status", "created_at", "ended_at")[:EXECUTIONS])
    took = [ended - created for _, status, created, ended in newest if status == COMPLETED and ended is not None]
    example = next((identity for identity, status, _, _ in newest if status == COMPLETED), None)
    calls: dict[str, list[int]] = {}
    attempted, failures = Counter[str](), Counter[str]()
    steps = models.StepRunRow.objects.filter(execution_id__in=[each[0] for each in newest], type="service")
    for path, status, attempts, begun, ended in steps.values_list(
        "path", "status", "attempts", "started_at", "ended_at"
    ):
        if begun is None or ended is None or status not in {COMPLETED, FAILED}:
            continue
        plain = ".".join(part.partition("[")[0] for part in path.split("."))
        attempted[plain] += attempts
        failures[plain] += attempts - (status == COMPLETED)
        if status == COMPLETED and attempts == 1:
            calls.setdefault(plain, []).append(ended - begun)
    busiest = max(Counter(start // HOUR for start in starts).values(), default=0)
    return Lately(len(starts), busiest, calls, dict(attempted), dict(failures), took, example)
