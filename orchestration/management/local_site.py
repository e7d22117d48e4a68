"""A whole site in one terminal: database, demo, services, workers and web, until it is told to stop.

The order is what the parts need: the address must be free and the data directory ours before anything is touched;
then the database is brought up to date, the demo's services start (the demo registers their addresses), the demo is
loaded, workers and web start together, and the address is said once both are really ready.

Workers and services that end are started again, later each time. The web server is what people look at: when it ends,
everything ends, with its last words. Stopping goes the other way round, so that no service disappears under a call
that a worker still waits for.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

from django.core.management import call_command
from django.db import connections

from orchestration import clock
from orchestration.engine.queries import newest_shift
from orchestration.engine.queue import WORK, enqueue
from orchestration.management.processes import Child, adopt_orphans, kill_orphans, stop

READY_SECONDS = 60.0
LOOK_SECONDS = 0.1
BACKOFF_SECONDS = (1, 2, 4, 8, 15, 30)
STEADY_SECONDS = 60.0
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})


class SiteFailed(Exception):
    """The site cannot start or go on; the message is for the person at the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for at the command line. `data_dir` is absolute."""

    host: str
    port: int
    data_dir: Path
    demo: bool

    @property
    def address(self) -> str:
        """Return where a browser on this machine finds the site."""
        host = "127.0.0.1" if self.host in EVERYWHERE else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


class LocalSite:
    """One running site. `run` returns after `stop` was called, from a signal handler for instance."""

    def __init__(self, wanted: Wanted, *, say: Callable[[str], None]) -> None:
        self.wanted = wanted
        self.say = say
        self._stopping = Event()
        self._asked = 0
        self._children: list[Child] = []
        self._again_at: dict[str, float] = {}

    def stop(self) -> None:
        """Ask the site to stop; ask twice to have no patience."""
        self._asked += 1
        self._stopping.set()

    def run(self) -> None:
        """Start everything, stay until `stop`, stop everything. Raises SiteFailed, with nothing left running."""
        self._refuse_taken_port()
        with self._data_dir_lock():
            adopt_orphans()
            try:
                self._log_to_file()
                self._start()
                while not self._stopping.wait(LOOK_SECONDS):
                    self._look_after_children()
            finally:
                self._stop_children()

    def _log_to_file(self) -> None:
        # What this process logs belongs to the logs; the terminal is for what `say` says.
        log = self.wanted.data_dir / "logs" / "up.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        handlers = {*logging.getLogger().handlers, *logging.getLogger("django-q").handlers}
        stream = log.open("a", encoding="utf-8")
        for handler in handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(stream)

    def _start(self) -> None:
        wanted = self.wanted
        self.say(f"Preparing the database in {wanted.data_dir} ...")
        call_command("migrate", verbosity=0, interactive=False)
        if wanted.demo:
            self.say("Starting the demo's services and loading the demo ...")
            self._load_demo(self._start_farm())
        connections.close_all()
        if self._stopping.is_set():
            return
        self.say("Starting workers and web ...")
        # The demo may have called for a shift already; whichever is first shows that workers take what there is.
        before = newest_shift()
        enqueue(WORK)
        connections.close_all()
        worker = self._add("worker", [sys.executable, "manage.py", "worker"])
        web = self._add("web", self._daphne())
        self._wait_until("web", web, self._web_answers)
        self._wait_until("worker", worker, lambda: newest_shift() > before)
        connections.close_all()
        if not self._stopping.is_set():
            self.say(self._welcome())

    def _start_farm(self) -> str:
        ready = self.wanted.data_dir / "services-address"
        ready.unlink(missing_ok=True)
        state = self.wanted.data_dir / "services"
        state.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "loadtests.farm", "--port", "0"]
        farm = self._add("services", [*command, "--ready-file", str(ready), "--state-dir", str(state)])
        self._wait_until("the demo's services", farm, ready.exists)
        if self._stopping.is_set():
            return ""
        address = ready.read_text(encoding="utf-8").strip()
        # The demo knows this address; a farm that has to start again must come back to it.
        farm.command = [part if part != "0" else str(urlsplit(address).port) for part in farm.command]
        return address

    def _load_demo(self, farm: str) -> None:
        if farm:
            call_command("load_demo", farm=farm, key_file=self.wanted.data_dir / "demo-key", verbosity=0)

    def _daphne(self) -> list[str]:
        options = ["-b", self.wanted.host, "-p", str(self.wanted.port), "--no-server-name", "-v", "0"]
        return [sys.executable, "-m", "daphne", *options, "config.asgi:application"]

    def _add(self, name: str, command: list[str]) -> Child:
        log = self.wanted.data_dir / "logs" / f"{name}.log"
        child = Child(name=name, command=command, environment=self._environment(), log=log)
        self._children.append(child)
        child.start()
        return child

    def _environment(self) -> Mapping[str, str]:
        wanted, environment = self.wanted, dict(os.environ)
        environment["PODIUM_DATA_DIR"] = str(wanted.data_dir)
        environment["PYTHONUNBUFFERED"] = "1"
        environment.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        environment.setdefault("PODIUM_BASE_URL", wanted.address)
        environment["PODIUM_DEMO"] = "true" if wanted.demo else "false"
        environment.setdefault("ALLOWED_HOSTS", ",".join(_names_of(wanted.host)))
        return environment

    def _look_after_children(self) -> None:
        for child in self._children:
            if child.running:
                continue
            if child.name == "web":
                raise SiteFailed(f"The web server {child.status}.\n\n{child.last_lines()}")
            self._start_again(child)

    def _start_again(self, child: Child) -> None:
        now = clock.monotonic()
        if child.name not in self._again_at:
            if now - child.started > STEADY_SECONDS:
                child.starts = 1
            wait = BACKOFF_SECONDS[min(child.starts, len(BACKOFF_SECONDS)) - 1]
            self._again_at[child.name] = now + wait
            self.say(f"{child.name} {child.status}; starting it again in {wait} s (its log: {child.log})")
        elif now >= self._again_at[child.name]:
            del self._again_at[child.name]
            child.start()

    def _wait_until(self, name: str, child: Child, ready: Callable[[], object]) -> None:
        until = clock.monotonic() + READY_SECONDS
        while not self._stopping.is_set() and not ready():
            if not child.running:
                raise SiteFailed(f"{name} {child.status} while starting.\n\n{child.last_lines()}")
            if clock.monotonic() > until:
                raise SiteFailed(f"{name} is not ready after {READY_SECONDS:.0f} s.\n\n{child.last_lines()}")
            self._stopping.wait(LOOK_SECONDS)

    def _web_answers(self) -> bool:
        parts = urlsplit(self.wanted.address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.client.OK
        return False

    def _stop_children(self) -> None:
        if not self._children:
            return
        self.say("Stopping ...")
        first = [child for child in self._children if child.name != "services"]
        patience = 12.0 if self._asked < 2 else 0.0
        stop(first, patience=patience)
        stop(self._children, patience=patience)
        kill_orphans()
        self.say("Everything is stopped. The data are kept.")

    def _refuse_taken_port(self) -> None:
        wanted = self.wanted
        family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((wanted.host, wanted.port))
            except OSError as error:
                reason = error.strerror or str(error)
                raise SiteFailed(
                    f"Port {wanted.port} on {wanted.host} cannot be used ({reason.lower()}). Nothing was started.\n"
                    f"Choose another one: make up PORT={wanted.port + 1}"
                ) from error

    @contextlib.contextmanager
    def _data_dir_lock(self) -> Iterator[None]:
        self.wanted.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.wanted.data_dir / "up.lock").open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.seek(0)
                raise SiteFailed(
                    f"Podium is running on these data already: {lock.read().strip()}. Nothing was started.\n"
                    "Stop it first, or choose another directory with --data-dir."
                ) from error
            lock.truncate(0)
            lock.write(f"process {os.getpid()}, {self.wanted.address}\n")
            lock.flush()
            yield

    def _welcome(self) -> str:
        address, data = self.wanted.address, _shown(self.wanted.data_dir)
        lines = ["", f"Podium is up:  {address}", ""]
        if self.wanted.demo:
            lines += [
                "  log in as      demo, password demo (from this machine only)",
                f"  API key in     {data}/demo-key",
                f'  try it         curl -H "Authorization: Bearer $(cat {data}/demo-key)" {address}/api/v1/workflows',
            ]
        else:
            where = "" if data == ".podium" else f"PODIUM_DATA_DIR={data} "
            lines += [
                f"  make a login   {where}.venv/bin/python manage.py create_person YOUR-NAME",
                f"  and a key      {where}.venv/bin/python manage.py create_key WHAT-FOR",
            ]
        lines += [f"  data and logs  {data}", "", "Ctrl-C stops all of it.", ""]
        return "\n".join(lines)


def _shown(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _names_of(host: str) -> list[str]:
    names = ["127.0.0.1", "localhost", "[::1]"]
    if host not in EVERYWHERE:
        return [*names, f"[{host}]" if ":" in host else host]
    machine = socket.gethostname()
    names += [machine, socket.getfqdn()]
    with contextlib.suppress(OSError):
        names += [str(found[4][0]) for found in socket.getaddrinfo(machine, None, socket.AF_INET)]
    return list(dict.fromkeys(names))
