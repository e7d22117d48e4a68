"""A whole site for a fault: database, recorder, workers and web as real processes, and the harness's own way in.

The harness looks at the site's database itself, past every proxy: `Site.aim()` points this process's Django at it. What
it asks of the platform it asks by operations (the API's own way in) or, where the web process is what is tried, over
HTTP. Every id that was acknowledged is noted: none of them may be lost.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from tests.faults.outside import Outside
from tests.faults.processes import Process, Worker
from tests.faults.servers import free_port
from tests.waiting import wait_for

START_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered: status (0: no answer at all), headers in lower case, body, and how long it took."""

    status: int
    headers: dict[str, str]
    body: Any
    seconds: float


class Web(Process):
    """A web process of the site, and its API."""

    def __init__(self, *, environment: dict[str, str], log: Path, key: str) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port), "-v", "0"]
        super().__init__([*command, "config.asgi:application"], environment=environment, log=log)
        self._key = key

    def up(self) -> None:
        """Start it and wait until it answers."""
        self.start()
        wait_for(lambda: self.ask("GET", "/healthz", timeout=5).status == 200, what="the web process", timeout=60)

    def ask(self, method: str, path: str, body: Any = None, *, timeout: float = 30, **headers: str) -> Answer:
        """Make one request on a connection of its own."""
        from orchestration import clock

        began = clock.monotonic()
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        try:
            line.request(method, path, None if body is None else json.dumps(body), sent)
            answer = line.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return Answer(0, {}, None, clock.monotonic() - began)
        finally:
            line.close()
        told = {name.lower(): value for name, value in answer.getheaders()}
        value = json.loads(text) if "json" in told.get("content-type", "") and text else None
        return Answer(answer.status, told, value, clock.monotonic() - began)


@dataclass
class Site:
    """One site, made by `Sites.make`."""

    folder: Path
    url: str
    environment: dict[str, str]
    outside: Outside
    acknowledged: dict[str, str] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    webs: list[Web] = field(default_factory=list)
    _team: int = 0
    _noting: threading.Lock = field(default_factory=threading.Lock)

    # The way in ---------------------------------------------------------------------------------------------------

    def aim(self) -> None:
        """Point this process's Django at the site's database."""
        aim(self.url)

    @property
    def team(self) -> int:
        """Return the default team's id, with the recorder registered as its service `outside`."""
        from orchestration.registry.operations import register
        from orchestration.teams.operations import default_team

        if not self._team:
            self._team = default_team().id
            register(team_id=self._team, name="outside", address=self.outside.url, health_path="")
        return self._team

    def save(self, document: dict[str, Any]) -> str:
        """Save a workflow."""
        from orchestration.engine import operations

        return operations.save_definition(team_id=self.team, document=document, by="faults").workflow

    def start(self, workflow: str, *, expect: str = "completed", **more: Any) -> str:
        """Start an execution and return its id; note that it was acknowledged and how it is to end."""
        from orchestration.engine import operations

        more.setdefault("input", {})
        started = operations.start_execution(team_id=self.team, workflow=workflow, by="faults", **more)
        self.note(started.execution_id, expect)
        return started.execution_id

    def holder(self) -> tuple[Worker, Any] | None:
        """Return the worker whose shift holds executions just now, with the shift; None if there is none."""
        from orchestration.engine.models import Execution, Shift

        held = Execution.objects.filter(shift_id__isnull=False).values_list("shift_id", flat=True).first()
        shift = Shift.objects.filter(id=held, state="awake").first()
        for worker in self.workers:
            if shift is not None and any(each.pid == shift.pid for each in worker.tree()):
                return worker, shift
        return None

    def ask_to_start(self, web: Web, workflow: str, *, expect: str = "completed", **headers: str) -> Answer:
        """Start an execution through the API; note it if it was acknowledged."""
        answer = web.ask("POST", f"/api/v1/workflows/{workflow}/execute", {}, **headers)
        if answer.status in (200, 202):
            self.note(answer.body["execution_id"], expect)
        return answer

    def note(self, execution: str, expect: str = "completed") -> None:
        """Note that an execution was acknowledged, and how it is to end (empty: in any way)."""
        with self._noting:
            self.acknowledged[execution] = expect

    def act(self, execution: str, fact: Any, timeout: float = 10.0) -> Any:
        """Do something to an execution."""
        from orchestration.engine import operations

        return operations.act(team_id=self.team, execution_id=execution, fact=fact, by="faults", timeout=timeout)

    # Its processes ------------------------------------------------------------------------------------------------

    def worker(self, *, start: bool = True, housekeeping: bool = False, **environment: str) -> Worker:
        """Add a worker process, with more variables in its environment."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        worker = Worker(environment=self.environment | environment, log=log, housekeeping=housekeeping)
        self.workers.append(worker)
        if start:
            worker.start()
        return worker

    def web(self, **environment: str) -> Web:
        """Add a web process and wait until it answers."""
        from orchestration.teams.operations import create_key

        _, key = create_key(team_id=self.team, name=f"web-{len(self.webs)}", by="faults")
        log = self.folder / f"web-{len(self.webs)}.log"
        web = Web(environment=self.environment | environment, log=log, key=key)
        self.webs.append(web)
        web.up()
        return web

    def tend(self) -> None:
        """Start what has died again, as the host's service manager does."""
        for each in (*self.workers, *self.webs):
            if each.starts and not each.running:
                each.start()

    def close(self) -> None:
        """Kill everything."""
        for each in (*self.workers, *self.webs, self.outside.process):
            each.thaw()
            each.kill()

    # Looking ------------------------------------------------------------------------------------------------------

    def until(self, ask: Any, what: str, *, timeout: float = START_SECONDS, pause: float = 0.01) -> Any:
        """Wait for a fact, and start what dies meanwhile again."""

        def asked() -> Any:
            self.tend()
            return ask()

        return wait_for(asked, what=what, timeout=timeout, pause=pause)

    def calls_of(self, method: str, count: int = 1, *, timeout: float = START_SECONDS) -> list[Any]:
        """Wait until a method was called `count` times and return the calls."""
        return self.until(
            lambda: found if len(found := self.outside.calls(method)) >= count else [],
            f"{count} calls of {method}",
            timeout=timeout,
        )

    def all_ended(self, *, timeout: float = START_SECONDS) -> None:
        """Wait until every acknowledged execution has ended (or stands aside)."""
        from orchestration.engine.models import Execution

        def left() -> bool:
            return not Execution.objects.filter(ended_at=None, quarantined=False).exists()

        self.until(left, "the end of all executions", timeout=timeout, pause=0.05)

    def awake(self) -> list[Any]:
        """Return the shifts that are awake."""
        from orchestration.engine.models import Shift

        return list(Shift.objects.filter(state="awake").order_by("id"))

    def shift_begun(self, after: int = 0) -> Any:
        """Wait until a shift with a higher id than `after` is awake and return it."""
        return self.until(lambda: [each for each in self.awake() if each.id > after], "a shift")[0]

    def journal(self, execution: str) -> list[Any]:
        """Return an execution's entries."""
        from orchestration.engine import queries

        return queries.list_events(team_id=self.team, execution_id=execution, limit=100_000)

    def has(self, execution: str, kind: str, step: str = "") -> bool:
        """Tell whether an execution's journal has an entry."""
        return any(entry.type == kind and entry.step == step for entry in self.journal(execution))

    def said(self) -> str:
        """Return what the rows say just now, and the last words of every worker and web process."""
        words = [f"--- {each.log.name}\n{each.said()[-4000:]}" for each in (*self.workers, *self.webs)]
        return "\n".join([*self._rows(), *words])

    def _rows(self) -> list[str]:
        from django_q.models import OrmQ

        from orchestration import clock
        from orchestration.engine.models import Execution, Shift

        said = [f"--- rows at {clock.now()}"]
        try:
            said += [f"shift {list(each)}" for each in Shift.objects.order_by("-id").values_list()[:6]]
            said += [f"queued {list(each)}" for each in OrmQ.objects.values_list("id", "key", "lock")[:6]]
            open_ones = Execution.objects.filter(ended_at=None).order_by("id")
            rows = open_ones.values_list("id", "status", "shift_id", "wake_at", "claims", "quarantined", "admitted")
            said += [f"execution {list(each)}" for each in rows[:6]]
        except Exception as error:
            said.append(f"cannot be read: {error}")
        return said


def aim(url: str) -> None:
    """Point this process's Django at another database of the same kind, in every thread that asks from now on."""
    from config import storage
    from orchestration.engine import graphs, queue

    connections.close_all()
    database = storage.database(settings.PODIUM, url)
    kept = connections["default"].settings_dict
    kept.update({name: database[name] for name in ("NAME", "HOST", "PORT", "USER", "PASSWORD") if name in database})
    connections.databases["default"].update(kept)
    queue._sent[0] = -1e9
    queue._brokers.clear()
    graphs._graphs.clear()


class Sites:
    """Makes sites: a migrated database as the mould, and a copy of it for each."""

    def __init__(self, folder: Path, server: str) -> None:
        self._folder = folder
        self._server = server
        self._mould = folder / "mould.sqlite3"
        self._count = 0
        self._kept = ExitStack()
        self._standing: Site | None = None
        self._migrate()

    def standing(self) -> Site:
        """Return a site with a worker that stays until `close`."""
        if self._standing is None:
            self._standing = self._kept.enter_context(self.make())
            self._standing.worker()
        return self._standing

    def close(self) -> None:
        """Kill and drop what stands."""
        self._kept.close()

    def _migrate(self) -> None:
        aim(self._url_of("mould"))
        if self._server:
            _run(self._server, "CREATE DATABASE {}", "mould")
        call_command("migrate", verbosity=0, interactive=False)
        connections.close_all()

    def _url_of(self, name: str) -> str:
        if self._server:
            return urlunsplit(urlsplit(self._server)._replace(path=f"/{name}"))
        return f"sqlite:///{self._folder / name}.sqlite3"

    @contextmanager
    def make(self, *, server: str = "", folder: Path | None = None, **environment: str) -> Iterator[Site]:
        """Make a site; kill and drop it at the end.

        `server` is another PostgreSQL, whose database is migrated first; `folder` is where SQLite's file is to lie.
        """
        self._count += 1
        name = f"site_{self._count}_{secrets.token_hex(2)}"
        place = self._folder / name
        place.mkdir()
        url = self._database(name, server, folder)
        told = {
            **os.environ,
            "DATABASE_URL": url,
            "PODIUM_DATA_DIR": str(place),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            **environment,
        }
        site = Site(place, url, told, Outside(place, told))
        try:
            site.aim()
            if server:
                call_command("migrate", verbosity=0, interactive=False)
            site.outside.start()
            yield site
        finally:
            site.close()
            connections.close_all()
            if self._server and not server:
                _run(self._server, "DROP DATABASE {} WITH (FORCE)", name)
            shutil.rmtree(place, ignore_errors=True)

    def _database(self, name: str, server: str, folder: Path | None) -> str:
        if server:
            return server
        if self._server:
            _run(self._server, "CREATE DATABASE {} TEMPLATE mould", name)
            return self._url_of(name)
        file = (folder or self._folder / name) / "podium.sqlite3"
        shutil.copy(self._mould, file)
        return f"sqlite:///{file}"


def _run(server: str, statement: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
