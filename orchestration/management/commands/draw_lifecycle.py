"""Draw the lifecycle tables as Mermaid pictures, for the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestration.domain.lifecycle import LIFECYCLES, Lifecycle

PAGE = Path("docs/reference/lifecycle.md")

_HEAD = """# Lifecycles

Drawn by `python manage.py draw_lifecycle` from `orchestration/domain/lifecycle.py`; a test fails when the two differ.
"""


def draw_page() -> str:
    """Return the page with a picture of every lifecycle."""
    return _HEAD + "".join(_draw(lifecycle) for lifecycle in LIFECYCLES)


def _draw(lifecycle: Lifecycle) -> str:
    lines = [f"\n## {lifecycle.name.capitalize()}\n", "```mermaid", "stateDiagram-v2"]
    lines.append(f"    [*] --> {lifecycle.first}")
    for state, row in lifecycle.table.items():
        arrows: dict[str, list[str]] = {}
        for event, following in row.items():
            arrows.setdefault(following, []).append(event)
        for following, events in arrows.items():
            lines.append(f"    {state} --> {following}: {', '.join(events)}")
    lines += [f"    {state} --> [*]" for state in sorted(lifecycle.last)]
    return "\n".join([*lines, "```\n"])


class Command(BaseCommand):
    help = "Draws the lifecycle tables into docs/reference/lifecycle.md."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, default=PAGE, help="the page to write")

    def handle(self, *args: Any, **options: Any) -> None:
        page: Path = options["output"]
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(draw_page(), encoding="utf-8")
        self.stdout.write(f"{page} is written")
