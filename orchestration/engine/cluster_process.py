"""A cluster as the supervisor sees it: a process group that is started, told to hand over, and killed as a whole.

Each has a boot id and a pipe of its own. Closing the pipe tells its shifts to hand over; the boot id names its shifts
and its canaries, so that what is left of a cluster that was killed is told from the one that took its place.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import uuid

from orchestration.engine import cluster, queue, shift
from orchestration.engine.liveness import Seen
from orchestration.engine.process_table import ENDED, children_of, state_of


class ClusterProcess:
    """One `manage.py worker --cluster` and everything below it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.boot = uuid.uuid4().hex
        read, self._told = os.pipe()
        environment = {
            **os.environ,
            "Q_CLUSTER_NAME": name,
            cluster.SUPERVISOR: str(os.getpid()),
            queue.BOOT: self.boot,
            shift.STOP_FD: str(read),
        }
        try:
            self._process = subprocess.Popen(
                # The supervisor has made the checks, which load every page and its forms: a third of a cluster's start.
                [sys.executable, "manage.py", "worker", "--cluster", name, "--skip-checks"],
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=(read,),
                start_new_session=True,
            )
        finally:
            os.close(read)

    @property
    def pid(self) -> int:
        """Return the process id of its parent, which is that of the group."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status of its parent, None while that lives."""
        return self._process.poll()

    def seen(self, *, answered: bool, full: bool = False) -> Seen:
        """Return what can be seen of it now."""
        if not os.path.isdir("/proc/self/task"):
            return Seen(answered, full)
        sentinels = [pid for pid in children_of(self.pid) if state_of(pid) not in ENDED]
        sentinel = sentinels[0] if sentinels else 0
        pids = [self.pid, *sentinels, *(children_of(sentinel) if sentinel else ())]
        return Seen(answered, full, self.pid, sentinel, {pid: state_of(pid) for pid in pids})

    def hand_over(self) -> None:
        """Tell its shifts to put down what they hold. Once is enough."""
        if self._told >= 0:
            os.close(self._told)
            self._told = -1

    def terminate(self) -> None:
        """Ask it to end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """Kill the whole group: its parent may be gone and others not."""
        self.hand_over()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
