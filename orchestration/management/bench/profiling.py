"""Where the time goes: a flame graph of all worker processes, taken from outside while they are measured.

py-spy reads the stacks of other processes, so what is measured runs unchanged, only somewhat slower: it is stopped for
a moment at each look. Figures of a run with a profile are therefore no figures of a run without one.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from orchestration.management.bench.site import BenchFailed

LOOKS_PER_SECOND = 200
WRITING_SECONDS = 60.0
PROGRAM = "py-spy"


@contextlib.contextmanager
def flame_graph(pid: int, path: Path) -> Iterator[None]:
    """Write a flame graph (SVG) of what the process and its descendants ran meanwhile to `path`.

    Raises BenchFailed where the profiler is not installed or may not look into other processes.
    """
    program = Path(sys.executable).with_name(PROGRAM)
    if not program.exists():
        raise BenchFailed(f"a profile needs {PROGRAM}, which is not installed beside {sys.executable}")
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [str(program), "record", "--subprocesses", "--function", "--rate", str(LOOKS_PER_SECOND)]
    spy = subprocess.Popen(
        [*command, "--pid", str(pid), "--output", str(path), "--format", "flamegraph"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield
    finally:
        spy.send_signal(signal.SIGINT)
        said = _last_words(spy)
    if not path.exists():
        raise BenchFailed(f"{PROGRAM} wrote no profile: {said}")


def _last_words(spy: subprocess.Popen[str]) -> str:
    try:
        return spy.communicate(timeout=WRITING_SECONDS)[1].strip()[-500:]
    except subprocess.TimeoutExpired:
        spy.kill()
        spy.communicate()
        return f"it did not end within {WRITING_SECONDS:.0f} s"
