"""Cutting every connection to the tests' database, as a restart of the server does (PostgreSQL)."""

from __future__ import annotations

from asgiref.sync import SyncToAsync
from django.db import connection, connections


def cut_connections() -> None:
    """End all connections to the tests' database but this thread's.

    The thread in which asynchronous tests do what is synchronous outlives a test: it begins anew, or a later test would
    find its connection dead.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
