"""`manage.py create_person NAME`: somebody who can log in and works in the team."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from orchestration.domain.errors import OrchestrationError
from orchestration.teams.operations import add_member, default_team

ROLES = ("viewer", "operator", "admin")


class Command(BaseCommand):
    """Make a login, and a member of the default team."""

    help = "Make a login and put it into the default team. Asks for the password, or reads it from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the name, the role, and whether the admin site is open."""
        parser.add_argument("name")
        parser.add_argument("--role", choices=ROLES, default="operator", help="what the person may do (operator)")
        parser.add_argument("--superuser", action="store_true", help="the admin site is open too")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the person. Raise CommandError for a name that is taken or a password that is too simple."""
        people = get_user_model().objects
        if people.filter(username=options["name"]).exists():
            raise CommandError(f"there is a login {options['name']!r} already")
        password = self._password(options["name"])
        with transaction.atomic():
            make = people.create_superuser if options["superuser"] else people.create_user
            user = make(options["name"], password=password)
            try:
                add_member(team_id=default_team().id, user_id=user.pk, role=options["role"])
            except OrchestrationError as error:
                raise CommandError(str(error)) from error
        self.stdout.write(f"{options['name']} can log in now, as {options['role']}.")

    def _password(self, name: str) -> str:
        if sys.stdin.isatty():
            password = getpass("Password: ")
            if getpass("Again: ") != password:
                raise CommandError("the passwords differ")
        else:
            password = sys.stdin.readline().rstrip("\n")
        try:
            validate_password(password, get_user_model()(username=name))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        return password
