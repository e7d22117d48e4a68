"""The harness's side of the recorder: start and kill it, tell it what goes wrong, read what it wrote down."""

from __future__ import annotations

import http.client
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.processes import Process
from tests.waiting import wait_for


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the recorder wrote it down. `at` is microseconds since the epoch."""

    at: int
    method: str
    key: str
    attempt: int
    epoch: int
    stale: bool
    mode: str
    applied: bool
    execution: str
    step: str


class Outside:
    """A recorder process and its file."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._file = folder / "calls.jsonl"
        self._said = folder / "recorder.log"
        self._environment = environment
        self.port = 0
        self._file.touch()
        self.process = self._process()

    def _process(self) -> Process:
        command = [sys.executable, "-m", "tests.faults.recorder", "--file", str(self._file), "--port", str(self.port)]
        return Process(command, environment=self._environment, log=self._said)

    def start(self) -> None:
        """Start it, on the port that it had before if it had one, and wait until it listens."""
        self._said.write_text("")
        self.process = self._process()
        self.process.start()
        said = wait_for(lambda: self._said.read_text().split(), what="the recorder", timeout=30)
        self.port = int(said[0])

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    def go_wrong(self, method: str, mode: str, *, times: int = 1, **more: Any) -> None:
        """Have the next `times` calls of a method go wrong."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        line.request("POST", "/-/mode", json.dumps({"method": method, "mode": mode, "times": times, **more}))
        line.getresponse().read()
        line.close()

    def calls(self, method: str | None = None, *, execution: str | None = None) -> list[Call]:
        """Return the calls that were written down, in order."""
        lines = [line for line in self._file.read_text().split("\n") if line.endswith("}")]
        calls = [Call(**json.loads(line)) for line in lines]
        return [
            call
            for call in calls
            if (method is None or call.method == method) and (execution is None or call.execution == execution)
        ]
