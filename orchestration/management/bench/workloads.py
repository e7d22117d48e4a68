"""The workloads: what is started, what is waited for, and what is read from the journal afterwards.

Where the figures come from. `seconds` is wall time in this process, from before the first start call until the end of
the last execution was read back from the database; with `throughput`, whose executions shall run together, from before
the commit that makes all of them known at once (`starts_per_s` is how fast they were inserted until then). On SQLite,
whose lock nobody may hold for long, more than TOGETHER_EMBEDDED are inserted in several transactions, and all but the
first of them are part of the measured time. Step-to-step latency is the distance between the instants of two
neighbouring `step.started` entries: the commit of the first, its call, the answer's way back, and the decision of the
second. The start latency ends at the instant at which the python function of the first step was called, so the commit
of its `step.started` is in it. CPU seconds are those of the workers with all their children and of this process, which
makes the starts and looks for the end (without what the looks at memory cost); a service over HTTP is counted apart,
and a database server is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from threading import Event
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from orchestration import clock
from orchestration.domain.events import STEP_STARTED
from orchestration.engine import operations, queries
from orchestration.management.bench import definitions
from orchestration.management.bench.figures import Figures, percentile
from orchestration.management.bench.site import BenchFailed, Site
from orchestration.management.bench.usage import PeakMemory, cpu_seconds, own_cpu_seconds

PATIENCE = 300.0
# How often the end is looked for: seldom enough to cost little beside what is measured.
POLL_SECONDS = {"throughput": 0.025, "fanout": 0.005}
# SQLite has one writer: rows that are inserted together keep the workers' heartbeats waiting meanwhile.
TOGETHER_EMBEDDED = 2_000
UNDONE = ("pending", "running", "paused", "compensating")
ASLEEP_STARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is asked for: how many executions, how many steps in each, and whether steps are calls over HTTP."""

    name: str
    executions: int
    steps: int
    http: bool


@dataclass(slots=True)
class _Usage:
    """CPU seconds used while measuring, and the most memory seen (MiB)."""

    workers_cpu: float = 0.0
    own_cpu: float = 0.0
    service_cpu: float = 0.0
    memory: float = 0.0


def run(site: Site, workload: Workload) -> Figures:
    """Run a workload once and return what it measured. Raises BenchFailed where anything did not complete."""
    return RUNS[workload.name](site, workload)


def warm_up(site: Site, workload: Workload) -> str:
    """Wait until the workers work: one execution of the workload's own kind completes. Return its id."""
    document = definitions.chain(
        steps=workload.steps if workload.name in ("chain", "throughput") else 10, http=workload.http
    )
    _save(site, document)
    execution = _start(site, document["id"])
    _complete(site, execution)
    return execution


def chain(site: Site, workload: Workload) -> Figures:
    """Run chains one at a time."""
    document = definitions.chain(steps=workload.steps, http=workload.http)
    _save(site, document)
    latencies: list[float] = []
    with _measured(site) as usage:
        began = clock.monotonic()
        ids = []
        for _ in range(workload.executions):
            ids.append(_start(site, document["id"]))
            _complete(site, ids[-1])
        seconds = clock.monotonic() - began
    for each in ids:
        starts = [entry.at for entry in _journal(site, each) if entry.type == STEP_STARTED]
        latencies += [(after - before).total_seconds() * 1000 for before, after in pairwise(starts)]
    return _figures(workload, seconds, usage, steps=workload.steps * workload.executions, latencies=latencies)


def throughput(site: Site, workload: Workload) -> Figures:
    """Run all executions together."""
    document = definitions.chain(steps=workload.steps, http=workload.http)
    _save(site, document)
    together = TOGETHER_EMBEDDED if connection.vendor == "sqlite" else workload.executions
    since, called = clock.now(), clock.monotonic()
    rate = began = 0.0
    usage = _Usage()
    with ExitStack() as measuring:
        for first in range(0, workload.executions, together):
            with transaction.atomic():
                count = min(together, workload.executions - first)
                for _ in range(count):
                    _start(site, document["id"])
                _wake_once()
                if not first:
                    rate = count / (clock.monotonic() - called)
                    usage = measuring.enter_context(_measured(site))
                    began = clock.monotonic()
        _until_none_left(site, workload, document["id"])
        seconds = clock.monotonic() - began
    lasted = [
        (ended.ended_at - ended.started_at).total_seconds() * 1000
        for ended in _all_completed(site, document["id"], since=since, expected=workload.executions)
        if ended.ended_at is not None and ended.started_at is not None
    ]
    figures = _figures(workload, seconds, usage, steps=workload.steps * workload.executions, latencies=lasted)
    return replace(figures, starts_per_s=rate)


def _wake_once() -> None:
    """Leave one of the wake-ups that are to be sent after the commit: a thousand would measure the doorbell."""
    del connection.run_on_commit[:-1]


def fanout(site: Site, workload: Workload) -> Figures:
    """Run one execution of steps beside one another and a join."""
    document = definitions.fanout(steps=workload.steps, http=workload.http)
    _save(site, document)
    given = {"items": list(range(workload.steps))} if workload.steps > definitions.WRITTEN_DOWN else {}
    with _measured(site) as usage:
        began = clock.monotonic()
        execution = _start(site, document["id"], given)
        _until_none_left(site, workload, document["id"])
        seconds = clock.monotonic() - began
    _complete(site, execution)
    return _figures(replace(workload, executions=1), seconds, usage, steps=workload.steps + 1, latencies=[])


def start(site: Site, workload: Workload) -> Figures:
    """Start single steps on an idle system: while a shift is awake, and when none is."""
    document = definitions.start()
    _save(site, document)
    _complete(site, _start(site, document["id"]))
    with _measured(site) as usage:
        began = clock.monotonic()
        awake = [_start_latency(site, document["id"]) for _ in range(workload.executions)]
        seconds = clock.monotonic() - began
    asleep = []
    for _ in range(ASLEEP_STARTS):
        Event().wait(settings.PODIUM.shift_linger_seconds + 1.0)
        asleep.append(_start_latency(site, document["id"]))
    figures = _figures(workload, seconds, usage, steps=workload.executions, latencies=awake)
    return replace(figures, asleep_p50_ms=percentile(asleep, 0.5), asleep_p99_ms=percentile(asleep, 0.99))


RUNS: dict[str, Callable[[Site, Workload], Figures]] = {
    "chain": chain,
    "throughput": throughput,
    "fanout": fanout,
    "start": start,
}


def _save(site: Site, document: dict[str, Any]) -> None:
    operations.save_definition(team_id=site.team_id, document=document, by="bench")


def _start(site: Site, workflow: str, given: dict[str, Any] | None = None) -> str:
    started = operations.start_execution(team_id=site.team_id, workflow=workflow, input=given or {}, by="bench")
    return started.execution_id


def _start_latency(site: Site, workflow: str) -> float:
    called = clock.now_us()
    execution = _start(site, workflow)
    _complete(site, execution)
    detail = queries.get_execution(team_id=site.team_id, execution_id=execution)
    return (detail.steps[0].output["called_at"] - called) / 1000


def _complete(site: Site, execution: str) -> None:
    ended = queries.wait_until_ended(team_id=site.team_id, execution_id=execution, timeout=PATIENCE)
    if ended.status != "completed":
        raise BenchFailed(f"execution {execution} is {ended.status}: {ended.error}; {site.workers.last_lines()}")


def _all_completed(site: Site, workflow: str, *, since: Any, expected: int) -> Sequence[queries.ExecutionSummary]:
    found: list[queries.ExecutionSummary] = []
    cursor = None
    while True:
        page = queries.list_executions(
            team_id=site.team_id, workflow=workflow, status=("completed",), since=since, cursor=cursor, limit=500
        )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    if len(found) != expected:
        raise BenchFailed(f"{len(found)} of {expected} executions completed; {site.workers.last_lines()}")
    return found


def _journal(site: Site, execution: str) -> Iterator[queries.JournalEntry]:
    after = 0
    while entries := queries.list_events(team_id=site.team_id, execution_id=execution, after=after):
        yield from entries
        after = entries[-1].seq


def _until_none_left(site: Site, workload: Workload, workflow: str) -> None:
    until = clock.monotonic() + PATIENCE
    between = Event()
    while queries.list_executions(team_id=site.team_id, workflow=workflow, status=UNDONE, limit=1).items:
        if clock.monotonic() > until:
            raise BenchFailed(f"not done after {PATIENCE:.0f} s; {site.workers.last_lines()}")
        between.wait(POLL_SECONDS[workload.name])


@contextmanager
def _measured(site: Site) -> Iterator[_Usage]:
    usage = _Usage()
    service = site.service_pid
    workers = site.workers_pid
    before, own_before = cpu_seconds(workers), own_cpu_seconds()
    service_before = 0.0 if service is None else cpu_seconds(service)
    with PeakMemory(workers) as peak:
        yield usage
    usage.workers_cpu = cpu_seconds(site.workers_pid) - before
    usage.own_cpu = own_cpu_seconds() - own_before - peak.cpu
    usage.service_cpu = 0.0 if service is None else cpu_seconds(service) - service_before
    usage.memory = peak.mb


def _figures(workload: Workload, seconds: float, usage: _Usage, *, steps: int, latencies: Sequence[float]) -> Figures:
    return Figures(
        steps_per_s=steps / seconds,
        executions_per_s=workload.executions / seconds,
        p50_ms=percentile(latencies, 0.5) if latencies else None,
        p99_ms=percentile(latencies, 0.99) if latencies else None,
        seconds=seconds,
        cpu_s_per_1000_steps=(usage.workers_cpu + usage.own_cpu) * 1000 / steps,
        workers_cpu_s_per_1000_steps=usage.workers_cpu * 1000 / steps,
        service_cpu_s_per_1000_steps=usage.service_cpu * 1000 / steps if workload.http else None,
        peak_memory_mb=usage.memory,
    )
