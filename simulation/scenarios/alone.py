"""What cannot be kept whatever is bought: a promise that executions break even when they have everything to themselves.

One execution after another runs in the same world without faults. If clearly too few are in time even so, no number of
instances or workers helps, and simulating the load would say nothing new.
"""

from __future__ import annotations

import math
from dataclasses import replace

from orchestration.domain.errors import Problem
from simulation.arrivals.closed import ClosedUsers
from simulation.service_models.distributions import Fixed
from simulation.world.load import Workload
from simulation.world.world import WorldModel, simulate

from .building import seconds
from .language import Scenario, ScenarioInvalid
from .summary import PERCENTILES

EXECUTIONS = 400
"""About how many executions are looked at, if they are in time."""

SURE = 4.0
"""How many standard errors a share must be away to be believed."""


def refuse_impossible(scenario: Scenario, world: WorldModel, *, seed: int) -> None:
    """Raise ScenarioInvalid if a promised percentile cannot be kept even without any other load."""
    workloads = {each.name: each for each in world.workloads}
    for place, slo in enumerate(scenario.slos):
        for word, share in PERCENTILES.items():
            promised = getattr(slo, word)
            if promised is None:
                continue
            in_time, count = _alone(world, workloads[slo.workload], seconds(promised), seed)
            if in_time < share - SURE * math.sqrt(share * (1 - share) / max(1, count)):
                said = (
                    f"cannot be kept: alone, with everything to itself, an execution of {slo.workload} is done within "
                    f"{seconds(promised):g} s in {in_time:.1%} of the cases, {share:.0%} are promised"
                )
                raise ScenarioInvalid(
                    f"slos[{place}].{word}: {said}", [Problem(f"slos[{place}].{word}", "slo.impossible", said)]
                )


def _alone(world: WorldModel, workload: Workload, promised: float, seed: int) -> tuple[float, int]:
    """Return the share of executions that are in time one after another, and how many were looked at."""
    one_user = replace(workload, load=ClosedUsers(1, Fixed(promised / EXECUTIONS)))
    services = tuple(replace(each, outages=(), slowness=None, deploys=()) for each in world.services)
    quiet = replace(
        world, services=services, workloads=(one_user,), horizon=EXECUTIONS * promised, slowness={}, cluster=None
    )
    found = simulate(quiet, seed=seed).workloads[workload.name]
    # The one that was cut off by the end counts as late if it began long before.
    count = found.times.size + found.overdue
    return float((found.times <= promised).sum()) / max(1, count), count
