"""`python -m tests.faults`: try the faults, print the table, exit with 1 if anything is not as it must be.

--faults F04,F17   only these          --on sqlite,postgres  on these (default: all that this machine can)
--quick            as in `make test`   --trials N            so many of each, instead of the catalogue's number
--lines            an outcome a line as JSON, without a table        --list    the catalogue
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.faults.processes import LEASH
from tests.faults.runner import KINDS, missing, print_line, run
from tests.faults.table import names, table


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--faults", default="")
    parser.add_argument("--on", default=",".join(KINDS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--trials", type=int, default=0)
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        sys.stdout.write(names() + "\n")
        return 0
    numbers = [word.strip() for word in options.faults.split(",") if word.strip()]
    kinds = [word for word in options.on.split(",") if word in KINDS]
    if options.lines:
        [kind] = kinds
        return 0 if run(kind, numbers, quick=options.quick, trials=options.trials, report=print_line) else 1
    return _all(kinds, numbers, options)


def _all(kinds: list[str], numbers: list[str], options: argparse.Namespace) -> int:
    """Try the faults on every kind of database, each in a process of its own and all at once; print one table."""
    able = [kind for kind in kinds if not missing(kind)]
    for kind in kinds:
        if kind not in able:
            sys.stdout.write(f"{kind}: left out, {missing(kind)}\n")
    with ThreadPoolExecutor(len(able) or 1) as pool:
        runs = [pool.submit(_run, kind, numbers, options) for kind in able]
        outcomes = [outcome for each in runs for outcome in each.result()]
    sys.stdout.write("\n" + table(outcomes) + "\n")
    return 0 if outcomes and not any(outcome["wrong"] for outcome in outcomes) else 1


def _run(kind: str, numbers: list[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Try the faults on one kind of database; say how each went, and return the outcomes."""
    command = [*LEASH, sys.executable, "-m", "tests.faults", "--lines", "--on", kind, "--faults", ",".join(numbers)]
    command += ["--trials", str(options.trials), *(["--quick"] if options.quick else [])]
    outcomes = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                outcomes.append(json.loads(line))
                sys.stdout.write(_told(kind, outcomes[-1]))
                sys.stdout.flush()
    if process.returncode not in (0, 1):
        raise SystemExit(f"the run on {kind} ended with {process.returncode}")
    return outcomes


def _told(kind: str, outcome: dict[str, Any]) -> str:
    state = "skipped" if outcome["skipped"] else "FAILED" if outcome["wrong"] else "good"
    lines = [f"{kind} {outcome['number']} {outcome['title']}: {state} ({outcome['seconds']} s)"]
    lines += [f"    {sentence}" for sentence in outcome["wrong"]]
    if outcome["wrong"] and outcome["said"]:
        lines.append(outcome["said"][-6000:])
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
