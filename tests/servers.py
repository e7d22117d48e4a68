"""The servers that some tests need: which are here, and what it means when one is not.

A test marked `needs_postgres` runs where the whole run is on PostgreSQL (`DATABASE_URL`), `needs_redis` where it is on
Redis (`REDIS_URL`), `needs_chromium` where Chromium and its driver are installed. Elsewhere it skips and says why.
`PODIUM_REQUIRE=postgres,redis,chromium` turns the skip into a failure where the server is really absent: a run on the
embedded default may leave the PostgreSQL tests to the run on PostgreSQL, but only if there is one.
"""

from __future__ import annotations

import os
import shutil
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that tests need: the variables that name it, the first being the run's own, and its usual address."""

    name: str
    title: str
    variables: tuple[str, str]
    schemes: tuple[str, ...]
    port: int

    def used(self) -> str:
        """Return the address that this run of the tests uses, empty if none."""
        url = os.environ.get(self.variables[0], "")
        return url if urlsplit(url).scheme in self.schemes else ""

    def answers(self) -> bool:
        """Say whether such a server answers: the run's own, the one for tests, or one on loopback."""
        url = self.used() or os.environ.get(self.variables[1], "") or f"//127.0.0.1:{self.port}"
        parts = urlsplit(url)
        try:
            with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or self.port), timeout=2):
                return True
        except OSError:
            return False


SERVERS = {
    "postgres": Server(
        "postgres", "PostgreSQL", ("DATABASE_URL", "PODIUM_TEST_DATABASE_URL"), ("postgres", "postgresql"), 5432
    ),
    "redis": Server("redis", "Redis", ("REDIS_URL", "PODIUM_TEST_REDIS_URL"), ("redis", "rediss"), 6379),
}
NAMES = (*SERVERS, "chromium")


def required() -> frozenset[str]:
    """Return the servers that must be here."""
    return frozenset(word.strip() for word in os.environ.get("PODIUM_REQUIRE", "").split(",") if word.strip())


def need(name: str) -> None:
    """Go on if the run has the server; otherwise skip the test, or fail it where the server is required but absent."""
    if name == "chromium":
        absent = _chromium_absent()
        if absent:
            _absent(name, absent)
        return
    server = SERVERS[name]
    if not server.answers():
        _absent(name, f"no {server.title} answers")
    if not server.used():
        pytest.skip(f"this run is not on {server.title} ({server.variables[0]} names none)")


def _absent(name: str, reason: str) -> None:
    if name in required():
        pytest.fail(f"{reason}, and PODIUM_REQUIRE names {name}", pytrace=False)
    pytest.skip(reason)


def _chromium_absent() -> str:
    if not any(shutil.which(name) for name in CHROMIUM):
        return "Chromium is not installed"
    return "" if shutil.which("chromedriver") else "chromedriver is not installed"
