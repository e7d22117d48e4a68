"""One django-q2 cluster, run as a child of the supervisor and never outliving it.

Every process of the cluster asks the kernel to be killed when its parent dies, so that none drives executions for
nobody. The cluster leads a process group of its own, which the supervisor can kill as a whole.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import resource
import signal
import sys

from django.conf import settings

from orchestration.engine import queue

SUPERVISOR = "PODIUM_SUPERVISOR"
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def run_cluster() -> int:
    """Run the cluster that Q_CLUSTER_NAME names until it is stopped; return its exit status."""
    from django_q.cluster import Cluster
    from django_q.signals import post_spawn

    die_with_parent()
    limit_memory(settings.PODIUM.worker_memory_bytes)
    os.register_at_fork(before=_remember_parent, after_in_child=_die_with_whoever_forked)
    if os.environ.get(SUPERVISOR) not in (None, str(os.getppid())):
        # It died while this process was starting.
        return 1
    # Imported before the workers are forked from this process, and out of the collector's sight for good.
    shift = importlib.import_module("orchestration.engine.shift")
    if os.environ.get("Q_CLUSTER_NAME") == queue.SHIFTS:
        post_spawn.connect(shift.warm_up)
    gc.collect()
    gc.freeze()
    cluster = Cluster()
    cluster.start()
    cluster.sentinel.join()
    return int(cluster.sentinel.exitcode or 0)


def limit_memory(most: int) -> None:
    """Have this process and those forked from it take `most` bytes each at most, 0: any.

    A `python` service that asks for more gets a MemoryError, which fails its call. Without a bound the kernel would
    choose whom to kill: this worker with all its executions, or the database.
    """
    if most and sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


_forking: list[int] = []


def _remember_parent() -> None:
    _forking[:] = [os.getpid()]


def _die_with_whoever_forked() -> None:
    die_with_parent()
    if os.getppid() != _forking[0]:
        # It died between the fork and the asking, so the kernel will never tell.
        os._exit(1)
