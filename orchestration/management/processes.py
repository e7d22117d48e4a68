"""Child processes that end when they should, whatever happens to the one that started them.

True at all times: every child leads a process group of its own, writes to its own log file, and is told by the kernel
(a parent-death signal) when this process dies, kill -9 included. This process is their subreaper: a grandchild whose
parent dies becomes a child of this process instead of nobody's. So `kill_orphans` can ask the kernel which children
are left, and does not return before there are none.

Not handled: other systems than Linux get groups and signals only, no parent-death signal and no subreaper.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from orchestration import clock

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOG_BYTES = 10 * 1024 * 1024
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(slots=True)
class Child:
    """One child process: what it is called, what it runs, and how it did so far.

    `starts` counts its starts; `started` is the monotonic second of the last.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    started: float = field(default=0.0)

    def start(self) -> None:
        """Start the process in a group of its own, its output appended to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent if LIBC else None,  # noqa: PLW1509 - nothing here runs in threads
            )
        self.starts += 1
        self.started = clock.monotonic()

    @property
    def running(self) -> bool:
        """Say whether the process is there."""
        return self.process is not None and self.process.poll() is None

    @property
    def status(self) -> str:
        """Return how the process ended, in words."""
        code = self.process.returncode if self.process else None
        if code is None:
            return "is running"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def signal(self, number: signal.Signals) -> None:
        """Send `number` to the whole group of the process, if it is there."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def last_lines(self, count: int = 15) -> str:
        """Return the last lines of the log."""
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
        return ""


def die_with_parent() -> None:
    """Ask the kernel to end this process (SIGTERM) when its parent dies. Runs between fork and exec."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def adopt_orphans() -> None:
    """Make this process the parent of its descendants that lose theirs."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)


def stop(children: Sequence[Child], *, patience: float = 10.0) -> None:
    """End `children`: asked first, killed after `patience` seconds. Returns when they have ended."""
    for child in children:
        child.signal(signal.SIGTERM)
    until = clock.monotonic() + patience
    between = Event()
    while any(child.running for child in children) and clock.monotonic() < until:
        between.wait(0.02)
    for child in children:
        # The whole group: its leader may be gone and others not.
        child.signal(signal.SIGKILL)
        if child.process is not None:
            child.process.wait()


def kill_orphans(*, patience: float = 5.0) -> None:
    """End every child that this process still has: what its children left behind."""
    until = clock.monotonic() + patience
    between = Event()
    while (left := list(_own_children())) and clock.monotonic() < until:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        between.wait(0.02)


def _own_children() -> Iterator[int]:
    for listing in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            yield from (int(word) for word in listing.read_text(encoding="ascii").split())
