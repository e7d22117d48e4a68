"""From a scenario to a world."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from orchestration.domain.calling.policy import parse_policy
from orchestration.domain.definition import parse_definition
from orchestration.domain.documents import merged
from orchestration.domain.errors import Problem
from orchestration.domain.graph import Graph
from orchestration.domain.limits import MICROSECONDS
from simulation.arrivals import processes
from simulation.arrivals.closed import ClosedUsers
from simulation.service_models import distributions as d
from simulation.service_models.empirical import Empirical, EmpiricalWithTail
from simulation.world.load import Workload
from simulation.world.models import Failures, Outage, ServiceModel, Slowness, WorkersModel
from simulation.world.standing import Standing
from simulation.world.world import WorldModel

from . import chance_language
from .case_building import case_of
from .cluster_building import cluster_of, on_nodes
from .language import FailuresOf, Scenario, ScenarioInvalid, ServiceOf, parse_scenario
from .standing import secrets_in, standing_of

AS_WRITTEN = "as-written"

T = TypeVar("T")


def variants_of(document: dict[str, Any]) -> dict[str, Scenario]:
    """Return the scenario as it is written and each of its variants, by name.

    Raises ScenarioInvalid with all problems of the first one that cannot be simulated.
    """
    base = parse_scenario(document)
    found = {AS_WRITTEN: base}
    for name, change in base.variants.items():
        try:
            found[name] = parse_scenario(variant_document(document, change))
        except ScenarioInvalid as error:
            problems = [Problem(f"variants.{name}.{each.path}", each.code, each.message) for each in error.problems]
            raise ScenarioInvalid(f"variants.{name}: {error.message}", problems) from None
    return found


def variant_document(document: Mapping[str, Any], change: Any) -> dict[str, Any]:
    """Return the document of a variant: the scenario with its change (a merge patch), and no variants of its own."""
    changed: dict[str, Any] = merged({**document, "variants": {}}, change)
    return changed


def world_of(scenario: Scenario, folder: Path) -> WorldModel:
    """Return the world of a scenario; files that it names are looked for in `folder`.

    Raises ScenarioInvalid for what only shows when it is built: percentiles that contradict, recordings that are not
    there.
    """
    graphs = {}
    for each in scenario.workflows:
        definition = parse_definition(each)
        graphs[definition.id] = Graph.compile(definition)
    workers = scenario.workers
    services = tuple(_service(name, each) for name, each in scenario.services.items())
    return WorldModel(
        graphs=graphs,
        services=services,
        cluster=cluster_of(scenario, services),
        workloads=tuple(
            Workload(
                each.name,
                each.workflow,
                _load(each.arrivals, f"workloads[{place}].arrivals", folder),
                each.input,
                each.priority,
                tuple(case_of(case, each.answers) for case in each.cases),
            )
            for place, each in enumerate(scenario.workloads)
        ),
        horizon=seconds(scenario.horizon),
        workers=None
        if workers is None
        else WorkersModel(
            workers.count,
            workers.slots,
            **{
                cost: seconds(getattr(workers, cost))
                for cost in type(workers).model_fields
                if cost not in ("calibration", "count", "slots")
            },
        ),
        slowness={
            name: Slowness(each.factor, seconds(each.every), seconds(each.lasts))
            for name, each in scenario.slowness.items()
        },
        secrets=secrets_in(scenario.workflows),
        standing=_standing(scenario, folder),
    )


def _standing(scenario: Scenario, folder: Path) -> Standing | None:
    given = scenario.standing
    if given is None:
        return None
    found = _told("standing.file", lambda: standing_of(given, folder))
    known = {each["id"] for each in scenario.workflows}
    for each in found.executions:
        if each.workflow not in known:
            said = f"{each.id} is one of workflow {each.workflow}, which is not in this scenario"
            raise ScenarioInvalid(f"standing: {said}", [Problem("standing.file", "reference.unknown", said)])
    return found


def seconds(duration: int) -> float:
    """Return microseconds as seconds."""
    return duration / MICROSECONDS


def _service(name: str, given: ServiceOf) -> ServiceModel:
    path = f"services.{name}"
    return ServiceModel(
        name=name,
        times=_told(f"{path}.times", lambda: times_of(given.times)),
        methods={
            method: _told(f"{path}.methods.{method}", lambda each=each: times_of(each))  # type: ignore[misc]
            for method, each in given.methods.items()
        },
        instances=given.instances,
        capacity=given.capacity,
        room=given.room,
        steps={
            step: _told(f"{path}.steps.{step}", lambda each=each: times_of(each))  # type: ignore[misc]
            for step, each in given.steps.items()
        },
        failures=_failures(path, given.failures),
        slowness=given.slowness,
        outages=tuple(
            Outage(seconds(each.at), seconds(each.lasts), each.capacity, each.instances) for each in given.outages
        ),
        skips_expired=given.skips_expired,
        policy=None if given.policy is None else parse_policy(given.policy),
        line=seconds(given.line),
        output=given.output,
        **on_nodes(given),
    )


def times_of(given: Any) -> d.Distribution:
    """Return a distribution of times. Raises ValueError for one that cannot be."""
    match given:
        case chance_language.FixedTimes():
            return d.Fixed(seconds(given.time))
        case chance_language.ExponentialTimes():
            return d.Exponential(seconds(given.mean))
        case chance_language.GammaTimes():
            return d.Gamma(seconds(given.mean), given.scv)
        case chance_language.WeibullTimes():
            return d.Weibull(given.shape, seconds(given.scale))
        case chance_language.HyperExponentialTimes():
            return _hyper_exponential(given)
        case chance_language.LognormalTimes():
            return _lognormal(given)
        case _:
            values = [seconds(each) for each in given.values]
            return EmpiricalWithTail.of(values) if given.tail else Empirical.of(values)


def _lognormal(given: chance_language.LognormalTimes) -> d.Lognormal:
    if given.mean is not None and given.scv is not None and given.p50 is None and given.p99 is None:
        return d.Lognormal(seconds(given.mean), given.scv)
    if given.p50 is not None and given.p99 is not None and given.mean is None and given.scv is None:
        return d.Lognormal.by_percentiles(p50=seconds(given.p50), p99=seconds(given.p99))
    raise ValueError("a lognormal is given by mean and scv, or by p50 and p99")


def _hyper_exponential(given: chance_language.HyperExponentialTimes) -> d.HyperExponential:
    by_kinds = (given.share, given.one, given.other)
    if given.mean is not None and given.scv is not None and by_kinds == (None, None, None):
        return d.HyperExponential.balanced(seconds(given.mean), given.scv)
    if given.mean is None and given.scv is None and None not in by_kinds:
        assert given.share is not None and given.one is not None and given.other is not None  # noqa: PT018 - for mypy
        return d.HyperExponential(given.share, seconds(given.one), seconds(given.other))
    raise ValueError("a hyper-exponential is given by mean and scv, or by share, one and other")


def _failures(path: str, given: FailuresOf | None) -> Failures | None:
    if given is None:
        return None
    times = None if given.times is None else _told(f"{path}.failures.times", lambda: times_of(given.times))
    return Failures(given.share, given.code, given.retryable, given.methods, times, given.status)


def _load(given: Any, path: str, folder: Path) -> processes.Arrivals | ClosedUsers:
    return _told(path, lambda: _arrivals(given, folder))


def _arrivals(given: Any, folder: Path) -> processes.Arrivals | ClosedUsers:
    match given:
        case chance_language.PoissonArrivals():
            return processes.Poisson(given.per_second)
        case chance_language.PiecewiseArrivals():
            return processes.PiecewiseRates(
                tuple(seconds(each.at) for each in given.steps),
                tuple(each.per_second for each in given.steps),
                None if given.period is None else seconds(given.period),
            )
        case chance_language.ModulatedArrivals():
            return processes.Modulated(
                tuple(each.per_second for each in given.states), tuple(seconds(each.stays) for each in given.states)
            )
        case chance_language.BatchArrivals():
            return processes.Batches(processes.Poisson(given.per_second), given.size, given.fixed)
        case chance_language.CronArrivals():
            begin = datetime.fromisoformat(given.begin)
            return processes.Schedule(given.schedule, begin if begin.tzinfo else begin.replace(tzinfo=UTC), given.each)
        case chance_language.UserArrivals():
            return ClosedUsers(given.users, times_of(given.think))
        case _:
            recorded = list(given.times) if given.times is not None else _recorded(folder, given.file, given.column)
            return processes.Trace.of(np.asarray(recorded, dtype=np.float64), given.speed)


def recorded_times(folder: Path, file: str, column: str, *, path: str) -> list[float]:
    """Return the instants of a recording beside a scenario. Raises ScenarioInvalid, with `path`, if it is not there."""
    return _told(path, lambda: _recorded(folder, file, column))


def _recorded(folder: Path, file: str | None, column: str) -> list[float]:
    if file is None:
        raise ValueError("a trace has times, or a file of them")
    path = folder / file
    if not path.is_file():
        raise ValueError(f"there is no file {file} beside the scenario, nor in the folder that --data names")
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        if column not in (rows.fieldnames or ()):
            raise ValueError(f"{file} has no column {column}")
        return [_instant(row[column]) for row in rows]


def _instant(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        # Dates have six digits behind the second at most; recordings may have more.
        stamp = datetime.fromisoformat(text[:26])
        return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()


def _told(path: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except ValueError as error:
        raise ScenarioInvalid(f"{path}: {error}", [Problem(path, "value.range", str(error))]) from None
