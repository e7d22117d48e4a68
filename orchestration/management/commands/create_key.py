"""`manage.py create_key NAME`: an API key for a program."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.domain.errors import OrchestrationError
from orchestration.teams.operations import create_key, default_team


class Command(BaseCommand):
    """Make a key of the default team, and show it once."""

    help = "Make an API key of the default team and print it. It is not kept: nothing can show it again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what the key is for."""
        parser.add_argument("name", help="what the key is for; it stands beside what was done with it")
        parser.add_argument("--may-configure", action="store_true", help="let it change the site's live settings")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the key and print it. Raise CommandError for a name that is none, or when there are too many keys."""
        try:
            _view, key = create_key(
                team_id=default_team().id,
                name=options["name"],
                by="manage.py",
                may_configure=options["may_configure"],
            )
        except OrchestrationError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(key)
