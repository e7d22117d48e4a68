"""`manage.py up`: the whole platform with its demo, in one terminal."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestration.management.local_site import LocalSite, SiteFailed, Wanted

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    """Start everything, stay until Ctrl-C, stop everything."""

    help = "Start web, workers and the demo with its services; one Ctrl-C stops all of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the address, the data directory and whether the demo is wanted."""
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="the port to listen on (8000)")
        parser.add_argument("--data-dir", type=Path, default=settings.PODIUM.data_dir, help="where data lie (.podium)")
        parser.add_argument("--no-demo", action="store_true", help="no demo workflows, no demo services, no demo login")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal says stop; raise CommandError for what cannot be mended."""
        if options["data_dir"].absolute() != settings.PODIUM.data_dir.absolute():
            raise CommandError("--data-dir is read by manage.py itself; in a program set PODIUM_DATA_DIR instead")
        if settings.PODIUM.production and not options["no_demo"]:
            raise CommandError("a production site has no demo: add --no-demo")
        wanted = Wanted(
            host=options["host"],
            port=options["port"],
            data_dir=options["data_dir"].absolute(),
            demo=not options["no_demo"],
        )
        site = LocalSite(wanted, say=self._say)
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: site.stop())
        try:
            site.run()
        except SiteFailed as error:
            raise CommandError(str(error)) from error

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
