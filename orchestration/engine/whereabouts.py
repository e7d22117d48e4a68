"""Which process on which machine: how a shift signs itself, and how its neighbours see that it is gone."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path


@cache
def here() -> str:
    """Return what all processes share that see each other's process ids: host, start of the kernel, namespace."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
        space = os.readlink("/proc/self/ns/pid").rpartition("[")[2].rstrip("]")
    except OSError:
        start = space = ""
    return f"{socket.gethostname()}/{start}-{space}"


def worker_name() -> str:
    """Return the name of this process among all workers."""
    return f"{here()}:{os.getpid()}"


def is_gone(worker: str) -> bool:
    """Tell whether a worker is known to have ended: it was a process of this machine, and is none any more."""
    place, _, pid = worker.rpartition(":")
    if place != here() or not Path("/proc/self/stat").exists():
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in ("Z", "X")
