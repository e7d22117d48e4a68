"""Small worlds that several checks simulate: one call of one service, by executions that nothing else holds up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph
from simulation.world.load import Workload
from simulation.world.models import ServiceModel
from simulation.world.world import WorldModel

SERVICE = "pool"
WORKFLOW = "work"
TIMES = f"service:{SERVICE}.:{WORKFLOW}:call"
"""The name of the stream that the times of the call come from (`simulation.world.service`)."""

FAILURES = f"failures:{SERVICE}:{WORKFLOW}:call"


def one_call(*, config: Mapping[str, Any] | None = None, retry: Mapping[str, Any] | None = None) -> dict[str, Graph]:
    """Return the workflow of one call, made once unless `retry` says otherwise; it may take a day."""
    call = {
        "id": "call", "type": "service", "service_name": SERVICE, "method": "serve", "timeout": "1d",
        "retry": retry or {"max_attempts": 1},
    }  # fmt: skip
    room = {"max_concurrent": 100_000, "timeout": "1d", **(config or {})}
    definition = {"id": WORKFLOW, "name": "One call", "config": room, "steps": [call], "output": {}}
    return {WORKFLOW: Graph.compile(parse_definition(definition))}


def world(
    service: ServiceModel, *workloads: Workload, horizon: float, graphs: dict[str, Graph] | None = None
) -> WorldModel:
    """Return the world of a service and what calls it, for `horizon` seconds."""
    return WorldModel(graphs or one_call(), (service,), workloads, horizon)
