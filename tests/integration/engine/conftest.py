"""What the engine's tests stand on: a team, scripted local services, shifts in a thread, workers as processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings
from django.db import connection, connections

from orchestration.engine import driver, graphs, operations, queries
from orchestration.registry.local import register_local, unregister_local
from orchestration.teams.operations import default_team
from tests.integration.engine.recorded import Calls
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]


@pytest.fixture
def team(transactional_db: None) -> int:
    """Return the default team's id. Nothing is known of workflows that another test gave the same numbers."""
    graphs._graphs.clear()
    return default_team().id


@pytest.fixture
def service(team: int) -> Iterator[Callable[..., None]]:
    """Return a function that makes local services of the team: `service(name, function)` is `s.<name>`."""

    def add(method: str, function: Callable[..., Any], *, blocking: bool = False) -> None:
        register_local(team_id=team, name="s", method=method, function=function, blocking=blocking)

    yield add
    unregister_local(team_id=team, name="s")


class Shifts:
    """Shifts of this process, each on a loop in a thread of its own."""

    def __init__(self) -> None:
        self._running: list[tuple[threading.Thread, threading.Event]] = []
        self.reports: list[driver.ShiftReport] = []

    def start(self) -> Callable[[], None]:
        """Start a shift and return what ends it."""
        over = threading.Event()

        def work() -> None:
            try:
                self.reports.append(asyncio.run(driver.run_shift(until=over.is_set)))
            finally:
                connections.close_all()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._running.append((thread, over))

        def stop() -> None:
            over.set()
            thread.join(20)
            assert not thread.is_alive(), "the shift does not end"

        return stop

    def stop(self) -> None:
        """End all shifts."""
        for _, over in self._running:
            over.set()
        for thread, _ in self._running:
            thread.join(20)


@pytest.fixture
def shifts(team: int) -> Iterator[Shifts]:
    """Return the shifts of this test; those that still work are ended."""
    found = Shifts()
    yield found
    found.stop()


@pytest.fixture
def shift(shifts: Shifts) -> Shifts:
    """Have one shift at work."""
    shifts.start()
    return shifts


class Site:
    """The team's workflows and executions, in few words."""

    def __init__(self, team: int) -> None:
        self.team = team

    def save(self, slug: str, *steps: dict[str, Any], **more: Any) -> str:
        """Save a workflow of these steps."""
        document = {"id": slug, "steps": list(steps), **more}
        return operations.save_definition(team_id=self.team, document=document, by="test").workflow

    def start(self, workflow: str, **input: Any) -> str:
        """Start an execution and return its id."""
        return operations.start_execution(team_id=self.team, workflow=workflow, input=input, by="test").execution_id

    def act(self, execution: str, fact: operations.Action, timeout: float = 10.0) -> operations.ActionResult:
        """Do something to an execution."""
        return operations.act(team_id=self.team, execution_id=execution, fact=fact, by="test", timeout=timeout)

    def ended(self, execution: str, timeout: float = 20.0) -> queries.ExecutionSummary:
        """Wait until an execution has ended."""
        summary = queries.wait_until_ended(team_id=self.team, execution_id=execution, timeout=timeout)
        assert summary.ended_at is not None, self.detail(execution).waiting_for
        return summary

    def detail(self, execution: str) -> queries.ExecutionDetail:
        """Return an execution as its journal has it."""
        return queries.get_execution(team_id=self.team, execution_id=execution)

    def journal(self, execution: str) -> list[tuple[str, str]]:
        """Return type and step of all entries; their numbers must have no gaps."""
        entries = queries.list_events(team_id=self.team, execution_id=execution, limit=100_000)
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        return [(entry.type, entry.step) for entry in entries]

    def until(self, execution: str, kind: str, step: str) -> None:
        """Wait until the journal has an entry."""
        wait_for(lambda: (kind, step) in self.journal(execution), what=f"{kind} of {step}", timeout=20)


@pytest.fixture
def site(team: int) -> Site:
    """Return the team's workflows and executions."""
    return Site(team)


def call(step: str, method: str, *after: str, **more: Any) -> dict[str, Any]:
    """Return a step that calls `s.<method>` after other steps."""
    return {
        "id": step,
        "type": "service",
        "service_name": "s",
        "method": method,
        "dependencies": list(after),
        "retry": {"delay": "20ms", "jitter": 0},
        **more,
    }


class Worker:
    """`manage.py worker` as a process, on the tests' database, with the services of `recorded.py`."""

    def __init__(self, folder: Path) -> None:
        self.calls = Calls(folder / "calls")
        self._log = folder / "worker.log"
        self.environment = environment(folder)
        self.process: subprocess.Popen[bytes] | None = None
        # What stands before the command: a namespace of its own, for one.
        self.prefix: tuple[str, ...] = ()

    def start(self) -> None:
        """Start it, and wait for nothing."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "manage.py", "worker", "--no-housekeeping"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def tree(self) -> list[psutil.Process]:
        """Return the supervisor and everything below it."""
        if self.process is None or self.process.poll() is not None:
            return []
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def kill(self) -> None:
        """Kill the whole tree, from the root down, as a power cut would."""
        tree = self.tree()
        for each in tree:
            try:
                each.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(tree, timeout=10)
        if self.process is not None:
            self.process.wait(10)

    def terminate(self) -> int:
        """Ask it to stop and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def said(self) -> str:
        """Return its log."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a process that works on the tests' database."""
    found = connection.settings_dict
    name = found["NAME"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    return {
        **os.environ,
        "DATABASE_URL": url,
        "SECRET_KEY": settings.SECRET_KEY,
        "PODIUM_DATA_DIR": str(folder),
        "PODIUM_PYTHON_SERVICES": "tests.integration.engine.recorded",
        "PODIUM_RECORD": str(folder / "calls"),
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture
def worker(team: int, tmp_path: Path) -> Iterator[Worker]:
    """Return a worker that is not started yet; whatever is left of it is killed."""
    found = Worker(tmp_path)
    yield found
    found.kill()
