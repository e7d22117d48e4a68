"""Running scenario files and saying what came of each. A scenario's own faults are results, never tracebacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestration.domain.errors import DocumentInvalid

from . import virtual
from .expectations import EXACT, Tolerance, mismatches
from .record import Record
from .scenario import Scenario, find_scenario_files, load_scenario, reason_of


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one scenario. `passed` None: it is not for this shell; `reason` says why it did not pass."""

    scenario: str
    passed: bool | None
    reason: str = ""

    def line(self) -> str:
        """Return the result as one line for people."""
        word = {True: "ok", False: "FAILED", None: "skipped"}[self.passed]
        return _plain(f"{word:8}{self.scenario}" + (f": {self.reason}" if self.reason else ""))

    def as_json(self) -> dict[str, object]:
        """Return the result as programs read it."""
        return {"scenario": _plain(self.scenario), "passed": self.passed, "reason": _plain(self.reason)}


def _plain(text: str) -> str:
    """Return a text as one line that every terminal takes: a scenario may be full of anything."""
    fit = text.encode("utf-8", "replace").decode()
    return "".join(each if each.isprintable() else " " for each in fit)


def load(paths: Iterable[Path]) -> Iterator[Scenario | Result]:
    """Return the scenarios of files and folders; what is none is a failed result with the reason."""
    found = False
    for file in find_scenario_files(paths):
        found = True
        try:
            yield load_scenario(file)
        except (DocumentInvalid, OSError, RecursionError) as error:
            yield Result(file.stem, False, f"no scenario: {reason_of(error)}")
    if not found:
        yield Result("", False, "there are no scenario files here")


def run_virtual(paths: Iterable[Path]) -> Iterator[Result]:
    """Play the scenarios one after another in virtual time."""
    for scenario in load(paths):
        yield scenario if isinstance(scenario, Result) else check_virtual(scenario)


def check_virtual(scenario: Scenario) -> Result:
    """Play one scenario in virtual time and compare."""
    try:
        record = virtual.play(scenario)
    except Exception as error:
        record = Record(trouble=f"it broke: {type(error).__name__}: {error}")
    return judge(scenario, record, EXACT)


def judge(scenario: Scenario, record: Record, tolerance: Tolerance) -> Result:
    """Compare what came of a scenario with what it expects."""
    reasons = mismatches(scenario.expect, record, tolerance)
    return Result(scenario.name, not reasons, "; ".join(reasons))
