"""The platform's programs as processes of their own: started, watched, frozen and killed by the ids that were noted."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 25.0
# Nothing that a harness starts outlives it, however it ends.
LEASH = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()


class Process:
    """A program that leads a session of its own, with a log. `environment` is all that it is told."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
        self.command = list(command)
        self.environment = dict(environment)
        self.log = log
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait for nothing."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*LEASH, *self.command],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Tell whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Return its process id."""
        assert self._process is not None
        return self._process.pid

    def tree(self) -> list[psutil.Process]:
        """Return it and everything below it, itself first."""
        if not self.running:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.pid)
            return [root, *root.children(recursive=True)]
        return []

    def signal_all(self, number: int) -> None:
        """Send a signal to everything, from the root down."""
        for each in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(number)

    def freeze(self) -> None:
        """Stop all of it, as a machine does that swaps or is moved."""
        self.signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all of it go on."""
        self.signal_all(signal.SIGCONT)

    def kill(self) -> None:
        """Kill all of it, from the root down, as a power cut would, and wait until it is gone."""
        tree = self.tree()
        for each in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
        psutil.wait_procs(tree, timeout=10)
        if self._process is not None:
            self._process.wait(10)

    def terminate(self, *, patience: float = STOP_SECONDS) -> int:
        """Ask it to stop and return its exit status. Raises TimeoutExpired."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(patience)

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Worker(Process):
    """`manage.py worker`: a supervisor, its cluster of django-q2, and the shifts in that."""

    def __init__(self, *, environment: Mapping[str, str], log: Path, housekeeping: bool = False) -> None:
        command = [sys.executable, "manage.py", "worker", *([] if housekeeping else ["--no-housekeeping"])]
        super().__init__(command, environment=environment, log=log)

    def cluster(self) -> psutil.Process:
        """Return the parent of the cluster of shifts, once it is there."""
        return wait_for(lambda: self.tree()[1:2], what="the cluster", timeout=60)[0]

    def sentinel(self) -> psutil.Process:
        """Return the process of django-q2 that watches its workers."""
        return wait_for(lambda: self.cluster().children(), what="the sentinel", timeout=60)[0]

    def task_workers(self, count: int) -> list[psutil.Process]:
        """Return the processes that run tasks, of a cluster whose monitor and pusher are still the first ones.

        The sentinel forks its `count` workers first, then the monitor and the pusher, then whoever is started again.
        """
        below = wait_for(lambda: self._below_sentinel(count + 2), what="the cluster's workers", timeout=60)
        return [*below[:count], *below[count + 2 :]]

    def _below_sentinel(self, least: int) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            below = sorted(self.sentinel().children(), key=lambda each: (each.create_time(), each.pid))
            return below if len(below) >= least else []
        return []


def kill_all(processes: Sequence[Process]) -> None:
    """Kill all of them at once: none lives to see that another one is gone."""
    trees = [each.tree() for each in processes]
    for tree in trees:
        # The roots first, or they would start what is below them again.
        for each in tree[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
    for tree in trees:
        for each in tree[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
    for each in processes:
        each.kill()


def kill_one(pid: int) -> None:
    """Kill one process that was found below one of ours."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
