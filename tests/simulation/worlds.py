"""Small worlds that several tests simulate."""

from __future__ import annotations

from dataclasses import replace

from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph
from simulation.arrivals.processes import Poisson
from simulation.service_models.distributions import Exponential
from simulation.world.load import Workload
from simulation.world.models import ServiceModel
from simulation.world.world import WorldModel


def one_step(**step):
    """Return a definition of one call, with keys of its step."""
    call = {"id": "call", "type": "service", "service_name": "backend", "method": "serve", **step}
    return {"id": "work", "name": "Work", "steps": [call], "output": {}}


def world(*, per_second=4.0, seconds=500.0, definition=None, load=None, **service):
    """Return a world of one service of 0.1 s and one workload."""
    definition = parse_definition(definition or one_step())
    model = ServiceModel("backend", **{"times": Exponential(0.1), "policy": None, **service})
    workload = Workload("callers", definition.id, load or Poisson(per_second))
    return WorldModel({definition.id: Graph.compile(definition)}, (model,), (workload,), horizon=seconds)


def with_cases(model, *cases):
    """Return a world whose first workload's executions are of several kinds."""
    first, *others = model.workloads
    return replace(model, workloads=(replace(first, cases=cases), *others))
