"""The command's options and what it prints, shared by the management command and the way round Django."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from .runner import Result, run_virtual

AT_ONCE = 4


class Out(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object:
        """Write a text."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the paths and the options."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a scenario file, or a folder of them")
    parser.add_argument("--shell", choices=("virtual", "engine"), default="virtual")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument(
        "--at-once", type=int, default=AT_ONCE, metavar="N", help="scenarios at once in the engine (default 4)"
    )


def report(results: Iterable[Result], *, as_json: bool, out: Out, err: Out) -> int:
    """Print the results as they come, or as one JSON object at the end; return the exit code, 1 if any failed.

    What is not for the shell is not counted; beside a JSON object it is told on `err`.
    """
    counted: list[Result] = []
    for result in results:
        if result.passed is not None:
            counted.append(result)
        if not as_json:
            out.write(f"{result.line()}\n")
        elif result.passed is None:
            err.write(f"{result.line()}\n")
    failed = sum(not result.passed for result in counted)
    passed = len(counted) - failed
    if as_json:
        shown = [result.as_json() for result in counted]
        out.write(json.dumps({"passed": passed, "failed": failed, "results": shown}) + "\n")
    else:
        out.write(f"{passed} passed, {failed} failed\n")
    return 1 if failed else 0


class _NotForMe(Exception):
    """Arguments that only Django's own command line understands."""


class _Parser(ArgumentParser):
    """Leaves every complaint to Django's command line, which words it better."""

    def error(self, message: str) -> NoReturn:
        raise _NotForMe(message)


def run_without_django(arguments: Sequence[str]) -> int | None:
    """Run the command in virtual time and return the exit code, None if it is for Django's command line.

    Virtual time needs nothing of Django, and loading that takes several times as long as playing all scenarios.
    """
    parser = _Parser(add_help=False)
    add_arguments(parser)
    try:
        options = parser.parse_args(arguments)
    except _NotForMe:
        return None
    if options.shell != "virtual":
        return None
    return report(run_virtual(options.paths), as_json=options.json, out=sys.stdout, err=sys.stderr)
