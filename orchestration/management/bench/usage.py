"""What processes used, as the kernel counts it: CPU seconds and memory of a process and all that it started."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 2.0


def family_of(pid: int) -> list[int]:
    """Return the process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for each in PROC.iterdir():
        if each.name.isdecimal() and (fields := _stat(int(each.name))):
            children.setdefault(int(fields[1]), []).append(int(each.name))
    found, unseen = [], [pid]
    while unseen:
        one = unseen.pop()
        found.append(one)
        unseen.extend(children.get(one, ()))
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of the process and its descendants so far, those that have ended included."""
    # user, system, and the same of children that were waited for
    return sum(sum(map(int, fields[11:15])) for fields in map(_stat, family_of(pid)) if fields) / TICKS


def own_cpu_seconds() -> float:
    """Return the CPU seconds of this process alone."""
    times = os.times()
    return times.user + times.system


def memory_mb(pid: int) -> float:
    """Return the memory of the process and its descendants in MiB; what they share is counted once (PSS)."""
    return sum(map(_pss, family_of(pid))) / 1024


class PeakMemory:
    """Looks at the memory of a family of processes while it is open; `mb` is the most that was seen.

    A look is dear (the kernel walks every page table), so it is taken seldom, and `cpu` says what all looks cost.
    """

    def __init__(self, pid: int) -> None:
        self.mb = 0.0
        self.cpu = 0.0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        last = False
        while not last:
            last = self._stop.wait(SAMPLE_SECONDS)
            self.mb = max(self.mb, memory_mb(self._pid))
            self.cpu = time.thread_time()


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on (field 3), empty for a process that is gone."""
    with contextlib.suppress(OSError):
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return []


def _pss(pid: int) -> int:
    return next(_numbers(PROC / str(pid) / "smaps_rollup", "Pss:"), 0)


def _numbers(path: Path, name: str) -> Iterator[int]:
    with contextlib.suppress(OSError), path.open() as lines:
        for line in lines:
            if line.startswith(name):
                yield int(line.split()[1])
