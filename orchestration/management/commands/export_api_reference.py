"""Write the API's reference page."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from orchestration.api.reference import api_reference


class Command(BaseCommand):
    """`manage.py export_api_reference [--output docs/reference/api.md]`."""

    help = "Write the API's reference page from its OpenAPI document."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add where the page goes."""
        parser.add_argument("--output", type=Path, default=settings.BASE_DIR / "docs" / "reference" / "api.md")

    def handle(self, *args: Any, output: Path, **options: Any) -> None:
        """Write the page."""
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(api_reference(), encoding="utf-8")
        self.stdout.write(f"{output} written")
