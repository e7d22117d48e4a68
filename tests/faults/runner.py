"""Runs faults of the catalogue on one kind of database and says what came of each.

Everything stands in a temporary folder: with `postgres` a server and a Redis of its own, with `sqlite` files. Django is
set up here, once the addresses are known.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.faults.servers import OwnPostgres, OwnRedis, postgres_programs

KINDS = ("sqlite", "postgres")
LEFT_OUT = ("DATABASE_URL", "REDIS_URL", "DEBUG", "SITE_KEY", "ALLOWED_HOSTS", "CRASH_AT", "PYTEST_CURRENT_TEST")


def missing(kind: str) -> str:
    """Return why faults cannot be tried on this kind of database, empty if they can."""
    if kind == "postgres":
        if postgres_programs() is None:
            return "PostgreSQL's programs are not installed here"
        if shutil.which("redis-server") is None:
            return "redis-server is not installed here"
    return ""


@contextmanager
def surroundings(kind: str) -> Iterator[tuple[Path, str]]:
    """Start what all faults stand on, set Django up, and give the folder and the server's address (SQLite: none)."""
    folder = Path(tempfile.mkdtemp(prefix="podium-faults-"))
    for name in [name for name in os.environ if name.startswith("PODIUM_") or name in LEFT_OUT]:
        del os.environ[name]
    os.environ.update(
        PODIUM_DATA_DIR=str(folder),
        PODIUM_SITE=f"faults-{secrets.token_hex(4)}",
        SECRET_KEY=secrets.token_hex(32),
        DJANGO_SETTINGS_MODULE="config.settings",
        PYTHONUNBUFFERED="1",
        PODIUM_LOG_LEVEL=os.environ.get("FAULTS_LOG_LEVEL", "WARNING"),
    )
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = ""
        if kind == "postgres":
            postgres, redis = OwnPostgres(folder), OwnRedis(folder)
            stack.callback(postgres.stop, "immediate")
            stack.callback(redis.kill)
            postgres.start()
            redis.start()
            server = os.environ["DATABASE_URL"] = postgres.url
            os.environ["REDIS_URL"] = redis.url
        else:
            os.environ["DATABASE_URL"] = f"sqlite:///{folder}/none.sqlite3"
        import django

        django.setup()
        yield folder, server


def run(
    kind: str, numbers: Sequence[str], *, quick: bool, trials: int, report: Callable[[dict[str, object]], None]
) -> bool:
    """Try faults one by one and report each; return whether all was well."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with surroundings(kind) as (folder, server):
        from tests.faults.catalogue import FAULTS
        from tests.faults.site import Sites

        sites = Sites(folder, server)
        good = True
        try:
            for number in numbers or list(FAULTS):
                fault = FAULTS[number]
                if kind not in fault.on or (quick and not fault.quick):
                    continue
                place = folder / number
                place.mkdir()
                outcome = _try(fault, kind=kind, quick=quick, folder=place, sites=sites, trials=trials)
                good = good and outcome.good
                times = {"p50": outcome.percentile(0.5), "p99": outcome.percentile(0.99)}
                report(asdict(outcome) | {"kind": kind, **times})
        finally:
            sites.close()
        return good


def _try(fault, *, kind, quick, folder, sites, trials):
    from orchestration import clock
    from tests.faults.lab import Lab, Skipped, judge

    lab = Lab(fault, kind=kind, quick=quick, folder=folder, sites=sites, trials=trials)
    began = clock.monotonic()
    try:
        fault.act(lab)
    except Skipped as reason:
        lab.outcome.skipped = str(reason)
    except Exception:
        lab.outcome.wrong.append(traceback.format_exc(limit=-4))
    judge(fault, lab.outcome, quick=quick)
    lab.outcome.seconds = round(clock.monotonic() - began, 1)
    return lab.outcome


def print_line(line: dict[str, object]) -> None:
    """Print an outcome as JSON, for a program that waits for it."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
