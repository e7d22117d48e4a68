"""`manage.py dst --seeds 200 [--start N] [--seed S] [--json]`: the engine's protocol under faults, in virtual time."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.management.dst.report import replay_of, run_seeds
from orchestration.management.dst.world import Outcome

SEEDS = 200


class Command(BaseCommand):
    """Run seeds of the simulation. Exit 1 if anything happened in one that must not."""

    help = "Simulate the engine's protocol: the real driver in a world drawn from a seed, with faults."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take how many seeds, from where, or which one."""
        parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"how many seeds ({SEEDS})")
        parser.add_argument("--start", type=int, default=0, metavar="N", help="the first seed (0)")
        parser.add_argument("--seed", type=int, metavar="S", help="run this seed alone")
        parser.add_argument("--trace", action="store_true", help="print all that happened in each seed")
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, print, and exit 1 if a seed failed. Raise CommandError for bad numbers."""
        if options["seeds"] < 1:
            raise CommandError("--seeds is at least 1")
        one = options["seed"]
        seeds = range(options["start"], options["start"] + options["seeds"]) if one is None else [one]

        def told(outcome: Outcome) -> None:
            if not options["json"]:
                self._say(outcome, trace=options["trace"])

        report = run_seeds(seeds, told)
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json()))
        else:
            for line in report.lines():
                self.stdout.write(line)
        if report.failed:
            raise SystemExit(1)

    def _say(self, outcome: Outcome, *, trace: bool) -> None:
        if trace:
            for line in outcome.lines:
                self.stdout.write(line)
        if outcome.broken:
            self.stdout.write(f"seed {outcome.seed} failed; again: {replay_of(outcome.seed)} --trace")
            for sentence in outcome.broken:
                self.stdout.write(f"  {sentence}")
            self.stdout.flush()
