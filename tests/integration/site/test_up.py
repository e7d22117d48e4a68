"""`manage.py up`: everything in one terminal, and nothing left when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.sites import own_site
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up")]


class Site:
    """One `up` at a time on one data directory and port."""

    def __init__(self, environment: dict[str, str], data_dir: Path) -> None:
        self.environment = environment
        self.data_dir = data_dir
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None
        self.listener: threading.Thread | None = None
        self.said = ""

    def up(self, *options: str) -> None:
        """Start, and wait until it says that it is up."""
        self.said = ""
        self.process = self.start(*options)
        process = self.process
        self.listener = threading.Thread(target=self._listen, args=(process,))
        self.listener.start()
        wait_for(
            lambda: "Podium is up" in self.said or process.poll() is not None, what="the site to be up", timeout=300
        )
        assert "Podium is up" in self.said, self.said

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start, without waiting."""
        command = [sys.executable, "manage.py", "up", "--port", str(self.port), "--data-dir", str(self.data_dir)]
        return subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop with a signal; return the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def ask(self, path: str) -> Any:
        """Return what the API answers."""
        key = (self.data_dir / "demo-key").read_text(encoding="ascii").strip()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def processes(self) -> list[int]:
        """Return the processes that run on this data directory."""
        return [process.pid for process in psutil.process_iter() if self._is_mine(process)]

    def _is_mine(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("PODIUM_DATA_DIR") == str(self.data_dir)
        except psutil.Error:
            return False

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with process.stdout as output:
            for line in output:
                self.said += line


def free_port() -> int:
    """Return a port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with own_site(tmp_path / "data") as environment:
        site = Site(environment, tmp_path / "data")
        yield site
        for pid in site.processes():
            os.kill(pid, signal.SIGKILL)
        if site.process is not None and site.listener is not None:
            site.process.wait()
            site.listener.join(timeout=10)


def test_it_starts_everything_stops_everything_and_finds_its_data_again(site: Site):
    site.up()
    key = site.data_dir / "demo-key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert "demo" in site.said
    wait_for(lambda: _all_ended(site), what="the demo's executions to end", timeout=90)
    first = {each["id"] for each in site.ask("/api/v1/executions")["items"]}
    assert first
    kept = key.read_text(encoding="ascii")
    assert site.end() == 0
    assert not site.processes()

    site.up()
    assert key.read_text(encoding="ascii") == kept
    assert {each["id"] for each in site.ask("/api/v1/executions")["items"]} == first
    assert site.end(signal.SIGTERM) == 0
    assert not site.processes()


def _all_ended(site: Site) -> bool:
    statuses = {each["status"] for each in site.ask("/api/v1/executions")["items"]}
    return bool(statuses) and not statuses & {"pending", "running", "compensating"}


def test_it_says_that_its_port_is_taken_before_it_starts_anything(site: Site):
    with socket.socket() as other:
        other.bind(("127.0.0.1", site.port))
        other.listen()
        process = site.start()
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(rf"Port {site.port} on 127.0.0.1 cannot be used", said)
    assert "Preparing" not in said


def test_it_runs_once_mends_its_worker_and_ends_with_its_web_server(site: Site):
    site.up("--no-demo")
    assert not (site.data_dir / "demo-key").exists()

    taken, site.port = site.port, free_port()
    second = site.start("--no-demo")
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"running on these data already: process {site.process.pid}, http://127.0.0.1:{taken}" in said

    worker = _child(site, "worker")
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: _child(site, "worker") not in {None, worker}, what="another worker", timeout=30)
    assert "worker was ended by SIGKILL; starting it again in 1 s" in site.said

    os.kill(_child(site, "daphne"), signal.SIGKILL)
    assert site.process.wait(timeout=30) == 1
    wait_for(lambda: "The web server was ended by SIGKILL" in site.said, what="the last words")
    assert not site.processes()


def test_it_leaves_nothing_when_it_is_killed(site: Site):
    site.up("--no-demo")
    site.process.kill()
    wait_for(lambda: not site.processes(), what="every process to end", timeout=30)


def _child(site: Site, word: str) -> int | None:
    for child in psutil.Process(site.process.pid).children():
        with suppress(psutil.Error):
            # Orphans of a child that was killed come to `up`, too.
            if child.cmdline()[2:3] == [word] and "--cluster" not in child.cmdline():
                return child.pid
    return None
