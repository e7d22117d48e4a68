"""A service's own timeout, from the policy that people wrote to a socket on which nobody answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.conf import settings as site_settings

from orchestration.engine import queries as executions
from orchestration.registry import discovery, operations
from tests.integration.engine.conftest import Shifts, Site
from tests.waiting import wait_for


class Held(ThreadingHTTPServer):
    """A service on a free port that answers once it is let."""

    daemon_threads = True

    def __init__(self) -> None:
        self.let = threading.Event()
        self.asked = threading.Semaphore(0)
        self.calls = 0
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Held

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls += 1
        self.server.let.wait(30)
        body = json.dumps({"late": True}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def held(settings: Any) -> Iterator[Held]:
    # The site's default is short, so that what outlives it was not held up by it.
    settings.PODIUM = replace(site_settings.PODIUM, service_timeout_seconds=0.4)
    server = Held()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.let.set()
    server.shutdown()
    server.server_close()


def go_by(team: int, url: str, policy: dict[str, Any]) -> None:
    operations.register(team_id=team, name="slow", address=url)
    operations.update_policy(team_id=team, name="slow", changes=policy, by="test")
    discovery.invalidate()


def step(**more: Any) -> dict[str, Any]:
    return {
        "id": "a",
        "type": "service",
        "service_name": "slow",
        "method": "m",
        "retry": {"max_attempts": 1},
        **more,
    }


def test_an_attempt_outlives_the_sites_default_where_the_policy_gives_it_longer(held: Held, shift: Shifts, site: Site):
    go_by(site.team, held.url, {"timeout": "20s"})
    site.save("patient", step())
    # Its clock runs out after the site's default, so by then the attempt had been under way for longer.
    site.save("clock", {"id": "d", "type": "delay", "duration": "900ms"})
    execution = site.start("patient")
    wait_for(lambda: held.calls == 1, what="the call")
    assert site.ended(site.start("clock")).status == "completed"
    held.let.set()
    assert site.ended(execution).status == "completed"
    assert site.detail(execution).output == {"late": True}
    assert [each.data.get("timeout") for each in entries(site, execution, "step.started")] == [20_000_000]


def test_an_attempt_ends_where_the_policy_gives_it_less(held: Held, shift: Shifts, site: Site):
    go_by(site.team, held.url, {"timeout": "150ms"})
    site.save("hasty", step())
    execution = site.start("hasty")
    assert site.ended(execution).status == "failed"
    assert [each.data["error"]["code"] for each in entries(site, execution, "step.failed")] == ["timeout"]


def test_the_steps_own_timeout_wins(held: Held, shift: Shifts, site: Site):
    go_by(site.team, held.url, {"timeout": "20s"})
    site.save("own", step(timeout="150ms"))
    execution = site.start("own")
    assert site.ended(execution).status == "failed"
    assert "timeout" not in entries(site, execution, "step.started")[0].data


def entries(site: Site, execution: str, kind: str) -> list[executions.JournalEntry]:
    found = executions.list_events(team_id=site.team, execution_id=execution, limit=1_000)
    return [each for each in found if each.type == kind]
