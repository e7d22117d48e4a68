"""F20 to F27: the database goes, comes back, answers late or never, is full, is locked, is broken."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from django.db import connections

from orchestration import clock
from orchestration.engine.models import JournalEntry
from tests.faults import workflows
from tests.faults.lab import Lab, Skipped, fault
from tests.faults.processes import ROOT
from tests.faults.proxy import Proxy
from tests.faults.servers import free_port
from tests.faults.site import Site

POSTGRES, SQLITE = ("postgres",), ("sqlite",)
UNAVAILABLE_SECONDS = 3.0


def _entries() -> int:
    return JournalEntry.objects.count()


def _under_way(site: Site, entries: int = 20) -> None:
    seen = _entries()
    site.until(lambda: _entries() > seen + entries, "work under way")


@fault("F20", "PostgreSQL is restarted under load: fast, immediate, killed", quick=1, full=9, p50=2, p99=4, on=POSTGRES)
def restarted(lab: Lab) -> None:
    """Restart the database in the middle of commits: progress soon after it answers, and nothing is run again."""
    with lab.postgres() as server, lab.site(server=server.url) as site:
        site.save(workflows.chain("chain", 60, seconds=0.02))
        site.worker()
        for trial in range(lab.trials):
            for _ in range(10):
                site.start("chain")
            _under_way(site)
            before = _entries()
            connections.close_all()
            how = ("immediate", "fast", "kill")[trial % 3]
            server.stop(how)
            server.start()
            began = clock.monotonic()
            site.until(lambda seen=before: _entries() > seen, "progress after the restart")
            lab.recovered(clock.monotonic() - began)
            lab.tried()
        lab.examine(site)


@contextmanager
def _behind_a_proxy(lab: Lab, site: Site) -> Iterator[tuple[Proxy, dict[str, str]]]:
    """Put a proxy in front of the database; give it and the environment of whoever is to go through it."""
    parts = urlsplit(site.url)
    with Proxy(parts.port or 5432).running() as proxy:
        yield proxy, {"DATABASE_URL": parts._replace(netloc=f"postgres@127.0.0.1:{proxy.port}").geturl()}


@fault("F21", "the database's connections go silent (black hole)", quick=1, full=2, p99=12, on=POSTGRES)
def black_hole(lab: Lab) -> None:
    """Swallow every byte between platform and database: the API says 503 in time; all goes on after it is over."""
    with lab.site() as site, _behind_a_proxy(lab, site) as (proxy, environment):
        site.save(workflows.chain("chain", 40, seconds=0.05))
        web = site.web(**environment)
        site.worker(**environment)
        for _ in range(lab.trials):
            for _ in range(5):
                site.ask_to_start(web, "chain")
            _under_way(site)
            proxy.switch("blackhole")
            since = clock.monotonic()
            for _ in range(3):
                answer = site.ask_to_start(web, "chain")
                lab.require(answer.status == 503, f"the API answers {answer.status}, not 503")
                lab.require("retry-after" in answer.headers, "503 without Retry-After")
                lab.require(answer.seconds <= UNAVAILABLE_SECONDS + lab.quick, f"503 took {answer.seconds:.1f} s")
            site.until(lambda since=since: clock.monotonic() - since > 8, "longer than a lease")
            before = _entries()
            # What was swallowed stays silent: the platform has to throw it away by itself.
            proxy.switch("pass")
            began = clock.monotonic()
            site.until(lambda seen=before: _entries() > seen, "progress after the silence")
            lab.recovered(clock.monotonic() - began)
            lab.tried()
            site.until(lambda: site.ask_to_start(web, "chain").status == 202, "the API after the silence", timeout=20)
        lab.examine(site)


@fault("F21b", "replies of the database are cut after the effect", quick=0, full=3, on=POSTGRES)
def replies_cut(lab: Lab) -> None:
    """Let statements through and cut their replies: whether a commit took place is looked up, never guessed."""
    with lab.site() as site, _behind_a_proxy(lab, site) as (proxy, environment):
        site.save(workflows.chain("chain", 60, seconds=0.01))
        site.worker(**environment)
        for _ in range(10):
            site.start("chain")
        _under_way(site)
        over = threading.Event()
        for _ in range(lab.trials * 6):
            proxy.switch("cut-reply")
            over.wait(0.1)
            proxy.switch("pass")
            over.wait(0.4)
            lab.tried()
        lab.examine(site)


@fault("F22", "the database is 200 ms away", quick=0, full=1, on=POSTGRES)
def slow(lab: Lab) -> None:
    """Delay every statement: no lease is lost, nothing is tried again, and everything ends."""
    with lab.site() as site, _behind_a_proxy(lab, site) as (proxy, environment):
        proxy.switch("delay", seconds=0.1)
        site.save(workflows.chain("chain", 8, seconds=0.01))
        site.worker(**environment)
        for _ in range(100):
            site.start("chain")
        site.all_ended(timeout=120)
        lab.tried()
        from orchestration.engine.models import Shift

        lab.require(not Shift.objects.filter(state="dead").exists(), "a shift that lives was declared dead")
        lab.require(not JournalEntry.objects.filter(type="step.retrying").exists(), "an attempt was burnt")
        proxy.switch("pass")
        lab.examine(site)


@fault("F23", "every connection that the database allows is taken", quick=0, full=2, p99=8, on=POSTGRES)
def exhausted(lab: Lab) -> None:
    """Take all connections: whoever has one goes on, the API says 503 in time, and nothing is lost."""
    with lab.postgres("max_connections=40") as server, lab.site(server=server.url) as site:
        site.save(workflows.chain("chain", 60, seconds=0.05))
        web = site.web(PODIUM_WEB_POOL="2")
        site.worker()
        for _ in range(lab.trials):
            for _ in range(5):
                site.start("chain")
            _under_way(site)
            taken: list[psycopg.Connection] = []
            with contextlib.suppress(psycopg.OperationalError):
                while len(taken) < 60:
                    taken.append(psycopg.connect(server.url, connect_timeout=2))
            lab.require(taken, "no connection was left to take")
            answer = web.ask("GET", "/api/v1/executions")
            lab.require(answer.status in (200, 503), f"the API answers {answer.status}")
            lab.require(answer.seconds <= UNAVAILABLE_SECONDS + lab.quick, f"its answer took {answer.seconds:.1f} s")
            before = _entries()
            site.until(lambda seen=before: _entries() > seen, "whoever has a connection goes on", timeout=15)
            for each in taken:
                each.close()
            lab.tried()
            site.until(lambda: web.ask("GET", "/api/v1/executions").status == 200, "the API afterwards", timeout=20)
            site.all_ended()
        lab.examine(site)


@fault("F24", "deadlocks and lock waits among commits", quick=0, full=1, on=POSTGRES)
def deadlocks(lab: Lab) -> None:
    """Lock the rows that commits poke, in every order, from outside: a victim is repeated whole."""
    with lab.site() as site:
        site.save(workflows.workflow("child", workflows.call("x", "work")))
        subs = [{"id": f"sub{n}", "type": "subflow", "workflow": "child"} for n in range(6)]
        site.save(workflows.workflow("parent", *subs))
        site.worker()
        site.worker()
        rows = [site.start("parent") for _ in range(20)]
        victims = _storm(site, rows, lab)
        lab.note(f"{victims} of the storm's own transactions were the victim of a deadlock")
        lab.examine(site)


def _storm(site: Site, rows: list[str], lab: Lab) -> int:
    victims = 0
    between = threading.Event()
    with psycopg.connect(site.url) as line:
        line.execute("SET deadlock_timeout = '100ms'")
        line.commit()
        for number in range(60):
            order = rows if number % 2 else rows[::-1]
            try:
                for each in order:
                    line.execute("SELECT 1 FROM podium_execution WHERE id = %s FOR UPDATE", [each])
                between.wait(0.02)
                line.rollback()
            except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
                victims += 1
                line.rollback()
            lab.tried()
    return victims


@fault("F25", "another process holds SQLite's lock for 6 s", quick=0, full=3, p99=8, on=SQLITE)
def locked(lab: Lab) -> None:
    """Hold the write lock from another process: everybody waits, the API waits or says 503, and all goes on."""
    with lab.site() as site:
        site.save(workflows.chain("chain", 60, seconds=0.1))
        web = site.web()
        site.worker()
        for trial in range(lab.trials):
            for _ in range(5):
                site.start("chain")
            _under_way(site)
            answers: list[int] = []
            with _lock_held(Path(urlsplit(site.url).path), 6.0) as held:
                asking = threading.Thread(
                    target=lambda: answers.append(site.ask_to_start(web, "chain", Idempotency_Key=f"k{trial}").status)  # noqa: B023 - joined below
                )
                asking.start()
                held.wait(30)
            before = _entries()
            began = clock.monotonic()
            site.until(lambda seen=before: _entries() > seen, "progress after the lock")
            lab.recovered(clock.monotonic() - began)
            asking.join(40)
            lab.require(answers and answers[0] in (202, 503), f"the API answered {answers}")
            lab.tried()
            site.all_ended()
        lab.examine(site)


HOLD = """
import sqlite3, sys, threading
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
threading.Event().wait(float(sys.argv[2]))
db.execute("COMMIT")
"""


@contextmanager
def _lock_held(path: Path, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLD, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


@fault("F26", "the disk is full", quick=1, full=2)
def disk_full(lab: Lab) -> None:
    """Fill the disk that the database lies on (a small tmpfs): nothing is acknowledged that is not kept.

    The mount is the trial's own: a process in a mount namespace of its own does all of it.
    """
    if shutil.which("unshare") is None:
        raise Skipped("unshare is not installed")
    if lab.kind == "postgres" and os.getuid() != 0:
        raise Skipped("PostgreSQL refuses to run where a tmpfs may be mounted without being root")
    place = lab.folder / "small"
    place.mkdir()
    # As root no user namespace is needed, in which the user `postgres` would not exist.
    space = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-rm"]
    size = "12m" if lab.kind == "sqlite" else "160m"
    probe = subprocess.run([*space, "mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True, check=False)
    if probe.returncode:
        raise Skipped(f"no tmpfs may be mounted here: {probe.stderr.decode()[:200].strip()}")
    inside = [sys.executable, "-m", "tests.faults.small_disk", lab.kind, str(place), str(lab.trials)]
    mounted = f"mount -t tmpfs -o size={size},mode=755 tmpfs {place} && exec " + " ".join(inside)
    done = subprocess.run(
        [*space, "sh", "-c", mounted], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    lab.require(done.returncode == 0, f"the small disk's trial ended with {done.returncode}: {done.stderr[-3000:]}")
    for line in done.stdout.splitlines():
        if line.startswith("wrong: "):
            lab.outcome.wrong.append(line.removeprefix("wrong: "))
        elif line.startswith("note: "):
            lab.note(line.removeprefix("note: "))
        elif line.startswith("tried"):
            lab.tried()


@fault("F27", "SQLite's file is truncated, broken, or gone", quick=1, full=1, on=SQLITE)
def broken_file(lab: Lab) -> None:
    """Break the file: worker and web refuse to start and say why; no new, empty database takes its place."""
    for how in ("truncated", "gone") if lab.quick else ("truncated", "overwritten", "gone"):
        with lab.site() as site:
            site.save(workflows.chain("chain", 2))
            site.start("chain", expect="")
            connections.close_all()
            path = Path(urlsplit(site.url).path)
            for beside in (Path(f"{path}-wal"), Path(f"{path}-shm")):
                beside.unlink(missing_ok=True)
            _break(path, how)
            size = path.stat().st_size if path.exists() else None
            _refuses(lab, site, [sys.executable, "manage.py", "worker", "--no-housekeeping"], f"worker, {how}")
            if lab.quick:
                lab.tried()
                continue
            web = ["-m", "daphne", "-b", "127.0.0.1", "-p", str(free_port()), "config.asgi:application"]
            _refuses(lab, site, [sys.executable, *web], f"web, {how}")
            now = path.stat().st_size if path.exists() else None
            lab.require(now == size, f"{how}: the file has {now} bytes, it had {size}")
            lab.tried()


def _break(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "truncated":
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 3 + 100)
    else:
        with path.open("r+b") as file:
            file.write(b"\xde\xad\xbe\xef" * 2048)


def _refuses(lab: Lab, site: Site, command: list[str], what: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=site.environment, capture_output=True, text=True, timeout=20, check=False
        )
    except subprocess.TimeoutExpired:
        lab.require(False, f"{what}: it starts all the same")
        return
    said = done.stdout + done.stderr
    lab.require(done.returncode != 0, f"{what}: it ended with 0")
    lab.require("Traceback" not in said and "database" in said, f"{what}: it does not say why: {said[-300:]}")
