"""The doorbell: whoever puts work into the database rings, and every shift that is awake looks at once.

A ring carries nothing and may be lost or doubled: what is due stands in the database, and a shift looks by itself
every `sweep_seconds`. On PostgreSQL it is NOTIFY; on SQLite, where everybody is on one host, a datagram to a socket per
shift in a folder named after the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import select
import socket
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import psycopg
from django.db import connection
from psycopg import AsyncConnection

from orchestration.engine.store_postgres import connection_arguments
from orchestration.lines import AsyncBoundedConnection

CHANNEL = "podium_work"
# A ring is a transaction like any other; there is no need to have it on the disk.
NOTIFY = f"SELECT set_config('synchronous_commit', 'off', true), pg_notify('{CHANNEL}', %s)"
RECONNECT_SECONDS = 1.0
FIRST_SECONDS = 0.05
TRIES = 5


class Bell(Protocol):
    """A shift's ear."""

    def ring_others(self) -> None:
        """Have the other shifts look."""

    async def close(self) -> None:
        """Stop listening."""


def ring(hint: str = "") -> None:
    """Have every shift that is awake look. To be called after the commit, outside of an event loop.

    `hint` says where to look first (the id of a workflow), and may be lost on the way.
    """
    if connection.vendor == "sqlite":
        _ring_sockets(str(connection.settings_dict["NAME"]))
        return
    with connection.cursor() as cursor:
        cursor.execute(NOTIFY, [hint])


async def open_bell(rung: Callable[[str], None]) -> Bell:
    """Return a bell that calls `rung` on this loop, with the ring's hint."""
    if connection.vendor == "sqlite":
        return SocketBell(str(connection.settings_dict["NAME"]), rung)
    return NotifyBell(connection_arguments(connection.get_connection_params()), rung)


# SQLite -----------------------------------------------------------------------------------------------------------


def _folder(path: str) -> Path:
    name = hashlib.blake2b(os.path.abspath(path).encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"podium-{os.getuid()}-{name}"


def _ring_sockets(path: str, *, but: str = "") -> None:
    try:
        names = os.listdir(folder := _folder(path))
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ringer:
        ringer.setblocking(False)
        for name in names:
            if name == but:
                continue
            try:
                ringer.sendto(b"!", str(folder / name))
            except ConnectionRefusedError:
                # Its shift was killed.
                with contextlib.suppress(FileNotFoundError):
                    (folder / name).unlink()
            except OSError:
                # It has enough rings waiting, or went this moment.
                continue


class SocketBell:
    """Listens on a socket in the database's folder."""

    def __init__(self, path: str, rung: Callable[[str], None]) -> None:
        self._path, self._rung = path, rung
        self._name = f"{os.getpid()}-{id(self):x}"
        self._file = _folder(path) / self._name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._bind()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._heard)

    def _bind(self) -> None:
        folder = self._file.parent
        for left in range(TRIES, 0, -1):
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.stat().st_uid != os.getuid():
                raise PermissionError(f"{folder} belongs to somebody else")
            try:
                self._socket.bind(str(self._file))
                return
            except FileNotFoundError:
                # The last one to leave has just removed the folder.
                if left == 1:
                    raise

    def _heard(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(16):
                pass
        self._rung("")

    def ring_others(self) -> None:
        """Have the other shifts look."""
        _ring_sockets(self._path, but=self._name)

    async def close(self) -> None:
        """Stop listening."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._file.parent.rmdir()


def _put_away(ear: socket.socket, file: Path) -> None:
    ear.close()
    file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        file.parent.rmdir()


class QueueBell:
    """Has the pusher of a cluster on SQLite look as soon as a task is put into the queue, instead of by and by."""

    FOLDER = "queue"

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    @staticmethod
    def ring() -> None:
        """Have the pushers look. To be called after the commit."""
        if connection.vendor == "sqlite":
            _ring_sockets(QueueBell._path())

    @staticmethod
    def _path() -> str:
        return f"{connection.settings_dict['NAME']}-{QueueBell.FOLDER}"

    def wait(self, seconds: float) -> None:
        """Wait for a ring, `seconds` at most."""
        if connection.vendor != "sqlite":
            threading.Event().wait(seconds)
            return
        if self._socket is None:
            self._socket = self._bind()
        if select.select([self._socket], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                while self._socket.recv(16):
                    pass

    def _bind(self) -> socket.socket:
        file = _folder(self._path()) / f"{os.getpid()}-{id(self):x}"
        file.parent.mkdir(mode=0o700, exist_ok=True)
        if file.parent.stat().st_uid != os.getuid():
            raise PermissionError(f"{file.parent} belongs to somebody else")
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ear.setblocking(False)
        ear.bind(str(file))
        weakref.finalize(self, _put_away, ear, file)
        return ear


# PostgreSQL -------------------------------------------------------------------------------------------------------


class NotifyBell:
    """Listens to a channel, on a connection that comes back by itself."""

    def __init__(self, arguments: dict[str, Any], rung: Callable[[str], None]) -> None:
        self._arguments, self._rung = arguments, rung
        self._asked = asyncio.Event()
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._ring())]

    async def _listen(self) -> None:
        # The first look goes first; what it could not see is seen by the one that follows the LISTEN.
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            try:
                async with await AsyncConnection.connect(**self._arguments, autocommit=True) as line:
                    await line.execute(f"LISTEN {CHANNEL}")
                    self._rung("")
                    async for ring in line.notifies():
                        self._rung(ring.payload)
            except (psycopg.Error, OSError):
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _ring(self) -> None:
        while True:
            await self._asked.wait()
            try:
                async with await AsyncBoundedConnection.connect(**self._arguments, autocommit=True) as line:
                    while True:
                        await self._asked.wait()
                        self._asked.clear()
                        await line.execute(NOTIFY, [""])
            except (psycopg.Error, OSError):
                await asyncio.sleep(RECONNECT_SECONDS)

    def ring_others(self) -> None:
        """Have the other shifts look (this one hears it too)."""
        self._asked.set()

    async def close(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
