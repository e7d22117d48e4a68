"""What cannot work whatever luck brings, found before time is spent: inputs, promises, loads; from executions alone.

One execution after another runs in the same world, without faults and without any other load. If clearly too few are in
time even so, no number of instances or workers helps. And what one execution takes of each service, of the workers and
of its workflow's room, retries, loops and branches included, says how much of them the load will need: the service
demand law D = busy time / executions, and Little's law for what is held (Denning and Buzen, "The Operational Analysis
of Queueing Network Models", 1978).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestration.domain.errors import Problem
from orchestration.domain.limits import DEFAULTS, MICROSECONDS
from orchestration.domain.run.attempts import EXPRESSION_ERROR
from simulation.arrivals.closed import ClosedUsers
from simulation.service_models.distributions import Fixed
from simulation.streams import Floats
from simulation.world.load import Workload
from simulation.world.shell import Execution, Shell
from simulation.world.world import World, WorldModel

from .building import seconds
from .language import Scenario, ScenarioInvalid, Slo
from .summary import PERCENTILES

EXECUTIONS = 400
"""About how many executions of a workload are looked at."""

MOST_ATTEMPTS = 20_000
"""Calls after which it is enough, however few executions they were."""

USUAL = 60.0
"""How long an execution is given where nothing is promised of it (seconds)."""

SURE = 4.0
"""How many standard errors a share must be away to be believed."""

CLEARLY = 1.1
"""Measured demands are a little off: a load is refused if it needs so much of what there is."""

PIECES = 20_000


@dataclass(frozen=True, slots=True)
class Alone:
    """What executions by themselves came to: times (s), how many never came back, what each took (s) of what.

    `fault` is what all of them failed with by their own definition; empty: not all did.
    """

    times: Floats
    stuck: int
    services: Mapping[str, float]
    workers: float
    fault: str = ""

    def within(self, promised: float) -> float:
        """Return the share that took at most `promised` seconds; who was cut off after a long time counts as late."""
        return float((self.times <= promised).sum()) / max(1, self.count)

    @property
    def count(self) -> int:
        """Return how many executions were looked at."""
        return self.times.size + self.stuck


def refuse_impossible(scenario: Scenario, world: WorldModel, *, seed: int) -> None:
    """Raise ScenarioInvalid, with numbers and paths, for promises and loads that cannot be whatever luck brings.

    A load is not refused where the question is about a change (`transient`).
    """
    found = {each.name: alone(world, each, _longest(scenario, each.name), seed) for each in world.workloads}
    problems = [*_at_fault(scenario, found)]
    problems += [problem for place, slo in enumerate(scenario.slos) for problem in _broken(place, slo, found)]
    if not scenario.transient:
        problems += [*_too_busy(world, found), *_too_full(scenario, world, found)]
    if problems:
        raise ScenarioInvalid(f"{problems[0].path}: {problems[0].message}", problems)


def alone(world: WorldModel, workload: Workload, longest: float, seed: int) -> Alone:
    """Return what executions of a workload come to one after another; each is given `longest` seconds."""
    one_user = replace(workload, load=ClosedUsers(1, Fixed(longest / EXECUTIONS)))
    services = tuple(replace(each, outages=(), slowness=None, deploys=()) for each in world.services)
    quiet = World(
        replace(
            world,
            services=services,
            workloads=(one_user,),
            horizon=EXECUTIONS * longest,
            slowness={},
            standing=None,
            cluster=None,
        ),
        seed=seed,
        replication=0,
    )
    source, faults = quiet.sources[workload.name], Faults(quiet.shell)

    def enough() -> bool:
        attempts = sum(each.attempts for each in quiet.services.values())
        return len(source.jobs) >= EXECUTIONS or attempts >= MOST_ATTEMPTS

    outcome = quiet.run(enough, pieces=PIECES)
    seen, figures = (quiet.shell.now - source.begun_at) / MICROSECONDS, outcome.workloads[workload.name]
    ended = max(1, figures.times.size)
    places = {each.name: each.instances * each.capacity for each in world.services}
    count = 1 if world.workers is None else world.workers.count
    return Alone(
        times=figures.times,
        stuck=figures.overdue,
        services={name: each.busy * places[name] * seen / ended for name, each in outcome.services.items()},
        workers=outcome.worker_busy * count * seen / ended,
        fault=faults.of_all(),
    )


class Faults:
    """Looks at how the executions of a shell end: at those that fail by their own definition."""

    def __init__(self, shell: Shell) -> None:
        self._found: list[str] = []
        self._next, shell.ended = shell.ended, self._ended

    def of_all(self) -> str:
        """Return what the first one failed with if all that ended failed so, and nothing otherwise."""
        return self._found[0] if self._found and all(self._found) else ""

    def _ended(self, execution: Execution) -> None:
        error = execution.run.error
        if not execution.run.depth:
            own = error is not None and error.get("code") == EXPRESSION_ERROR
            self._found.append(f"{error['details'].get('step', '')}: {error['message']}" if error and own else "")
        self._next(execution)


def _at_fault(scenario: Scenario, found: Mapping[str, Alone]) -> list[Problem]:
    """Return the workloads none of whose executions gets anywhere, though no call of them fails."""
    return [
        Problem(
            f"workloads[{place}].input",
            "workload.fails",
            f"every execution of {each.name} fails by itself, at {found[each.name].fault}; give it the input that its "
            "definition asks for",
        )
        for place, each in enumerate(scenario.workloads)
        if found[each.name].fault
    ]


def _longest(scenario: Scenario, workload: str) -> float:
    promised = [getattr(slo, word) for slo in scenario.slos if slo.workload == workload for word in PERCENTILES]
    return max((seconds(each) for each in promised if each is not None), default=USUAL)


def _broken(place: int, slo: Slo, found: Mapping[str, Alone]) -> list[Problem]:
    problems = []
    for word, share in PERCENTILES.items():
        promised = getattr(slo, word)
        if promised is None:
            continue
        lone = found[slo.workload]
        in_time = lone.within(seconds(promised))
        if in_time < share - SURE * math.sqrt(share * (1 - share) / max(1, lone.count)):
            said = (
                f"cannot be kept: alone, with everything to itself, an execution of {slo.workload} is done within "
                f"{seconds(promised):g} s in {in_time:.1%} of the cases, {share:.0%} are promised; so at least "
                f"{1 - in_time:.1%} are late whatever is added"
            )
            problems.append(Problem(f"slos[{place}].{word}", "slo.impossible", said))
    return problems


def _too_busy(world: WorldModel, found: Mapping[str, Alone]) -> list[Problem]:
    problems = []
    for service in world.services:
        places = service.instances * service.capacity
        share = sum(rate * found[name].services[service.name] for name, rate in _rates(world)) / places
        if share >= CLEARLY:
            said = (
                f"the load needs about {share * places:.3g} calls served at once, retries and loops included, and "
                f"{service.name} serves {places} ({share:.0%} of what it bears): there is no steady state to wait for; "
                "more instances or capacity are needed, a lower load, or transient: true"
            )
            problems.append(Problem(f"services.{service.name}", "load.above_capacity", said))
    if world.workers is not None:
        share = sum(rate * found[name].workers for name, rate in _rates(world)) / world.workers.count
        if share >= CLEARLY:
            said = (
                f"the load keeps about {share * world.workers.count:.3g} workers busy, and there are "
                f"{world.workers.count} ({share:.0%}): more workers are needed, a lower load, or transient: true"
            )
            problems.append(Problem("workers.count", "load.above_capacity", said))
    return problems


def _too_full(scenario: Scenario, world: WorldModel, found: Mapping[str, Alone]) -> list[Problem]:
    """Return where more executions are under way at once, by Little's law, than may be."""
    held = {name: rate * float(found[name].times.mean()) for name, rate in _rates(world) if found[name].times.size}
    problems = []
    for place, each in enumerate(scenario.workflows):
        most = world.graphs[each["id"]].definition.config.max_concurrent or DEFAULTS.max_concurrent
        inside = sum(held.get(load.name, 0.0) for load in world.workloads if load.workflow == each["id"])
        if inside >= CLEARLY * most:
            said = (
                f"about {inside:.3g} executions are under way at once by Little's law, and {most} may be; "
                "raise it, or lower the load"
            )
            problems.append(Problem(f"workflows[{place}].config.max_concurrent", "load.above_capacity", said))
    slots = math.inf if world.workers is None else world.workers.count * world.workers.slots
    if sum(held.values()) >= CLEARLY * slots:
        said = (
            f"about {sum(held.values()):.3g} executions are under way at once by Little's law, and the workers have "
            f"{slots} slots; more workers or slots are needed, or a lower load"
        )
        problems.append(Problem("workers.slots", "load.above_capacity", said))
    return problems


def _rates(world: WorldModel) -> list[tuple[str, float]]:
    """Return the workloads that arrive whatever happens, and how many a second; users who wait overload nothing."""
    return [
        (each.name, each.load.rate(world.horizon)) for each in world.workloads if not isinstance(each.load, ClosedUsers)
    ]
