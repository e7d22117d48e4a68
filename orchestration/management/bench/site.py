"""What the benchmark starts: workers on the configured database and broker, and the service called over HTTP."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from django.conf import settings

from orchestration import clock
from orchestration.domain.errors import NotFound, OrchestrationError
from orchestration.management.bench.definitions import HTTP_SERVICE
from orchestration.management.processes import Child, adopt_orphans, kill_orphans, stop
from orchestration.registry.operations import deregister, register
from orchestration.registry.queries import list_services
from orchestration.teams.operations import create_team
from orchestration.teams.queries import get_team

TEAM = "bench"
SERVICES_MODULE = "orchestration.management.bench.services"
READY_SECONDS = 60.0


class BenchFailed(OrchestrationError):
    """The benchmark cannot be run, or what it ran did not come out right."""

    code = "bench_failed"


@dataclass(frozen=True, slots=True)
class Site:
    """What runs: the team that everything belongs to, the workers, and the HTTP service if there is one."""

    team_id: int
    workers: Child
    service: Child | None

    @property
    def workers_pid(self) -> int:
        """Return the process that all workers descend from. Raises BenchFailed when it is gone."""
        return _pid(self.workers)

    @property
    def service_pid(self) -> int | None:
        """Return the process of the HTTP service."""
        return None if self.service is None else _pid(self.service)


@contextlib.contextmanager
def running_site(*, workers: int, http: bool) -> Iterator[Site]:
    """Start workers, and the HTTP service where it is wanted; end them afterwards. Raises BenchFailed."""
    adopt_orphans()
    children: list[Child] = []
    with tempfile.TemporaryDirectory(prefix="podium-bench-") as folder:
        try:
            team_id = _team()
            service = _start_service(Path(folder), children, team_id) if http else None
            environment = {
                **os.environ,
                "PODIUM_WORKERS": str(workers),
                "PODIUM_PYTHON_SERVICES": ",".join({*settings.PODIUM.python_services, SERVICES_MODULE}),
                "PODIUM_LOG_LEVEL": "WARNING",
            }
            child = _start("workers", [sys.executable, "manage.py", "worker"], environment, Path(folder), children)
            with _registered(team_id, service, Path(folder)):
                yield Site(team_id, child, service)
        finally:
            stop(children)
            kill_orphans()


def _team() -> int:
    try:
        return get_team(slug=TEAM).id
    except NotFound:
        return create_team(slug=TEAM, name="Benchmark").id


def _start(name: str, command: list[str], environment: Mapping[str, str], folder: Path, children: list[Child]) -> Child:
    child = Child(name=name, command=command, environment=environment, log=folder / f"{name}.log")
    children.append(child)
    child.start()
    return child


def _start_service(folder: Path, children: list[Child], team_id: int) -> Child:
    ready = folder / "ready"
    command = [sys.executable, "-m", "loadtests.echo", "--port", "0", "--ready-file", str(ready)]
    child = _start("service", command, os.environ, folder, children)
    until = clock.monotonic() + READY_SECONDS
    between = Event()
    while not ready.exists():
        if not child.running or clock.monotonic() > until:
            raise BenchFailed(f"the HTTP service {child.status}: {child.last_lines()}")
        between.wait(0.02)
    return child


@contextlib.contextmanager
def _registered(team_id: int, service: Child | None, folder: Path) -> Iterator[None]:
    if service is None:
        yield
        return
    left_over = [each for found in list_services(team_id=team_id, name=HTTP_SERVICE) for each in found.instances]
    for left in left_over:
        # A benchmark that was killed could not take its service out.
        deregister(team_id=team_id, instance_id=left.id, by=TEAM)
    url = (folder / "ready").read_text(encoding="utf-8").strip()
    instance = register(team_id=team_id, name=HTTP_SERVICE, address=url, health_path="", by=TEAM)
    try:
        yield
    finally:
        deregister(team_id=team_id, instance_id=instance.id, by=TEAM)


def _pid(child: Child) -> int:
    if not child.running or child.process is None:
        raise BenchFailed(f"{child.name} {child.status}: {child.last_lines()}")
    return child.process.pid
