"""What every test stands on: a site of this test process's own, and the servers that a test needs.

The settings are read when this file is imported, so the names of the site (in Redis) and of its data directory stand in
the environment before that; child processes that a test starts inherit them, unless it gives them others (sites.py).
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from _pytest.nodeid import coerce_node_id

DATA_DIR = Path(tempfile.mkdtemp(prefix="podium-test-"))
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)
os.environ["PODIUM_DATA_DIR"] = str(DATA_DIR)
os.environ["PODIUM_SITE"] = f"test-{secrets.token_hex(4)}"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from tests.servers import NAMES, need  # noqa: E402 - the site comes first


def pytest_configure(config: pytest.Config) -> None:
    """Let each process of a parallel run read the settings only after it has named its site, as this one did.

    They inherit this process's environment, and pytest-django reads the settings it names before any conftest.py.
    """
    if not hasattr(config, "workerinput") and config.getoption("numprocesses", None):
        os.environ.pop("DJANGO_SETTINGS_MODULE")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Keep the tests of an `xdist_group` on one worker also where `-n` was said without `--dist loadgroup`.

    xdist's own choice then is `load`, which knows no groups: two browsers with their platforms would run at once.
    """
    if config.getoption("numprocesses", None) and config.getoption("dist", "no") == "no":
        config.option.dist = "loadgroup"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write each test's group behind its id, by which xdist's scheduler keeps a group together.

    xdist 3.8 does so itself, in an attribute that pytest 9.2 does not read any more: groups were spread over workers.
    """
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        group = item.get_closest_marker("xdist_group")
        if group is not None and "@" not in item.nodeid.rpartition("]")[2]:
            item._id = coerce_node_id(f"{item.nodeid}@{group.args[0]}")  # type: ignore[attr-defined]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tell of each test by its own name: what failed is run once more by that name, where there are no groups."""
    name, at, group = report.nodeid.rpartition("@")
    if at and group.isidentifier() and "PYTEST_XDIST_WORKER" not in os.environ:
        report.nodeid = name


@pytest.fixture(autouse=True)
def _needed_servers(request: pytest.FixtureRequest) -> None:
    for name in NAMES:
        if request.node.get_closest_marker(f"needs_{name}"):
            need(name)


@pytest.fixture(autouse=True)
def _settings_known_anew() -> Iterator[None]:
    # What one test set is not known to the next one, and no thread goes on looking for it.
    from orchestration.configuration import watching

    yield
    watching.start_anew()


@pytest.fixture
def needs_postgres() -> None:
    """Skip where the run is not on PostgreSQL."""
    need("postgres")


@pytest.fixture
def needs_redis() -> None:
    """Skip where the run is not on Redis."""
    need("redis")


@pytest.fixture
def needs_chromium() -> None:
    """Skip without Chromium."""
    need("chromium")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Give this run a database of its own: a file on SQLite (threads and sockets need one), a name on a server."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    test = database.setdefault("TEST", {})
    if database["ENGINE"].endswith("sqlite3"):
        test["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
    else:
        test["NAME"] = f"test_podium_{os.getpid()}"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Close the connections of the process's own threads, or the database could not be dropped."""
    from asgiref.sync import SyncToAsync
    from django.db import connections

    from orchestration.configuration import watching

    yield
    watching.start_anew()
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> None:
    from django.conf import settings

    # The real ones are slow on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def data_dir() -> Path:
    """Return the data directory of this test process."""
    return DATA_DIR
