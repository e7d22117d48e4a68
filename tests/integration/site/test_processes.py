"""Child processes end when they should, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestration.management.processes import Child, stop
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
OBEDIENT = "import signal; signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
PARENT = """
import subprocess, sys
from pathlib import Path
from orchestration.management.processes import Child, adopt_orphans, kill_orphans
adopt_orphans()
child = Child(name="it", command=[sys.executable, "-c", sys.argv[1]], environment={}, log=Path(sys.argv[2]))
child.start()
print(child.process.pid, flush=True)
sys.stdin.readline()
kill_orphans()
"""
LEAVES_ONE_BEHIND = """
import subprocess, sys
print(subprocess.Popen(["sleep", "600"], start_new_session=True).pid, flush=True)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator:
    children = []

    def start(code: str) -> Child:
        child = Child(name="it", command=[sys.executable, "-c", code], environment={}, log=tmp_path / "it.log")
        children.append(child)
        child.start()
        return child

    yield start
    stop(children, patience=0)


def test_it_ends_a_child_that_obeys(start):
    child = start(OBEDIENT)
    assert child.running
    stop([child])
    assert child.status == "was ended by SIGTERM"


def test_it_ends_a_child_that_does_not(start):
    child = start(STUBBORN)
    wait_for(lambda: "deaf" in child.last_lines(), what="the child to be deaf")
    stop([child], patience=0.1)
    assert child.status == "was ended by SIGKILL"


def test_it_says_how_a_child_ended(start):
    child = start("import sys; print('last words'); sys.exit(3)")
    wait_for(lambda: not child.running, what="the child's end")
    assert child.status == "ended with status 3"
    assert child.last_lines() == "last words"


def _parent(code: str, log: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PARENT, code, str(log)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_it_leaves_no_child_when_the_parent_is_killed(tmp_path: Path):
    with _parent(OBEDIENT, tmp_path / "it.log") as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    wait_for(lambda: not _lives(child), what="the child's end")


def test_it_ends_what_a_child_left_behind(tmp_path: Path):
    log = tmp_path / "it.log"
    with _parent(LEAVES_ONE_BEHIND, log) as parent:
        assert parent.stdin
        orphan = int(wait_for(lambda: log.exists() and log.read_text(), what="the orphan"))
        assert _lives(orphan)
        parent.stdin.write("go\n")
        parent.stdin.flush()
        assert parent.wait(timeout=20) == 0
    assert not _lives(orphan)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
