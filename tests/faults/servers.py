"""PostgreSQL and Redis of the harness's own: started on free ports, stopped, killed and restarted as a fault wants it.

Never the machine's: what is restarted here was started here. PostgreSQL refuses to run as root, so that root runs it as
the user `postgres`, as .ci/run does. Its journal is synced (`fsync` on), as in production.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import psycopg
import redis

from tests.faults.processes import LEASH
from tests.waiting import wait_for

SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill": signal.SIGKILL}


def free_port() -> int:
    """Return a port of loopback that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest, or None where there are none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name))
    if folders:
        return folders[-1]
    found = shutil.which("postgres")
    return Path(found).parent if found else None


class OwnPostgres:
    """A PostgreSQL server in `folder`; more settings as `name=value`."""

    def __init__(self, folder: Path, *settings: str, initdb: tuple[str, ...] = ()) -> None:
        programs = postgres_programs()
        assert programs is not None
        self._programs = programs
        self.data = folder / "postgres"
        self._log = folder / "postgres.log"
        self._settings = settings
        self.port = free_port()
        self._as: tuple[str, ...] = ()
        folder.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(exist_ok=True)
        if os.getuid() == 0:
            self._as = ("setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups")
            shutil.chown(self.data, "postgres")
            for each in (folder, *folder.parents):
                if each.stat().st_uid == 0 and each.stat().st_mode & 0o5 != 0o5 and each != Path("/"):
                    each.chmod(each.stat().st_mode | 0o5)
        self._process: subprocess.Popen[bytes] | None = None
        command = [*self._as, str(programs / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust"]
        more = ("-E", "UTF8", "--no-locale", "--no-sync", *initdb)
        subprocess.run([*command, *more], check=True, cwd="/", capture_output=True)

    @property
    def url(self) -> str:
        """Return the address of its own database."""
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it answers."""
        options = ["-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.data)]
        more = [part for each in ("max_connections=300", *self._settings) for part in ("-c", each)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                # The leash last: to change the user takes it off.
                [*self._as, *LEASH, str(self._programs / "postgres"), *options, *more],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            wait_for(self.answers, what="PostgreSQL", timeout=60, pause=0.02)

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.Error:
            return False
        return True

    def stop(self, how: str = "fast") -> None:
        """Stop it: `smart`, `fast`, `immediate` (as a crash: it recovers from its log) or `kill`, all its processes."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        if how == "kill":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.send_signal(SIGNALS[how])
        process.wait(60)

    def run(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement on its own database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


class OwnRedis:
    """A Redis server that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*LEASH, "redis-server", *options, "--dir", str(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self.answers, what="Redis", timeout=30)

    def answers(self) -> bool:
        """Tell whether it answers."""
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        """Return a client."""
        return redis.Redis.from_url(self.url, socket_connect_timeout=2)

    def kill(self) -> None:
        """Kill it; nothing of what it held is left."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
