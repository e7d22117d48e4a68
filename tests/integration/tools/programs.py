"""Programs of the project, started for a test and ended with it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]


def manage(*arguments: str, environment: dict[str, str], timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end."""
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


@contextmanager
def running(*command: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program of the project beside the test; it is asked to end (SIGTERM) at the end."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=quiet, stderr=quiet)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            process.kill()


@contextmanager
def running_farm(folder: Path, *, pace: float) -> Iterator[str]:
    """Run a service farm; give its address."""
    ready = folder / "ready"
    options = ("--ready-file", str(ready), "--state-dir", str(folder / "farm"), "--pace", str(pace))
    with running("-m", "loadtests.farm", "--port", "0", *options):
        wait_for(ready.exists, what="the farm to answer", timeout=30)
        yield ready.read_text().strip()
    assert (folder / "farm" / "calls.jsonl").exists()


def asked(url: str) -> Any:
    """Return the JSON that a local address answers with."""
    with urlopen(url, timeout=10) as answer:
        return json.load(answer)
