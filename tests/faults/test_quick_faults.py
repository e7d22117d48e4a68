"""The quick set of faults, one test each: `make faults` tries all of them, and each of them more often.

They run in one process of their own, on servers of their own, while the tests wait for its lines.
"""

from __future__ import annotations

import ast
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import LEASH, ROOT
from tests.faults.runner import KINDS, missing
from tests.servers import required

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.xdist_group("faults")]

KIND = "postgres" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "sqlite"
# Of all that the quick set tries, the one that takes longest, on a machine that is busy with other tests.
LINE_SECONDS = 240


class Lines:
    """The outcomes, as they come."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.faults", "--lines", "--quick", "--on", KIND]
        self.process = subprocess.Popen([*LEASH, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self._found: dict[str, dict[str, Any]] = {}
        self._new: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """End the run, and everything that it started."""
        self.process.terminate()
        self.process.wait(30)
        self._reader.join(10)
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self._new.put(line)
        self._new.put(None)

    def outcome(self, number: str) -> dict[str, Any]:
        """Wait for the outcome of a fault."""
        while number not in self._found:
            line = self._new.get(timeout=LINE_SECONDS)
            assert line is not None, f"the run of the faults ended before {number}, with {self.process.wait()}"
            outcome = json.loads(line)
            self._found[outcome["number"]] = outcome
        return self._found[number]


def _quick() -> list[str]:
    """Return the numbers of the quick set, read from the source: the catalogue itself stands on a site's settings."""
    found = []
    for path in sorted(Path(__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for call in getattr(node, "decorator_list", ()):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "fault":
                    told = {each.arg: each.value for each in call.keywords}
                    if getattr(told.get("quick"), "value", 0) and KIND in _kinds(told.get("on")):
                        found.append(call.args[0].value)
    return found


def _kinds(on: ast.expr | None) -> tuple[str, ...]:
    """Return what a fault is tried on: `on=("postgres",)`, or one of the names POSTGRES and SQLITE."""
    if on is None:
        return KINDS
    return (on.id.lower(),) if isinstance(on, ast.Name) else ast.literal_eval(on)


@pytest.fixture(scope="module")
def lines() -> Iterator[Lines]:
    reason = missing(KIND)
    if reason and KIND in required():
        pytest.fail(f"{reason}, and PODIUM_REQUIRE names {KIND}", pytrace=False)
    if reason:
        pytest.skip(reason)
    found = Lines()
    yield found
    found.close()


@pytest.mark.parametrize("number", _quick())
def test_it_loses_nothing_and_repeats_nothing(number: str, lines: Lines) -> None:
    outcome = lines.outcome(number)
    if outcome["skipped"]:
        pytest.skip(outcome["skipped"])
    assert not outcome["wrong"], "\n".join([*outcome["wrong"], outcome["said"]])
    assert (outcome["lost"], outcome["twice"], outcome["repeated"], outcome["zombies"]) == (0, 0, 0, 0)
    assert outcome["trials"] > 0
