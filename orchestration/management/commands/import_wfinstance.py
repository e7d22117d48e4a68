"""`manage.py import_wfinstance FILE`: a recorded scientific workflow as a definition, run and checked.

Exits 0 only when the execution completed with every step done once and every dependency kept.
"""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.domain.durations import format_duration
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.limits import MICROSECONDS
from orchestration.management.wfinstances.definition import NO_LIMIT, definition_of, workflow_id
from orchestration.management.wfinstances.recording import Recording, read_recording
from orchestration.management.wfinstances.running import Outcome, prepare_database, run, save
from orchestration.management.wfinstances.virtual import virtual_makespan

SCALE = 0.001
LARGEST_SCALE = 1_000.0
SPARE_SECONDS = 120.0


class Command(BaseCommand):
    """Import a recording, run it, and say how close it came to its critical path."""

    help = "Turn a recorded workflow (WfFormat 1.5) into a definition, run it on the engine, and check its journal."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file and what its run times are multiplied by."""
        parser.add_argument("file", type=Path, help="a WfFormat 1.5 file (JSON)")
        parser.add_argument("--time-scale", type=_scale, default=SCALE, help="factor on recorded run times (0.001)")
        parser.add_argument(
            "--parallel-limit", type=int, default=NO_LIMIT, help=f"tasks that run at once ({NO_LIMIT}: no limit)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--no-run", action="store_true", help="save the definition only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import and run; raise CommandError for a file that cannot be imported, exit 1 for a run that went wrong."""
        file, scale = options["file"], options["time_scale"]
        if not 1 <= options["parallel_limit"] <= NO_LIMIT:
            raise CommandError(f"--parallel-limit is 1 to {NO_LIMIT}")
        try:
            recording = read_recording(file.read_bytes())
            workflow, limit = workflow_id(file.stem), options["parallel_limit"]
            document = definition_of(recording, workflow=workflow, scale=scale, parallel_limit=limit)
            prepare_database()
            facts = _facts(recording, document, scale)
            if options["no_run"]:
                _, facts["revision"] = save(document)
                outcome: Outcome | None = None
            else:
                [outcome] = run([document], timeout=SPARE_SECONDS + 2 * recording.total(scale) / MICROSECONDS)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        except OrchestrationError as error:
            raise CommandError(f"{file}: {error}") from error
        self._say(facts, outcome, as_json=options["json"])
        if outcome is not None and not outcome.good:
            raise SystemExit(1)

    def _say(self, facts: dict[str, Any], outcome: Outcome | None, *, as_json: bool) -> None:
        if outcome is not None:
            facts |= {
                "execution_id": outcome.execution_id,
                "revision": outcome.revision,
                "status": outcome.status,
                "error": outcome.error,
                "steps_completed": outcome.steps,
                "makespan_us": outcome.makespan,
                "faults": list(outcome.faults),
            }
        if as_json:
            self.stdout.write(json.dumps(facts))
            return
        self.stdout.write(f"{facts['workflow']} revision {facts['revision']}: {facts['steps']} steps")
        self.stdout.write(f"critical path {format_duration(facts['critical_path_us'])} (times {facts['time_scale']:g})")
        self.stdout.write(f"in virtual time {format_duration(facts['virtual_makespan_us'])}")
        if outcome is None:
            return
        self.stdout.write(f"makespan {format_duration(outcome.makespan)}, {outcome.steps} steps completed")
        self.stdout.write(f"{outcome.status}: execution {outcome.execution_id}")
        if outcome.error is not None:
            self.stdout.write(f"error {outcome.error['code']}: {outcome.error['message']}")
        for fault in outcome.faults[:10]:
            self.stdout.write(f"fault: {fault}")


def _facts(recording: Recording, document: dict[str, Any], scale: float) -> dict[str, Any]:
    return {
        "workflow": document["id"],
        "steps": len(document["steps"]),
        "time_scale": scale,
        "parallel_limit": document["config"]["parallel_limit"],
        "critical_path_us": recording.critical_path(scale),
        "virtual_makespan_us": virtual_makespan(document),
    }


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not 0 <= scale <= LARGEST_SCALE:
        raise ArgumentTypeError(f"a factor from 0 to {LARGEST_SCALE:g}")
    return scale
