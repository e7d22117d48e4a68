"""The language of scenario files, as a typed model: read strictly, with all problems and their paths at once.

Durations are texts like `250ms` (or numbers of seconds) in a file and microseconds here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from orchestration.domain.calling.policy import parse_policy
from orchestration.domain.definition import parse_definition
from orchestration.domain.definition.shape import root_errors, shape_problems
from orchestration.domain.definition.values import Cpu, Duration
from orchestration.domain.documents import check_value, join_path
from orchestration.domain.errors import DocumentInvalid, Problem

from .case_language import CaseOf, Status, case_problems
from .chance_language import ArrivalsOf, Part, Share, Times, Whole
from .cluster_language import (
    CapacityOf,
    ConstraintsOf,
    DeployOf,
    DrainOf,
    NodeOutageOf,
    NodesOf,
    PlacementOf,
    RebalancingOf,
    cluster_problems,
)
from .experiments import ExperimentOf
from .recorded_language import RecordedOf, StandingOf

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Price = Annotated[float, Field(ge=0, le=1e9)]


class ScenarioInvalid(DocumentInvalid):
    """A scenario that cannot be simulated, with all that is wrong with it."""

    code = "scenario_invalid"


class FailuresOf(Part):
    """A share of attempts that fail; `methods` where a method's differs, `times` if failing takes another time.

    `status` is the HTTP status of a service's own code, which `http_503` names already.
    """

    share: Share
    code: str = "http_503"
    status: Status | None = None
    retryable: bool | None = None
    methods: dict[str, Share] = Field(default_factory=dict)
    times: Times | None = None


class OutageOf(Part):
    """For a while a share of `capacity` is left of some instances, or of all; 0: they answer nobody."""

    at: Duration
    lasts: Duration
    capacity: Share = 0.0
    instances: Whole | None = None


class ServiceOf(Part):
    """A service: how long it takes, how much it bears, how it fails, how it is called.

    `methods` and `steps` (`workflow.step`) say where times differ.
    """

    times: Times
    methods: dict[str, Times] = Field(default_factory=dict)
    steps: dict[str, Times] = Field(default_factory=dict)
    instances: Whole = 1
    capacity: Whole = 1
    room: Whole | None = None
    failures: FailuresOf | None = None
    slowness: Name | None = None
    outages: tuple[OutageOf, ...] = Field(default=(), strict=False)
    skips_expired: bool = False
    policy: dict[str, Any] | None = Field(default_factory=dict)
    line: Duration = 500_000
    output: dict[str, Any] = Field(default_factory=dict)
    needs: CapacityOf | None = None
    constraints: ConstraintsOf | None = None
    demand: Cpu = 0
    start_up: Duration = 0
    minimum: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    deploys: tuple[DeployOf, ...] = Field(default=(), strict=False)


class WorkersOf(Part):
    """Workers, their slots for executions, and what they cost, as `manage.py bench --calibrate` measures it.

    `calibration` names a file that it wrote, beside the scenario: what stands there holds where nothing else is said.
    """

    calibration: Annotated[str, Field(pattern=r"^[^/\\]+$")] | None = None
    count: Whole = 1
    slots: Whole = 500
    per_entry: Duration = 0
    commit: Duration = 0
    wake_up: Duration = 0
    per_execution: Duration = 0
    per_call: Duration = 0
    commit_per_entry: Duration = 0
    dispatch: Duration = 0
    linger: Duration = 0


class SlownessOf(Part):
    """Spells in which what shares them takes `factor` times as long."""

    factor: Annotated[float, Field(ge=1, le=1e6)]
    every: Duration
    lasts: Duration


class WorkloadOf(Part):
    """Executions of a workflow, and when they start; `priority` (0 goes first) is the workflow's own where silent.

    `cases` are the kinds of executions among them, and `answers` what services answer to those: as they were recorded.
    """

    name: Name
    workflow: str
    arrivals: ArrivalsOf
    input: dict[str, Any] = Field(default_factory=dict)
    priority: Annotated[int, Field(ge=0, le=9)] | None = None
    cases: tuple[CaseOf, ...] = Field(default=(), strict=False)
    answers: tuple[dict[str, Any], ...] = Field(default=(), strict=False)


class Slo(Part):
    """A promise on a workload: a percentile of the time from start to end, or the share that completes."""

    workload: Name
    p50: Duration | None = None
    p95: Duration | None = None
    p99: Duration | None = None
    completed: Share | None = None


class CostsOf(Part):
    """What one instance of a service and one worker cost an hour; `places` prices any other number in the scenario."""

    services: dict[Name, Price] = Field(default_factory=dict)
    worker: Price | None = None
    places: dict[str, Price] = Field(default_factory=dict)
    currency: Annotated[str, Field(max_length=8)] = ""


class SureOf(Part):
    """Replications are added until figures are within ±`within` of themselves, `at_most` so many."""

    within: Annotated[float, Field(gt=0, le=1)] = 0.05
    at_most: Annotated[int, Field(ge=10, le=10_000)] = 200


class Scenario(Part):
    """A whole scenario. `variants` are changes to it (merge patches), compared with it on common random numbers.

    `transient`: the question is about a change, so no warm-up is cut, and a load above capacity is not refused.
    `standing`: it begins with executions that are under way. `recorded` is what really happened, to be compared with;
    `provenance` is where a fitted scenario comes from.
    """

    scenario: Name
    description: str = ""
    horizon: Duration
    transient: bool = False
    replications: Annotated[int, Field(ge=2, le=1000)] = 20
    workflows: tuple[dict[str, Any], ...] = Field(strict=False)
    workloads: tuple[WorkloadOf, ...] = Field(strict=False)
    services: dict[str, ServiceOf]
    workers: WorkersOf | None = None
    slowness: dict[Name, SlownessOf] = Field(default_factory=dict)
    nodes: dict[Name, NodesOf] = Field(default_factory=dict)
    placement: PlacementOf = PlacementOf()
    rebalancing: RebalancingOf | None = None
    node_outages: tuple[NodeOutageOf, ...] = Field(default=(), strict=False)
    drains: tuple[DrainOf, ...] = Field(default=(), strict=False)
    slos: tuple[Slo, ...] = Field(default=(), strict=False)
    variants: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    until_sure: SureOf | None = None
    costs: CostsOf | None = None
    experiments: dict[Name, ExperimentOf] = Field(default_factory=dict)
    standing: StandingOf | None = None
    recorded: dict[Name, RecordedOf] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)


def parse_scenario(document: Any) -> Scenario:
    """Return the scenario that a document describes. Raises ScenarioInvalid with every problem and its path."""
    unfit = check_value(document)
    if unfit:
        raise _invalid(unfit)
    try:
        scenario = Scenario.model_validate(document)
    except ValidationError as error:
        locations = [each["loc"] for each in root_errors(error, short_lists=True)]
        told = zip(locations, shape_problems(error, short_lists=True), strict=True)
        raise _invalid([Problem(_path(document, where), each.code, _said(each)) for where, each in told]) from None
    problems = [*_inner(scenario), *_references(scenario), *cluster_problems(scenario)]
    if problems:
        raise _invalid(problems)
    return scenario


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema 2020-12 of scenario files; `parse_scenario` is the judge."""
    schema = Scenario.model_json_schema(mode="validation")
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "Podium simulation scenario, version 1"}


def scenario_schema_text() -> str:
    """Return the JSON Schema as the reference shows it."""
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"


def _inner(scenario: Scenario) -> list[Problem]:
    problems: list[Problem] = []
    for place, definition in enumerate(scenario.workflows):
        problems += _problems_of(lambda definition=definition: parse_definition(definition), f"workflows[{place}]")
    for name, service in scenario.services.items():
        policy = service.policy
        if policy is not None:
            problems += _problems_of(lambda policy=policy: parse_policy(policy), f"services.{name}.policy")
    return problems


def _problems_of(read: Any, path: str) -> list[Problem]:
    try:
        read()
    except DocumentInvalid as error:
        return [
            Problem(f"{path}.{each.path}" if each.path else path, each.code, each.message) for each in error.problems
        ]
    return []


def _references(scenario: Scenario) -> list[Problem]:
    problems: list[Problem] = []
    workflows = {each["id"] for each in scenario.workflows if isinstance(each.get("id"), str)}
    workloads = [each.name for each in scenario.workloads]
    if not workloads:
        problems.append(Problem("workloads", "value.range", "there is no workload: nothing would happen"))
    for place, workload in enumerate(scenario.workloads):
        if workload.workflow not in workflows:
            known = ", ".join(sorted(map(str, workflows))) or "none"
            said = f"there is no workflow {workload.workflow}; there are: {known}"
            problems.append(Problem(f"workloads[{place}].workflow", "reference.unknown", said))
        if workloads.index(workload.name) != place:
            problems.append(Problem(f"workloads[{place}].name", "id.duplicate", "the name is given twice"))
        problems += case_problems(workload.cases, workload.answers, f"workloads[{place}]")
    for place, slo in enumerate(scenario.slos):
        if slo.workload not in workloads:
            said = f"there is no workload {slo.workload}; there are: {', '.join(workloads)}"
            problems.append(Problem(f"slos[{place}].workload", "reference.unknown", said))
    for name, service in scenario.services.items():
        if service.slowness is not None and service.slowness not in scenario.slowness:
            said = f"there is no slowness {service.slowness}"
            problems.append(Problem(f"services.{name}.slowness", "reference.unknown", said))
    if scenario.workers is not None and scenario.workers.calibration is not None:
        said = "a file is read by `manage.py simulate` alone; write here what stands in it"
        problems.append(Problem("workers.calibration", "reference.unknown", said))
    return problems + _uncalled(scenario)


def _uncalled(scenario: Scenario) -> list[Problem]:
    return [
        Problem(f"{path}.service_name", "reference.unknown", f"there is no service {called} in this scenario")
        for place, definition in enumerate(scenario.workflows)
        for path, called in calls_in(definition.get("steps"), f"workflows[{place}].steps")
        if called not in scenario.services
    ]


def calls_in(steps: Any, path: str) -> list[tuple[str, str]]:
    """Return where services are called in a list of steps, nested ones included, and which."""
    found: list[tuple[str, str]] = []
    for place, step in enumerate(steps if isinstance(steps, list | tuple) else ()):
        if not isinstance(step, Mapping):
            continue
        here = f"{path}[{place}]"
        if step.get("type") == "service" and isinstance(step.get("service_name"), str):
            found.append((here, step["service_name"]))
        found += calls_in(step.get("steps"), f"{here}.steps")
    return found


def _path(document: Any, location: tuple[int | str, ...]) -> str:
    """Return a location as a path in the document: what stands for a chosen kind is left out."""
    path, here = "", document
    for place, part in enumerate(location):
        known = part in here if isinstance(here, Mapping) else isinstance(here, list) and isinstance(part, int)
        if known:
            here = here[part]
        elif place < len(location) - 1 or not isinstance(here, Mapping):
            continue
        path = join_path(path, part)
    return path


def _said(problem: Problem) -> str:
    return "there is no such key" if problem.code == "key.unknown" else problem.message


def _invalid(problems: list[Problem]) -> ScenarioInvalid:
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ScenarioInvalid(f"{first.path}: {first.message}{more}" if first.path else first.message + more, problems)
