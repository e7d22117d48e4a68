"""What the kernel says of a family of processes."""

from __future__ import annotations

import os
import subprocess
import sys

from orchestration.management.bench.usage import PeakMemory, cpu_seconds, family_of, memory_mb
from tests.waiting import wait_for

BUSY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "sum(range(20_000_000)); print('done', flush=True); input()"])
child.wait()
"""


def test_it_counts_a_process_and_what_it_started():
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"done\n"
        family = family_of(parent.pid)
        assert len(family) == 2
        used = cpu_seconds(parent.pid)
        assert used > 0.05
        assert memory_mb(parent.pid) > memory_mb(family[1]) > 1
        parent.communicate(b"\n")
    assert family_of(os.getpid())[0] == os.getpid()


def test_it_keeps_the_most_memory_that_it_saw():
    with PeakMemory(os.getpid()) as peak:
        wait_for(lambda: peak.mb > 1, what="a first look")
    assert peak.mb > 1
