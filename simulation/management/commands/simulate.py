"""`manage.py simulate FILE` or `manage.py simulate --validate`: answer a scenario, or check the simulator."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.domain.documents import parse_document
from orchestration.domain.errors import DocumentInvalid
from simulation.checks.catalogue import CHECKS, SEED, run
from simulation.checks.recordings import recorded_workflows
from simulation.checks.table import as_lines, as_markdown
from simulation.scenarios.report import page_of
from simulation.scenarios.running import run_scenario
from simulation.scenarios.text import lines_of
from simulation.speed import Footprint, footprints, speeds

RECORDINGS = "recorded-workflows"


class Command(BaseCommand):
    """Simulate a scenario, or make all checks. Exit 1 when a promise is broken or a check fails."""

    help = "Simulate a scenario file in virtual time, or check the simulator against what is known exactly."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the file and the options."""
        parser.add_argument("file", nargs="?", type=Path, help="a scenario (YAML or JSON)")
        parser.add_argument("--replications", type=int, help="independent replications (the scenario's own number)")
        parser.add_argument("--jobs", type=int, default=1, help="processes that simulate at once (1)")
        parser.add_argument("--seed", type=int, help=f"where all chance comes from ({SEED})")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--report", type=Path, help="write a page with pictures to this file")
        parser.add_argument("--validate", action="store_true", help="make all checks and print their table")
        parser.add_argument("--only", default="", help=f"of the checks only these, by comma: {', '.join(CHECKS)}")
        parser.add_argument(
            "--recordings", type=Path, help="a folder of recorded workflows (WfFormat 1.5), for --validate"
        )
        parser.add_argument("--speed", action="store_true", help="say how many steps a second one core simulates here")
        parser.add_argument(
            "--memory", type=int, metavar="STEPS", help="say what memory one world of so many steps needs"
        )
        parser.add_argument("--markdown", action="store_true", help="print the checks' table as documentation shows it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked. Raises CommandError for a scenario that cannot be simulated."""
        seed = SEED if options["seed"] is None else options["seed"]
        if options["validate"]:
            self._validate(seed, options)
        elif options["speed"] or options["memory"] is not None:
            self._measure(options)
        elif options["file"] is None:
            raise CommandError("name a scenario file, or say --validate")
        else:
            self._simulate(options["file"], seed, options)

    def _simulate(self, file: Path, seed: int, options: dict[str, Any]) -> None:
        if options["replications"] is not None and options["replications"] < 2:
            raise CommandError("--replications is at least 2: one alone has no interval")
        try:
            document = parse_document(file.read_bytes())
            result = run_scenario(
                document,
                folder=file.parent,
                seed=seed,
                replications=options["replications"],
                jobs=options["jobs"],
                progress=self._progress,
            )
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error}") from error
        except DocumentInvalid as error:
            lines = [f"  {each.path or 'the document'}: {each.message}" for each in error.problems]
            raise CommandError("\n".join([f"{file} cannot be simulated:", *lines])) from error
        if options["json"]:
            self.stdout.write(json.dumps(result.as_json()))
        else:
            for line in lines_of(result):
                self.stdout.write(line)
        if options["report"] is not None:
            options["report"].write_text(page_of(result), encoding="utf-8")
        if not result.kept:
            raise SystemExit(1)

    def _progress(self, done: int, of: int) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r{done} of {of} replications", ending="\n" if done == of else "")

    def _measure(self, options: dict[str, Any]) -> None:
        found: dict[str, Any] = {}
        if options["speed"]:
            found["steps_per_s"] = {
                str(each.length): {"median": round(each.median), "best": round(each.best)} for each in speeds()
            }
        if options["memory"] is not None:
            if options["memory"] < 1_000:
                raise CommandError("--memory is at least 1000 steps")
            points: list[Footprint] = []
            rate = footprints(options["memory"], points.append)
            found["memory"] = [{"steps": each.steps, "mib": round(each.memory, 1)} for each in points]
            found["memory_steps_per_s"] = round(rate)
        if options["json"]:
            self.stdout.write(json.dumps(found))
            return
        for length, rates in found.get("steps_per_s", {}).items():
            self.stdout.write(f"{length:>3} steps: {rates['median']:>9,} steps/s, at best {rates['best']:,}")
        for point in found.get("memory", ()):
            self.stdout.write(f"{point['steps']:>12,} steps: {point['mib']:7.1f} MiB")

    def _validate(self, seed: int, options: dict[str, Any]) -> None:
        names = [each.strip() for each in options["only"].split(",") if each.strip()] or [*CHECKS, RECORDINGS]
        unknown = [each for each in names if each not in CHECKS and each != RECORDINGS]
        if unknown:
            raise CommandError(f"there is no check {unknown[0]}; there are: {', '.join(CHECKS)}, {RECORDINGS}")
        checks = list(recorded_workflows(options["recordings"])) if RECORDINGS in names else []
        names = [each for each in names if each != RECORDINGS]
        with ProcessPoolExecutor(max_workers=max(1, options["jobs"])) as processes:
            for place, found in enumerate(processes.map(run, names, [seed] * len(names)), start=1):
                checks += found
                if self.stderr.isatty():
                    self.stderr.write(f"\r{place} of {len(names)} groups", ending="\n" if place == len(names) else "")
        if options["json"]:
            self.stdout.write(json.dumps({"checks": [each.as_json() for each in checks]}))
        elif options["markdown"]:
            self.stdout.write(as_markdown(checks), ending="")
        else:
            self.stdout.write("\n".join(as_lines(checks)))
        if any(each.passed is False for each in checks):
            raise SystemExit(1)
