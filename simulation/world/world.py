"""A world put together from its models, run once: one replication."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestration.domain.commands import StartAttempt
from orchestration.domain.errors import StepError
from orchestration.domain.facts import Answered, Failed
from orchestration.domain.graph import Graph
from orchestration.domain.limits import MICROSECONDS
from orchestration.domain.run.state import NOTIFIER
from simulation.streams import Floats, Streams

from . import faults
from .clock import Clock
from .cluster import Cluster
from .cluster_figures import ClusterFigures, figures_of
from .cluster_models import BOUNDLESS, ClusterModel
from .load import Source, Workload
from .models import ServiceModel, Slowness, WorkersModel
from .relocating import Relocating
from .service import Service
from .shell import EPOCH, Execution, Shell
from .standing import Resumed, ResumedFigures, Standing
from .workers import Workers

COLLECTIONS = (1_000, 20, 100)
"""Rubbish is looked for while it is still in the processor's cache; waiting until there is much costs a third."""

RECENT = 20
"""What began in the last such part of the time may well be open at its end."""


@dataclass(frozen=True, slots=True)
class WorldModel:
    """All that a world consists of. `horizon` is in seconds, `standing` what is under way when it begins."""

    graphs: Mapping[str, Graph]
    services: tuple[ServiceModel, ...]
    workloads: tuple[Workload, ...]
    horizon: float
    workers: WorkersModel | None = None
    slowness: Mapping[str, Slowness] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    standing: Standing | None = None
    cluster: ClusterModel | None = None


@dataclass(frozen=True, slots=True)
class WorkloadFigures:
    """What became of a workload's executions that ended, by job: times from arrival to end and instants, in seconds.

    `open` had not ended at the end; of these `overdue` had begun before the last twentieth of the time. Each job whose
    times are here stands for `every`: 1 unless there were more than a workload keeps (see `load.MOST_KEPT`).
    """

    offered: int
    open: int
    overdue: int
    times: Floats
    ended_at: Floats
    good: Floats
    every: int = 1

    @property
    def ended(self) -> int:
        """Return how many ended; where not all were kept, to within `every`."""
        return self.times.size * self.every

    @property
    def completed(self) -> float:
        """Return how many completed; where not all were kept, by the share of those that were."""
        return float(self.good.sum()) * self.every


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """What became of a service's calls. `busy` is the share of its places in use, `inside` the mean number in it.

    `arrivals` are calls a second, `time` the mean seconds that one spent there: by Little's law `inside` is their
    product.
    """

    attempts: int
    failed: int
    timed_out: int
    refused: int
    postponed: Mapping[str, int]
    busy: float
    inside: float
    arrivals: float
    time: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One replication. `steps` is how many attempts were made in all, `worker_busy` the share of the workers' time.

    `open_over_time` is how many executions were open at the beginning and after each hundredth of the time.
    """

    workloads: Mapping[str, WorkloadFigures]
    services: Mapping[str, ServiceFigures]
    steps: int
    entries: int
    worker_busy: float
    waiting: int
    open_over_time: tuple[int, ...] = ()
    resumed: ResumedFigures | None = None
    cluster: ClusterFigures | None = None


class World:
    """A world in which time passes. Calls of what is not modelled are answered at once where they are notifications."""

    def __init__(self, model: WorldModel, *, seed: int, replication: int) -> None:
        self.model = model
        streams = Streams(seed, replication)
        begin = EPOCH if model.standing is None else model.standing.at
        self.shell = Shell(
            model.graphs,
            env=Clock(initial_time=begin),
            secrets=model.secrets,
            service_timeouts=_timeouts(model),
        )
        self.workers = None if model.workers is None else Workers(model.workers, self.shell)
        nodes = model.cluster
        if nodes is None and any(each.deploys for each in model.services):
            nodes = BOUNDLESS
        placed = nodes is not None
        self.services = {each.name: Service(each, self.shell, streams, placed=placed) for each in model.services}
        self.cluster = None if nodes is None else Cluster(nodes, self.services, self.shell)
        starts = Counter(each.workflow for each in model.workloads)
        self.sources = {
            each.name: Source(each, self.shell, self.workers, streams, shared=starts[each.workflow] > 1)
            for each in model.workloads
        }
        self._by_prefix = {source.prefix: source for source in self.sources.values()}
        self.shell.calls = self
        self.shell.workers = self.workers
        self.shell.ended = self._ended
        cases = {each.workload.workflow: each.cases for each in self.sources.values() if each.cases is not None}
        self.resumed = None if model.standing is None else Resumed(model.standing, self.shell, self.services, cases)
        self.open_over_time: list[int] = []
        self._begin_faults(streams)

    def run(self, stop: Callable[[], bool] = lambda: False, pieces: int = 100) -> Outcome:
        """Let the horizon pass and return what was seen. `stop` is asked a hundred times on the way; True ends it."""
        for source in self.sources.values():
            source.begin(self.model.horizon)
        begin, length = self.shell.now, round(self.model.horizon * MICROSECONDS)
        if self.resumed is not None:
            self.resumed.begin()
        self._count_open()
        before = gc.get_threshold()
        gc.set_threshold(*COLLECTIONS)
        try:
            for piece in range(1, pieces + 1):
                self.shell.env.pass_until(begin + length * piece // pieces)
                self._count_open()
                if stop():
                    break
        finally:
            gc.set_threshold(*before)
        return self._outcome(self.shell.now - begin)

    def call(self, execution: Execution, command: StartAttempt) -> None:
        """Have the service make the attempt."""
        service = self.services.get(command.service)
        if service is not None:
            if execution.under_way and command.attempt in execution.under_way:
                service.go_on(execution, command)
            else:
                service.call(execution, command)
        elif command.service == NOTIFIER:
            self.shell.after(0, self._told, (execution, Answered(command.attempt)))
        else:
            error = StepError("service_not_found", f"there is no service {command.service}")
            self.shell.after(0, self._told, (execution, Failed(command.attempt, error)))

    def cancel(self, execution: Execution, attempt: str) -> None:
        """Let an attempt go."""
        work = execution.work.get(attempt)
        if work is not None:
            work.service.cancel(execution, attempt)
            return
        for service in self.services.values():
            service.cancel(execution, attempt)

    def _told(self, happening: Any) -> None:
        execution, fact = happening._value
        self.shell.tell(execution, fact)

    def _ended(self, execution: Execution) -> None:
        if execution.run.depth:
            return
        if self.resumed is not None and self.resumed.ended(execution):
            return
        self._by_prefix[execution.id.rpartition("/")[0]].ended(execution)
        if self.workers is not None:
            self.workers.ended()

    def _begin_faults(self, streams: Streams) -> None:
        shell = self.shell
        for service in self.services.values():
            for fault in service.model.outages:
                shell.env.process(faults.outage(shell, service, fault))
        for name, spells in self.model.slowness.items():
            struck = [each for each in self.services.values() if each.model.slowness == name]
            shell.env.process(faults.slowness(shell, struck, spells, streams.generator(f"slowness:{name}")))
        if self.cluster is not None:
            relocating = Relocating(self.cluster)
            relocating.begin()
            for failures in self.cluster.model.failures:
                for node in failures.nodes:
                    shell.env.process(relocating.failing(node, failures, streams.generator(f"node:{node}")))

    def _outcome(self, length: int) -> Outcome:
        workers = self.workers
        busy = 0.0 if workers is None else workers.spent / (length * workers.model.count)
        return Outcome(
            workloads={name: _workload(source, self.shell.now) for name, source in self.sources.items()},
            services={name: self._service(service, length) for name, service in self.services.items()},
            steps=sum(each.attempts for each in self.services.values()),
            entries=self.shell.entries,
            worker_busy=busy,
            waiting=0 if workers is None else workers.waiting,
            open_over_time=tuple(self.open_over_time),
            resumed=None if self.resumed is None else self.resumed.figures(),
            cluster=None if self.cluster is None else figures_of(self.cluster, self.shell.now - length, self.shell.now),
        )

    def _count_open(self) -> None:
        resumed = 0 if self.resumed is None else self.resumed.open
        self.open_over_time.append(resumed + sum(source.open for source in self.sources.values()))

    def _service(self, service: Service, length: int) -> ServiceFigures:
        for station in service.stations:
            station.measure(self.shell.now)
        stations = [*service.stations, *service.retired]
        served = sum(each.served for each in stations)
        places = sum(each.places_area for each in stations)
        spent = sum(each.spent for each in stations)
        return ServiceFigures(
            attempts=service.attempts,
            failed=service.failed,
            timed_out=service.timed_out,
            refused=service.refused,
            postponed=dict(service.postponed),
            busy=sum(each.busy_area for each in stations) / max(1, places),
            inside=sum(each.inside_area for each in stations) / length,
            arrivals=served * MICROSECONDS / length,
            time=spent / served / MICROSECONDS if served else 0.0,
        )


def simulate(model: WorldModel, *, seed: int, replication: int = 0) -> Outcome:
    """Return one replication of a world."""
    return World(model, seed=seed, replication=replication).run()


def _workload(source: Source, now: int) -> WorkloadFigures:
    jobs = np.frombuffer(source.jobs, dtype=np.int64) if source.jobs else np.empty(0, dtype=np.int64)
    order = np.argsort(jobs, kind="stable")
    arrived = np.array(source.arrived_at, dtype=np.int64)[order]
    ended = np.array(source.ended_at, dtype=np.int64)[order]
    return WorkloadFigures(
        offered=source.offered,
        open=source.open,
        overdue=source.begun_before(now - (now - source.begun_at) // RECENT),
        times=(ended - arrived) / MICROSECONDS,
        ended_at=(ended - source.begun_at) / MICROSECONDS,
        good=np.frombuffer(bytes(source.good), dtype=np.uint8)[order].astype(np.float64),
        every=source.every,
    )


def _timeouts(model: WorldModel) -> dict[str, int]:
    policies = ((each.name, each.policy) for each in model.services)
    return {name: policy.timeout for name, policy in policies if policy is not None and policy.timeout is not None}
