"""`manage.py conformance PATH... --shell virtual|engine [--json]`: run scenario files and say what came of each."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from orchestration.management.conformance.command_line import add_arguments, report
from orchestration.management.conformance.runner import Result, run_virtual


class Command(BaseCommand):
    """Run scenarios over the pure domain in virtual time, or over the engine in real time. Exit 1 if any failed."""

    help = "Run conformance scenarios: files, or folders of files."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the paths and the options."""
        add_arguments(parser)

    def handle(self, *, paths: list[Path], shell: str, at_once: int, **options: Any) -> None:
        """Run, print, and exit 1 if a scenario failed."""
        code = report(_play(paths, shell, at_once), as_json=options["json"], out=self.stdout, err=self.stderr)
        if code:
            raise SystemExit(code)


def _play(paths: list[Path], shell: str, at_once: int) -> Iterator[Result]:
    if shell == "virtual":
        return run_virtual(paths)
    from orchestration.management.conformance.live import run_engine

    return run_engine(paths, at_once=max(1, at_once))
