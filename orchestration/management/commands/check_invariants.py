"""`manage.py check_invariants`: what must always be true of executions, asked of the database."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.engine import recovery


class Command(BaseCommand):
    """Fold journals and compare; exit with an error if anything is not as it must be."""

    help = "Check that journals have no gaps and give the states that are stored, and that nothing is held by the dead."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take how many executions are folded."""
        parser.add_argument("--executions", type=int, default=None, help="fold only the latest of them (all)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, and say what was found."""
        found = recovery.check(executions=options["executions"])
        for sentence in found:
            self.stderr.write(sentence)
        if found:
            raise CommandError(f"{len(found)} invariants are violated")
        self.stdout.write("Everything is as it must be.")
