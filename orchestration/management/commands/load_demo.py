"""`manage.py load_demo --farm-url URL`: the demo's login, services, workflows and executions."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestration.domain.errors import OrchestrationError
from orchestration.management.demo.loading import load_demo
from orchestration.management.demo_key import write_demo_key


class Command(BaseCommand):
    """Load the demo; again is no harm."""

    help = "Load the demo: login demo/demo, the farm's services, two workflows and executions of every ending."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take where the farm answers and where the key goes."""
        parser.add_argument(
            "--farm-url", "--farm", dest="farm", required=True, help="where `python -m loadtests.farm` answers"
        )
        parser.add_argument("--key-file", type=Path, help="leave an API key there, readable by its owner only")
        parser.add_argument("--no-executions", action="store_true", help="start nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, and say what is there. Raise CommandError for an address that cannot be used."""
        if settings.PODIUM.production:
            raise CommandError("a production site has no demo: everybody knows its login")
        try:
            loaded = load_demo(farm_url=options["farm"], executions=not options["no_executions"])
        except OrchestrationError as error:
            raise CommandError(f"{error} {error.details or ''}".strip()) from error
        if options["key_file"] is not None:
            write_demo_key(options["key_file"])
        if options["verbosity"]:
            self.stdout.write(f"services   {', '.join(loaded.services)}")
            self.stdout.write(f"workflows  {', '.join(loaded.workflows)}")
            self.stdout.write(f"executions {loaded.started} started")
