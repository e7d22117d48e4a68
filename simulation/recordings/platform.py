"""The platform that a recorded workflow ran on, as a world: a submit host, a wait for a machine, and the machines.

What the recordings call a makespan is far more than the tasks' own time: a task that has become ready is handed over by
one submit host, which takes up one task after another and moves its input files; it waits until the cluster's manager
has found a place for it; and on the machine its files are moved in and out beside the work. Pegasus on HTCondor and
Makeflow on Work Queue are alike in this. So each task is two calls with a timer between them: of `submit-host`, one
instance that serves one call at a time, and of `machines`, an instance for each machine with a place for each core.

Four numbers say how slow that is; `Overheads` without any is a platform that costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestration.domain.calling.policy import Breaker, ServicePolicy
from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph
from orchestration.domain.limits import LIMITS
from simulation.arrivals.processes import Trace
from simulation.service_models.distributions import Fixed
from simulation.world.load import Workload
from simulation.world.models import ServiceModel
from simulation.world.world import WorldModel, simulate

from .reading import RecordedTask, RecordedWorkflow

GIGABYTE = 1e9
SUBMIT_HOST, MACHINES, WORKLOAD = "submit-host", "machines", "recording"
LEAST_TIME = 60.0
"""A world lasts at least so long (seconds), however short the recording is."""

_POLICY = ServicePolicy(balance="least-connections", breaker=Breaker(enabled=False))


@dataclass(frozen=True, slots=True)
class Overheads:
    """What the platform adds, in seconds.

    `latency` for each task from its submission to a place on a machine, in parallel; `dispatch` of the submit host for
    each task, one after another; `transfer` of the submit host for each gigabyte of a task's input files; `stretch` on
    the machine for each second of a task's work.
    """

    latency: float = 0.0
    dispatch: float = 0.0
    transfer: float = 0.0
    stretch: float = 0.0

    def submission(self, task: RecordedTask) -> float:
        """Return the seconds that a task keeps the submit host busy."""
        return self.dispatch + self.transfer * task.bytes_read / GIGABYTE

    def work(self, task: RecordedTask) -> float:
        """Return the seconds that a task keeps its place on a machine."""
        return task.seconds * (1 + self.stretch)


def slots_of(recorded: RecordedWorkflow) -> int:
    """Return the places of each machine: its cores, or their mean where machines differ."""
    return max(1, round(sum(recorded.cores) / len(recorded.cores)))


def world_of(recorded: RecordedWorkflow, overheads: Overheads) -> WorldModel:
    """Return the world in which a recorded workflow runs once, on its machines."""
    definition = parse_definition(definition_of(recorded, overheads))
    submissions = {name: Fixed(time) for name, time in submission_times(recorded, overheads).items()}
    works = {name: Fixed(time) for name, time in work_times(recorded, overheads).items()}
    return WorldModel(
        graphs={definition.id: Graph.compile(definition)},
        services=(
            ServiceModel(SUBMIT_HOST, Fixed(0.0), submissions, policy=None),
            ServiceModel(
                MACHINES,
                Fixed(0.0),
                works,
                instances=len(recorded.cores),
                capacity=slots_of(recorded),
                policy=_POLICY,
                line=0.0,
            ),
        ),
        workloads=(Workload(WORKLOAD, definition.id, Trace.of([0.0])),),
        horizon=_bound(recorded, overheads),
    )


def simulated_makespan(recorded: RecordedWorkflow, overheads: Overheads) -> float:
    """Return the seconds from begin to end of a recorded workflow, run by the domain in its world. There is no chance.

    Raises ArithmeticError if it did not complete.
    """
    found = simulate(world_of(recorded, overheads), seed=0).workloads[WORKLOAD]
    if found.times.size != 1 or not found.good[0]:
        raise ArithmeticError(f"{recorded.name} does not complete in its world")
    return float(found.times[0])


def submission_times(recorded: RecordedWorkflow, overheads: Overheads, *, workflow: str = WORKLOAD) -> dict[str, float]:
    """Return the seconds that each method of the submit host takes: one for each task of `workflow`."""
    return {_method(workflow, place): overheads.submission(task) for place, task in enumerate(recorded.tasks)}


def work_times(recorded: RecordedWorkflow, overheads: Overheads, *, workflow: str = WORKLOAD) -> dict[str, float]:
    """Return the seconds that each method of the machines takes: one for each task of `workflow`."""
    return {_method(workflow, place): overheads.work(task) for place, task in enumerate(recorded.tasks)}


def definition_of(
    recorded: RecordedWorkflow,
    overheads: Overheads,
    *,
    workflow: str = WORKLOAD,
    parallel_limit: int = LIMITS.parallel_limit,
) -> dict[str, Any]:
    """Return the workflow definition: for each task its submission, its wait and its work, in the tasks' order."""
    bound = _bound(recorded, overheads)
    steps: list[dict[str, Any]] = []
    for place, task in enumerate(recorded.tasks):
        name = _name(place)
        method = _method(workflow, place)
        ready = f"{name}-submit"
        parents = [_name(parent) for parent in task.parents]
        steps.append({"id": ready, "dependencies": parents} | _call(SUBMIT_HOST, method, bound))
        if overheads.latency:
            wait = f"{name}-wait"
            steps.append({"id": wait, "type": "delay", "duration": overheads.latency, "dependencies": [ready]})
            ready = wait
        steps.append({"id": name, "dependencies": [ready]} | _call(MACHINES, method, bound))
    config = {"timeout": bound, "parallel_limit": parallel_limit}
    return {"id": workflow, "name": recorded.name, "config": config, "steps": steps, "output": {}}


def _call(service: str, method: str, timeout: float) -> dict[str, Any]:
    return {"type": "service", "service_name": service, "method": method, "timeout": timeout}


def _name(place: int) -> str:
    return f"t{place + 1}"


def _method(workflow: str, place: int) -> str:
    return f"{workflow}-{_name(place)}"


def _bound(recorded: RecordedWorkflow, overheads: Overheads) -> float:
    """Return seconds in which all is done even one task after another, in whole seconds."""
    tasks = recorded.tasks
    spent = sum(overheads.submission(task) + overheads.latency + overheads.work(task) for task in tasks)
    return float(max(LEAST_TIME, -(-2 * spent // 1)))
