"""A database for one run: a file in a temporary folder, or on a server one with a name that nobody else has."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection, connections

from orchestration.configuration.queries import forget

MEMORY = "/dev/shm"
"""Where files cost no disk, on systems that have it: a slow disk must not look like a slow engine."""


@contextmanager
def scratch_database() -> Iterator[None]:
    """Have Django's default database be an empty one with all migrations applied, and drop it afterwards.

    The connections of other threads must be closed before the end.
    """
    in_memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="podium-conformance-", dir=in_memory) as folder:
        before = connection.settings_dict["NAME"]
        if connection.vendor == "sqlite":
            name = str(Path(folder) / "scratch.sqlite3")
        else:
            name = f"podium_conformance_{secrets.token_hex(6)}"
        connection.settings_dict.setdefault("TEST", {})["NAME"] = name
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                # Nobody needs after a crash what lies in it.
                cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit TO off")
            connection.close()
        forget()
        try:
            yield
        finally:
            # Whoever looks for settings in a thread of its own has a connection there.
            forget()
            connections.close_all()
            connection.creation.destroy_test_db(str(before), verbosity=0)
