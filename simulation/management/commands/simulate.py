"""`manage.py simulate FILE` or `manage.py simulate --validate`: answer a scenario, or check the simulator."""

from __future__ import annotations

import json
import math
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.domain.documents import parse_document
from orchestration.domain.errors import DocumentInvalid, OrchestrationError
from simulation.checks.catalogue import SEED
from simulation.checks.making import NAMES, make
from simulation.checks.table import as_lines, as_markdown
from simulation.experiments import arguments as experiments
from simulation.experiments.asking import answer, experiment_named
from simulation.management import recorded
from simulation.scenarios import backtesting
from simulation.scenarios.files import with_files
from simulation.scenarios.report import page_of
from simulation.scenarios.running import Result, run_scenario
from simulation.scenarios.stopping import add_stopping, stopping_rule, time_limit
from simulation.scenarios.sure import run_until_sure
from simulation.scenarios.text import lines_of
from simulation.speed import Footprint, footprints, is_compiled, speeds

BAR = 30
"""Signs of a progress bar."""


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
        parser.add_argument("--only", default="", help=f"of the checks only these, by comma: {', '.join(NAMES)}")
        parser.add_argument(
            "--recordings", type=Path, help="a folder of recorded workflows (WfFormat 1.5), for --validate"
        )
        recorded.add_arguments(parser)
        parser.add_argument("--speed", action="store_true", help="say how many steps a second one core simulates here")
        parser.add_argument(
            "--memory", type=int, metavar="STEPS", help="say what memory one world of so many steps needs"
        )
        parser.add_argument("--data", type=Path, help="the folder of the recordings that a scenario names (its own)")
        parser.add_argument("--markdown", action="store_true", help="print the checks' table as documentation shows it")
        add_stopping(parser)
        experiments.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked. Raises CommandError for a scenario that cannot be simulated."""
        seed = SEED if options["seed"] is None else options["seed"]
        if options["validate"]:
            self._validate(seed, options)
        elif recorded.asked(options):
            self._from_recorded(seed, options)
        elif options["speed"] or options["memory"] is not None:
            self._measure(options)
        elif options["file"] is None:
            raise CommandError("name a scenario file, or say --validate")
        else:
            self._simulate(options["file"], seed, options)

    def _from_recorded(self, seed: int, options: dict[str, Any]) -> None:
        try:
            found = recorded.backtested(options, seed, self._groups_progress)
            if found is not None:
                told = json.dumps(found.as_json()) if options["json"] else "\n".join(backtesting.lines_of(found))
                self.stdout.write(told)
                if not found.kept:
                    raise SystemExit(1)
                return
            with recorded.scenario_file(options, seed, self.stdout.write) as file:
                if file is not None:
                    self._simulate(file, seed, options)
        except DocumentInvalid as error:
            lines = [f"  {each.path}: {each.message}" for each in error.problems]
            raise CommandError("\n".join([error.message, *lines])) from error
        except (OrchestrationError, OSError) as error:
            raise CommandError(str(error)) from error

    def _simulate(self, file: Path, seed: int, options: dict[str, Any]) -> None:
        if options["replications"] is not None and options["replications"] < 2:
            raise CommandError("--replications is at least 2: one alone has no interval")
        try:
            document = with_files(parse_document(file.read_bytes()), options["data"] or file.parent)
            if self._experiment(document, file, seed, options):
                return
            result = self._result(document, file, seed, options)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error}") from error
        except DocumentInvalid as error:
            lines = [f"  {each.path or 'the document'}: {each.message}" for each in error.problems]
            raise CommandError("\n".join([f"{file} cannot be simulated:", *lines])) from error
        self._progress_over()
        if options["json"]:
            self.stdout.write(json.dumps(result.as_json()))
        else:
            for line in lines_of(result):
                self.stdout.write(line)
        if options["report"] is not None:
            options["report"].write_text(page_of(result), encoding="utf-8")
        if not result.kept:
            raise SystemExit(1)

    def _result(self, document: Any, file: Path, seed: int, options: dict[str, Any]) -> Result:
        rule = stopping_rule(document, options)
        rest: Any = {
            "folder": options["data"] or file.parent,
            "seed": seed,
            "jobs": options["jobs"],
            "progress": self._progress,
        }
        if rule is None:
            return run_scenario(document, replications=options["replications"], **rest)
        limit = time_limit(options)
        until = math.inf if limit is None else time.monotonic() + limit
        return run_until_sure(document, rule=rule, in_time=lambda: time.monotonic() < until, **rest)

    def _experiment(self, document: Any, file: Path, seed: int, options: dict[str, Any]) -> bool:
        """Answer the experiment that is asked for; return False if none is."""
        name = experiments.experiment_name(options)
        asked = experiments.experiment_of(options) if name is None else experiment_named(document, name)
        if asked is None:
            return False
        found = answer(
            document,
            asked,
            folder=options["data"] or file.parent,
            seed=seed,
            replications=options["replications"],
            jobs=options["jobs"],
            progress=self._progress,
        )
        self._progress_over()
        self.stdout.write(json.dumps(found.as_json()) if options["json"] else "\n".join(found.lines()))
        if options["report"] is not None:
            options["report"].write_text(found.page(), encoding="utf-8")
        if not found.kept:
            raise SystemExit(1)
        return True

    def _progress(self, done: int, of: int) -> None:
        if self.stderr.isatty():
            full = done * BAR // of
            self.stderr.write(f"\r[{'#' * full}{'.' * (BAR - full)}] {done} of {of} replications ", ending="")

    def _progress_over(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("")

    def _measure(self, options: dict[str, Any]) -> None:
        found: dict[str, Any] = {"compiled": is_compiled()}
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
        self.stdout.write("compiled" if found["compiled"] else "interpreted (see `make compile`)")
        for length, rates in found.get("steps_per_s", {}).items():
            self.stdout.write(f"{length:>3} steps: {rates['median']:>9,} steps/s, at best {rates['best']:,}")
        for point in found.get("memory", ()):
            self.stdout.write(f"{point['steps']:>12,} steps: {point['mib']:7.1f} MiB")

    def _validate(self, seed: int, options: dict[str, Any]) -> None:
        names = [each.strip() for each in options["only"].split(",") if each.strip()] or NAMES
        unknown = [each for each in names if each not in NAMES]
        if unknown:
            raise CommandError(f"there is no check {unknown[0]}; there are: {', '.join(NAMES)}")
        checks = make(
            names, folder=options["recordings"], seed=seed, jobs=options["jobs"], progress=self._groups_progress
        )
        if options["json"]:
            self.stdout.write(json.dumps({"checks": [each.as_json() for each in checks]}))
        elif options["markdown"]:
            self.stdout.write(as_markdown(checks), ending="")
        else:
            self.stdout.write("\n".join(as_lines(checks)))
        if any(each.passed is False for each in checks):
            raise SystemExit(1)

    def _groups_progress(self, done: int, of: int) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r{done} of {of} groups", ending="\n" if done == of else "")
