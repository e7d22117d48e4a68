"""What a simulated world consists of, as plain values. Times are seconds, instants seconds from the beginning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.domain.calling.policy import DEFAULT_POLICY, ServicePolicy
from orchestration.domain.capacity.vector import NOTHING, Capacity
from orchestration.domain.placement.fleet import NO_CONSTRAINTS, Constraints
from simulation.service_models.distributions import Distribution

from .cluster_models import Deploy


@dataclass(frozen=True, slots=True)
class Failures:
    """A share of attempts that fail with `code` (and HTTP `status`) when their time is over.

    `retryable` is the service's own word.
    `methods` are shares of methods that differ, `times` how long a failing attempt takes where that differs.
    """

    share: float
    code: str = "http_503"
    retryable: bool | None = None
    methods: Mapping[str, float] = field(default_factory=dict)
    times: Distribution | None = None
    status: int | None = None


def details_of(code: str, status: int | None) -> dict[str, Any]:
    """Return the details of a failure with `code`: its HTTP status, as given or as `http_503` names it, or nothing."""
    named = code.removeprefix("http_")
    if status is None and named.isdigit():
        status = int(named)
    return {} if status is None else {"status": status}


@dataclass(frozen=True, slots=True)
class Slowness:
    """Spells in which all calls of the services that share it take `factor` times as long: slowness that correlates.

    They come after exponential times of mean `every` seconds, and last `lasts` seconds on average.
    """

    factor: float
    every: float
    lasts: float


@dataclass(frozen=True, slots=True)
class Outage:
    """From `at` for `lasts` seconds a share of `capacity` is left of a service; 0: it answers nobody, `connection`.

    `instances` is how many instances it concerns; None: all.
    """

    at: float
    lasts: float
    capacity: float = 0.0
    instances: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """A service: `instances` that serve `capacity` calls each at once, first come first served.

    `times` is how long a call is served, `methods` where a method differs, `steps` where a step does, by
    `workflow.step`. `room` bounds those served and waiting at
    one instance; beyond it is answered 503 at once. `skips_expired`: who gave up waiting is not served.
    `policy` None: there is no gate, calls are made whatever happens. `line` is how long a call that meets a rate or
    concurrency limit waits before it is put off (seconds; the site's `calling_line_seconds`).

    On nodes, an instance `needs` so much and is placed by its `constraints`; a call that is served wants `demand`
    millicores. A new instance serves after `start_up` seconds; below `minimum` running ones none is moved or replaced
    before another one serves.
    """

    name: str
    times: Distribution
    methods: Mapping[str, Distribution] = field(default_factory=dict)
    steps: Mapping[str, Distribution] = field(default_factory=dict)
    instances: int = 1
    capacity: int = 1
    room: int | None = None
    failures: Failures | None = None
    slowness: str | None = None
    outages: tuple[Outage, ...] = ()
    skips_expired: bool = False
    policy: ServicePolicy | None = DEFAULT_POLICY
    line: float = 0.5
    output: Mapping[str, Any] = field(default_factory=dict)
    needs: Capacity = NOTHING
    constraints: Constraints = NO_CONSTRAINTS
    demand: int = 0
    start_up: float = 0.0
    minimum: int = 0
    deploys: tuple[Deploy, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkersModel:
    """`count` workers that hold `slots` executions each, and what taking up, deciding, calling and committing costs.

    `per_execution`, `per_entry` and `per_call` are the worker's own time (seconds; one loop each, so it queues) for an
    execution that it takes up, a journal entry, a call. A commit takes `commit` and `commit_per_entry` for each entry
    in it; a worker makes one at a time, of all that waits. `dispatch` is until a worker that is awake notices a new
    execution, `wake_up` until one does when none is: they sleep `linger` after the last execution ended.
    `manage.py bench --calibrate` measures all of them.
    """

    count: int = 1
    slots: int = 500
    per_entry: float = 0.0
    commit: float = 0.0
    wake_up: float = 0.0
    per_execution: float = 0.0
    per_call: float = 0.0
    commit_per_entry: float = 0.0
    dispatch: float = 0.0
    linger: float = 0.0
