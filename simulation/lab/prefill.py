"""A scenario to begin with: a workflow as it is, its load and its services as the last days had them.

What was recorded is fitted (`fitting`), and what was not is a guess that says so.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import yaml
from django.conf import settings

from orchestration.domain.errors import LimitExceeded
from orchestration.engine import queries as engine

from .filled import Prefill, duration_text, slug

WINDOWS = (
    (timedelta(days=7), "the last seven days"),
    (timedelta(days=1), "the last day"),
    (timedelta(hours=1), "the last hour"),
)
"""What is looked at: the first of these in which no more began than the fit reads starts of."""

LIKELY_EXECUTIONS = 3_000
"""Executions in a replication that a scenario begins with: enough for a 95th percentile, and quickly done."""

REPLICATIONS = 5
SHORTEST_SECONDS, LONGEST_SECONDS = 60, 90 * 86_400


def prefill(*, team_id: int, workflow: str) -> Prefill:
    """Return a scenario of a workflow as the last seven days had it. Raises NotFound."""
    definition = engine.get_workflow(team_id=team_id, workflow=workflow).document
    filled, definitions = _recorded(team_id, workflow)
    filled.document = {
        "scenario": slug(workflow),
        "description": f"{definition.get('name') or workflow}, as {filled.window} had it.",
        "horizon": duration_text(_horizon(filled.per_second) * 1_000_000),
        "replications": REPLICATIONS,
        "workflows": definitions,
        **filled.document,
    }
    return filled


def _recorded(team_id: int, workflow: str) -> tuple[Prefill, list[dict[str, Any]]]:
    # What fits needs numpy and scipy, which a process that only serves pages does without until somebody asks.
    from simulation import history as records

    from .fitting import fill

    until = records.now()
    for length, words in WINDOWS:
        since = until - round(length.total_seconds() * 1_000_000)
        cap = settings.PODIUM.simulation_recorded
        try:
            history = records.read_history(team_id=team_id, workflow=workflow, since=since, until=until, cap=cap)
        except LimitExceeded:
            if length == WINDOWS[-1][0]:
                raise
            continue
        return fill(history, window=words), [dict(each) for each in history.current.values()]
    raise AssertionError("the last window either fits or raises")


def _horizon(per_second: float) -> int:
    """Return the seconds in which about as many executions come as are wanted."""
    whole = 86_400 if per_second < 0.01 else 3_600 if per_second < 0.3 else 60
    wanted = math.ceil(LIKELY_EXECUTIONS / per_second / whole) * whole
    return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, wanted))


def blank() -> Prefill:
    """Return a scenario to begin with where there is no workflow yet."""
    step = {"id": "call", "type": "service", "service_name": "service", "method": "do", "timeout": "10s"}
    document = {
        "scenario": "my-scenario",
        "horizon": "10m",
        "replications": REPLICATIONS,
        "workflows": [{"id": "work", "steps": [step], "output": {}}],
        "workloads": [{"name": "work", "workflow": "work", "arrivals": {"kind": "poisson", "per_second": 5}}],
        "services": {"service": {"times": {"kind": "exponential", "mean": "100ms"}}},
        "slos": [{"workload": "work", "p95": "1s"}],
    }
    return Prefill(document, ["There is no workflow of yours in it: everything here is an example."])


def text_of(document: dict[str, Any]) -> str:
    """Return a scenario's document as a YAML text."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    """Writes out what is given twice: the platform reads no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Say that nothing is written as an alias."""
        return True
