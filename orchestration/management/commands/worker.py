"""`manage.py worker`: the processes that drive executions and keep house."""

from __future__ import annotations

import asyncio
import sys
from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestration import lines
from orchestration.engine import queue
from orchestration.engine.cluster import run_cluster
from orchestration.engine.supervisor import supervise
from orchestration.soundness import why_unsound

# Whoever sees that others go on must itself go on: it asks for little.
SUPERVISOR_ANSWER_SECONDS = 6.0
# Portions of housekeeping, and what `python` services ask of the database themselves.
CLUSTER_ANSWER_SECONDS = 60.0


class Command(BaseCommand):
    """Run the supervisor and its clusters until a signal says stop."""

    help = "Run workers until a signal says stop. Any number of hosts may run them on one database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether this host keeps house, and (for the supervisor's own use) which cluster this process is."""
        parser.add_argument("--no-housekeeping", action="store_true", help="drive executions only")
        parser.add_argument("--cluster", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Supervise, or be a cluster. Raise CommandError for a database that cannot be worked on."""
        if reason := why_unsound():
            raise CommandError(reason)
        if options["cluster"]:
            lines.be_patient_for(CLUSTER_ANSWER_SECONDS)
            sys.exit(run_cluster())
        lines.be_patient_for(SUPERVISOR_ANSWER_SECONDS)
        clusters = (queue.SHIFTS,) if options["no_housekeeping"] else (queue.SHIFTS, queue.HOUSEKEEPING)
        asyncio.run(supervise(settings.PODIUM, clusters))
