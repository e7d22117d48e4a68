"""`manage.py bench --workload chain|throughput|fanout|start`: how fast the platform is here, durably and for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from orchestration.domain.errors import OrchestrationError
from orchestration.management.bench.calibrating import calibrate, lines_of
from orchestration.management.bench.figures import Figures, summary
from orchestration.management.bench.history import fill
from orchestration.management.bench.profiling import flame_graph
from orchestration.management.bench.site import running_site
from orchestration.management.bench.workloads import RUNS, Workload, run, warm_up

EXECUTIONS = {"chain": 50, "throughput": 1_000, "fanout": 1, "start": 50}
STEPS = {"chain": 10, "throughput": 10, "fanout": 1_000, "start": 1}
REPEAT = 3
SCRATCH = "PODIUM_BENCH_IN_SCRATCH"
MEANING = {
    "chain": "p50/p99: from one step's start to the next one's",
    "throughput": "p50/p99: an execution from its start to its end, among all the others",
    "fanout": "seconds: from the start call until the end was read back",
    "start": "p50/p99: from the start call to the call of the first step, a shift being awake; asleep_*: none being",
}


class Command(BaseCommand):
    """Start workers, run a workload three times, say the medians."""

    help = "Measure chain, throughput, fanout or start on the configured database and broker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the workload and its size."""
        parser.add_argument("--workload", choices=sorted(RUNS), default="throughput")
        parser.add_argument(
            "--calibrate", action="store_true", help="measure the costs of the simulator's workers, and compare"
        )
        parser.add_argument("--out", type=Path, metavar="FILE", help="with --calibrate: write the workers block there")
        parser.add_argument("--http", action="store_true", help="each step is a POST of 200 bytes to a local service")
        parser.add_argument("--executions", type=int, help="executions in a run (chain 50, throughput 1000, start 50)")
        parser.add_argument("--steps", type=int, help="steps of an execution (10; fanout 1000)")
        parser.add_argument("--workers", type=int, default=settings.PODIUM.workers, help="worker processes")
        parser.add_argument("--repeat", type=int, default=REPEAT, help="runs, of which the median is said (3)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--profile", type=Path, metavar="FILE", help="write a flame graph of the workers (SVG)")
        parser.add_argument(
            "--finished", type=int, default=0, help="have so many executions in the database that ended long ago"
        )
        parser.add_argument(
            "--here", action="store_true", help="on SQLite: in PODIUM_DATA_DIR rather than a scratch directory"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure. Raise CommandError for bad numbers and for a run that did not complete."""
        if not settings.DATABASE_URL and not options["here"] and SCRATCH not in os.environ:
            raise SystemExit(self._in_scratch())
        if options["calibrate"]:
            self._calibrate(options)
            return
        workload = self._workload(options)
        if min(workload.executions, workload.steps, options["workers"], options["repeat"]) < 1:
            raise CommandError("--executions, --steps, --workers and --repeat are at least 1")
        call_command("migrate", verbosity=0, interactive=False)
        try:
            with running_site(workers=options["workers"], http=workload.http) as site:
                self._fill(warm_up(site, workload), options)
                with ExitStack() as watching:
                    if options["profile"]:
                        watching.enter_context(flame_graph(site.workers_pid, options["profile"]))
                    runs = [self._run(site, workload, options, number) for number in range(1, options["repeat"] + 1)]
        except OrchestrationError as error:
            raise CommandError(str(error)) from error
        self._say(workload, options, runs)

    def _calibrate(self, options: dict[str, Any]) -> None:
        if min(options["workers"], options["repeat"]) < 1:
            raise CommandError("--workers and --repeat are at least 1")
        call_command("migrate", verbosity=0, interactive=False)
        try:
            with running_site(workers=options["workers"], http=True) as site:
                warm_up(site, Workload(name="throughput", executions=1, steps=10, http=True))
                found = calibrate(site, workers=options["workers"], rounds=options["repeat"], told=self.stderr.write)
        except OrchestrationError as error:
            raise CommandError(str(error)) from error
        if options["out"]:
            options["out"].write_text(found.block(), encoding="utf-8")
        self.stdout.write(found.as_json() if options["json"] else "\n".join(lines_of(found)))

    def _in_scratch(self) -> int:
        # The settings name the database file, so another process must read them with another directory.
        with tempfile.TemporaryDirectory(prefix="podium-bench-data-") as folder:
            environment = {**os.environ, "PODIUM_DATA_DIR": folder, SCRATCH: "1"}
            return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode

    def _workload(self, options: dict[str, Any]) -> Workload:
        name = options["workload"]
        return Workload(
            name=name,
            executions=EXECUTIONS[name] if options["executions"] is None else options["executions"],
            steps=STEPS[name] if options["steps"] is None else options["steps"],
            http=options["http"],
        )

    def _fill(self, execution: str, options: dict[str, Any]) -> None:
        if options["finished"]:
            for there in fill(execution=execution, count=options["finished"]):
                self.stderr.write(f"{there:,} finished executions")

    def _run(self, site: Any, workload: Workload, options: dict[str, Any], number: int) -> Figures:
        figures = run(site, workload)
        if not options["json"]:
            rate, seconds = f"{figures.steps_per_s or 0:,.0f}", figures.seconds or 0
            self.stdout.write(f"run {number}: {rate} steps/s in {seconds:.3f} s")
            self.stdout.flush()
        return figures

    def _say(self, workload: Workload, options: dict[str, Any], runs: list[Figures]) -> None:
        found = summary(runs=runs)
        about = {
            "workload": workload.name,
            "http": workload.http,
            "executions": workload.executions,
            "steps": workload.steps,
            "workers": options["workers"],
            "finished_before": options["finished"],
            "database": settings.DATABASES["default"]["ENGINE"].rpartition(".")[2],
            "meaning": MEANING[workload.name],
        }
        if options["json"]:
            self.stdout.write(json.dumps({**about, **found}))
            return
        self.stdout.write(" · ".join(f"{name} {value}" for name, value in about.items() if name != "meaning"))
        for name, value in found.items():
            if isinstance(value, float):
                self.stdout.write(f"{name:28} {value:>12,g}   spread {found['spread'].get(name, 0):.0%}")
        self.stdout.write(f"({MEANING[workload.name]})")
