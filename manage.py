#!/usr/bin/env python
"""The command line of the platform: `python manage.py help` lists what it can do."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser

import config  # noqa: F401 - before any other module of ours: it says which ones are loaded compiled


def main() -> None:
    """Run the management command that the arguments name."""
    if sys.argv[1:2] == ["conformance"]:
        # In virtual time it needs nothing of Django, and is done before that would be loaded.
        from orchestration.management.conformance.command_line import run_without_django

        if (code := run_without_django(sys.argv[2:])) is not None:
            raise SystemExit(code)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    _take_data_dir(sys.argv[1:])
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        message = "Django is not installed here: run `make install`, then use .venv/bin/python manage.py."
        raise SystemExit(message) from error
    execute_from_command_line(sys.argv)


def _take_data_dir(arguments: list[str]) -> None:
    # The settings name the database, so they must know where it lies before any command is asked.
    if arguments[:1] == ["up"]:
        parser = ArgumentParser(add_help=False, allow_abbrev=False)
        parser.add_argument("--data-dir")
        given = parser.parse_known_args(arguments[1:])[0].data_dir
        if given:
            os.environ["PODIUM_DATA_DIR"] = os.path.abspath(given)


if __name__ == "__main__":
    main()
