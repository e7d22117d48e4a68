"""The fast path: a scenario that is nothing but one pool of servers, without its workflow's run round every call.

Where one workload calls one service once, nothing fails and nothing limits it, an execution takes exactly as long as
its call waits and is served. Then Lindley's recursion, or Kiefer's and Wolfowitz', over the very same draws gives the
same times as the whole world does, to the microsecond, a hundred times faster. Whatever does not fit (a timeout that
would have struck, more executions at once than the workflow allows) is left to the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestration.domain.calling.policy import ROUND_ROBIN, ServicePolicy
from orchestration.domain.limits import DEFAULTS, MICROSECONDS
from simulation.arrivals.closed import ClosedUsers
from simulation.arrivals.processes import Arrivals, all_times
from simulation.pools.waiting import waits
from simulation.service_models.distributions import Distribution
from simulation.streams import Floats, Streams
from simulation.world.models import ServiceModel
from simulation.world.world import RECENT, Outcome, ServiceFigures, WorkloadFigures, WorldModel

from .language import Scenario

_STEP = frozenset({"id", "name", "type", "service_name", "method", "timeout", "retry"})
_DEFINITION = frozenset({"id", "name", "description", "version", "steps", "config", "output"})
_CONFIG = frozenset({"max_concurrent", "timeout"})


@dataclass(frozen=True, slots=True)
class SinglePool:
    """One service, and the one workload that calls it once an execution. `most` is how many may run at once."""

    workload: str
    load: Arrivals
    service: ServiceModel
    times: Distribution
    source: str
    horizon: float
    timeout: float
    most: int


def pool_of(scenario: Scenario, world: WorldModel) -> SinglePool | None:
    """Return the single pool that a scenario is, None if it is more than that."""
    if len(world.workloads) != 1 or len(world.services) != 1 or world.workers is not None or world.slowness:
        return None
    if world.cluster is not None or world.standing is not None:
        return None
    workload, service = world.workloads[0], world.services[0]
    if workload.cases:
        return None
    definition = next(each for each in scenario.workflows if each["id"] == workload.workflow)
    if isinstance(workload.load, ClosedUsers) or not _one_call(definition, service.name) or not _plain(service):
        return None
    step, policy = definition["steps"][0], service.policy
    graph = world.graphs[workload.workflow].definition
    timeouts = [graph.steps[0].timeout or (policy and policy.timeout) or DEFAULTS.step_timeout]
    timeouts.append(graph.config.timeout or DEFAULTS.execution_timeout)
    method = step["method"] if step["method"] in service.methods else ""
    return SinglePool(
        workload=workload.name,
        load=workload.load,
        service=service,
        times=service.methods.get(method, service.times),
        source=f"service:{service.name}.{method}:{workload.workflow}:{step['id']}",
        horizon=world.horizon,
        timeout=float(min(timeouts)),
        most=graph.config.max_concurrent or DEFAULTS.max_concurrent,
    )


def serve(pool: SinglePool, *, seed: int, replication: int) -> Outcome | None:
    """Return one replication, as the world would (journal entries aside); None if it must be left to the world."""
    streams, end = Streams(seed, replication), round(pool.horizon * MICROSECONDS)
    times = all_times(pool.load, streams.generator(f"arrivals:{pool.workload}"), pool.horizon)
    arrived = np.rint(times * MICROSECONDS)
    arrived = arrived[arrived < end]
    serving = np.rint(streams.keyed(pool.source, pool.times.quantile).first(arrived.size) * MICROSECONDS)
    begun = arrived + _waits(arrived, serving, pool.service)
    done = begun + serving
    if arrived.size and (float((done - arrived).max()) >= pool.timeout or _most_at_once(arrived, done) > pool.most):
        return None
    over = done < end
    spent = done - arrived
    still = arrived[~over]
    workload = WorkloadFigures(
        offered=arrived.size,
        open=still.size,
        overdue=int((still < end - end // RECENT).sum()),
        times=spent[over] / MICROSECONDS,
        ended_at=done[over] / MICROSECONDS,
        good=np.ones(int(over.sum())),
    )
    figures = _figures(arrived, begun, done, end, pool.service)
    return Outcome({pool.workload: workload}, {pool.service.name: figures}, arrived.size, 0, 0.0, 0)


def _waits(arrived: Floats, serving: Floats, service: ServiceModel) -> Floats:
    waited = np.empty(arrived.size)
    for place in range(service.instances):
        # In turn: the nth call goes to the nth instance, which has its own line.
        own = slice(place, None, service.instances)
        waited[own] = waits(arrived[own], serving[own], service.capacity)
    return waited


def _most_at_once(arrived: Floats, done: Floats) -> int:
    ended = np.searchsorted(np.sort(done), arrived, side="right")
    return int((np.arange(1, arrived.size + 1) - ended).max())


def _figures(arrived: Floats, begun: Floats, done: Floats, end: int, service: ServiceModel) -> ServiceFigures:
    until = np.minimum(done, end)
    served = int((done < end).sum())
    spent = int((done - arrived)[done < end].sum())
    return ServiceFigures(
        attempts=arrived.size,
        failed=0,
        timed_out=0,
        refused=0,
        postponed={},
        busy=int((until - np.minimum(begun, end)).sum()) / (end * service.instances * service.capacity),
        inside=int((until - arrived).sum()) / end,
        arrivals=served * MICROSECONDS / end,
        time=spent / served / MICROSECONDS if served else 0.0,
    )


def _one_call(definition: Mapping[str, Any], service: str) -> bool:
    steps = definition["steps"]
    return (
        set(definition) <= _DEFINITION
        and not definition.get("output")
        and set(definition.get("config", {})) <= _CONFIG
        and len(steps) == 1
        and set(steps[0]) <= _STEP
        and steps[0]["type"] == "service"
        and steps[0]["service_name"] == service
    )


def _plain(service: ServiceModel) -> bool:
    failures, policy = service.failures, service.policy
    return (
        (failures is None or not (failures.share or failures.methods))
        and not service.steps
        and not service.deploys
        and service.room is None
        and not service.outages
        and service.slowness is None
        and (policy is None or _unlimited(policy))
        and (service.instances == 1 or policy is None or policy.balance == ROUND_ROBIN)
    )


def _unlimited(policy: ServicePolicy) -> bool:
    return policy.concurrency is None and policy.rate is None and not policy.callers and not policy.select.tags
