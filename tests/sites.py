"""Whole sites for tests that start the platform's own processes: each with data, database and queues of its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.servers import SERVERS

LEFT_OUT = ("DATABASE_URL", "REDIS_URL", "DEBUG", "SECRET_KEY", "SITE_KEY", "ALLOWED_HOSTS")


@contextmanager
def own_site(data_dir: Path) -> Iterator[dict[str, str]]:
    """Give the environment of a site that shares nothing with any other.

    It is on the servers that this run of the tests is on: SQLite in `data_dir`, or a PostgreSQL database that is made
    for it and dropped at the end; on Redis its keys have a name of their own.
    """
    kept = {
        name: value for name, value in os.environ.items() if name not in LEFT_OUT and not name.startswith("PODIUM_")
    }
    site = f"site-{secrets.token_hex(4)}"
    environment = kept | {"PODIUM_DATA_DIR": str(data_dir), "PODIUM_SITE": site}
    redis = SERVERS["redis"].used()
    if redis:
        environment["REDIS_URL"] = redis
    server = SERVERS["postgres"].used()
    if not server:
        yield environment
        return
    name = f"podium_{site.replace('-', '_')}"
    _run(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield environment | {"DATABASE_URL": urlunsplit(urlsplit(server)._replace(path=f"/{name}"))}
    finally:
        _run(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _run(server: str, statement: sql.Composed) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)
