"""Which store it is: the database that Django is configured with decides."""

from __future__ import annotations

from typing import Any

from django.db import connection

from orchestration.configuration.queries import execution_defaults
from orchestration.engine.store import Store


def open_store(podium: Any) -> Store:
    """Return the store of Django's default database. To be called after the fork, on the loop that uses it."""
    if connection.vendor == "sqlite":
        from orchestration.engine.store_sqlite import SqliteStore

        return SqliteStore(str(connection.settings_dict["NAME"]), podium, execution_defaults)
    from orchestration.engine.store_postgres import PostgresStore

    return PostgresStore(connection.get_connection_params(), podium, execution_defaults)
