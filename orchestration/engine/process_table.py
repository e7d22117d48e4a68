"""The kernel's word on processes: who is whose child, who runs, who was stopped; and a call the moment one ends.

Only Linux tells. Elsewhere nobody has children here and nobody is stopped, and the canary alone watches a cluster.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path

STOPPED = "T"
ENDED = frozenset({"", "Z", "X"})


def state_of(pid: int) -> str:
    """Return a process's state in one letter (R, S, D, T, Z …), empty if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The name, in brackets, may hold anything.
    return text.rpartition(") ")[2][:1]


def children_of(pid: int) -> list[int]:
    """Return the children of a process, whatever state they are in."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
    except (FileNotFoundError, ProcessLookupError):
        return []
    return found


class Deaths:
    """Calls `died` on this loop as soon as one of the watched processes has ended. Without pidfds it never does."""

    def __init__(self, died: Callable[[], None]) -> None:
        self._died = died
        self._watched: dict[int, int] = {}

    def watch(self, pids: Iterable[int]) -> None:
        """Watch these processes, and no others any more."""
        if not hasattr(os, "pidfd_open"):
            return
        wanted = set(pids)
        for pid in self._watched.keys() - wanted:
            self._forget(pid)
        for pid in wanted - self._watched.keys():
            try:
                descriptor = os.pidfd_open(pid)
            except OSError:
                continue
            self._watched[pid] = descriptor
            asyncio.get_running_loop().add_reader(descriptor, self._ended, pid)

    def _ended(self, pid: int) -> None:
        self._forget(pid)
        self._died()

    def _forget(self, pid: int) -> None:
        descriptor = self._watched.pop(pid)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
