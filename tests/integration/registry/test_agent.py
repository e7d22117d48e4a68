"""The agent: registers, says that it lives, leaves in good order, and outlives the platform."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from orchestration.registry import agent as agents
from orchestration.registry import heartbeats, queries
from orchestration.registry.agent import Agent, Refused
from orchestration.teams import operations as teams
from tests.waiting import wait_for

ROOT = Path(agents.__file__).resolve().parents[2]
HERE = "http://127.0.0.1:9000"


class Platform:
    """A registry that keeps its word, in memory; it can go away, come back, and forget."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.known: set[str] = set()
        self.refusing: int | None = None
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def come(self) -> None:
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                platform.answer(self)

            do_POST = do_PUT = do_DELETE = _answer

            def log_message(self, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def go(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        path = request.path.removeprefix("/api/v1/services")
        instance = path.split("/")[1] if path else ""
        self.asked.append(f"{request.command} {path.removeprefix('/' + instance)}".strip())
        status, document = 200, {"id": instance}
        if self.refusing is not None:
            status, document = self.refusing, {"code": "refused", "detail": "no"}
        elif not path:
            self.bodies.append(json.loads(body))
            status, document = 201, {"id": f"i-{len(self.bodies)}"}
            self.known.add(document["id"])
        elif instance not in self.known:
            status, document = 404, {"code": "not_found", "detail": "gone"}
        elif request.command == "DELETE":
            self.known.remove(instance)
            status = 204
        text = b"" if status == 204 else json.dumps(document).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)


@pytest.fixture
def platform(monkeypatch) -> Iterator[Platform]:
    monkeypatch.setattr(agents, "FIRST_PAUSE_SECONDS", 0.02)
    made = Platform()
    made.come()
    yield made
    made.go()


def agent_of(platform: Platform, **changes: Any) -> Agent:
    return Agent(platform.url, **{"key": "k", "name": "inventory", "address": HERE, "ttl": 0.15, **changes})


def beats(platform: Platform) -> int:
    return platform.asked.count("PUT /heartbeat")


def test_it_can_be_imported_without_django():
    # Without site-packages too: Python's own library is enough.
    code = "import sys, orchestration.registry.agent; print([n for n in sys.modules if n.startswith('django')])"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_it_registers_says_that_it_lives_and_leaves(platform: Platform):
    with agent_of(platform, version="2", tags=["eu"], dependencies=["stock"]) as agent:
        assert agent.instance_id == "i-1"
        wait_for(lambda: beats(platform) >= 3, what="three heartbeats")
    assert platform.known == set()
    assert platform.asked[0] == "POST"
    assert platform.asked[-1] == "DELETE"
    assert platform.asked.index("POST /drain") < platform.asked.index("DELETE")
    sent = platform.bodies[0]
    assert (sent["name"], sent["address"], sent["version"], sent["ttl"]) == ("inventory", HERE, "2", 0.15)


def test_it_registers_anew_when_it_is_not_known_any_more(platform: Platform):
    with agent_of(platform) as agent:
        platform.known.clear()
        wait_for(lambda: agent.instance_id == "i-2", what="the instance to register anew")
        seen = beats(platform)
        wait_for(lambda: beats(platform) > seen, what="its heartbeats to go on")


def test_it_outlives_the_platform(platform: Platform):
    with agent_of(platform) as agent:
        wait_for(lambda: beats(platform), what="a heartbeat")
        platform.go()
        platform.known.clear()
        platform.come()
        wait_for(lambda: agent.instance_id == "i-2", what="the instance to register anew")


def test_it_starts_while_the_platform_is_away(platform: Platform):
    platform.go()
    with agent_of(platform) as agent:
        assert agent.instance_id is None
        assert not agent.wait_until_registered(0.05)
        platform.come()
        assert agent.wait_until_registered(10)


def test_it_goes_on_while_the_platform_is_ill(platform: Platform):
    platform.refusing = 503
    with agent_of(platform) as agent:
        wait_for(lambda: platform.asked.count("POST") >= 3, what="three attempts")
        platform.refusing = None
        assert agent.wait_until_registered(10)
        platform.refusing = 401
        seen = beats(platform)
        wait_for(lambda: beats(platform) > seen + 2, what="heartbeats, though they are refused")
        platform.refusing = None


def test_it_raises_what_cannot_become_right(platform: Platform):
    platform.refusing = 422
    with pytest.raises(Refused) as refused:
        agent_of(platform).start()
    assert (refused.value.status, refused.value.code) == (422, "refused")
    with pytest.raises(ValueError, match="no http"):
        Agent("ftp://x", key="k", name="n", address="a")


def test_it_leaves_without_a_word_where_nobody_answers(platform: Platform):
    agent = agent_of(platform).start()
    platform.go()
    agent.stop()
    agent.stop()
    assert agent.instance_id is None


def test_it_lets_what_runs_end_before_it_is_taken_out(platform: Platform):
    agent = agent_of(platform, linger=0.2).start()
    agent.stop()
    after = platform.asked[platform.asked.index("POST /drain") :]
    assert after.count("PUT /heartbeat") >= 1
    assert after[-1] == "DELETE"


@pytest.mark.django_db(transaction=True)
def test_it_gets_on_with_the_real_registry(live_server: Any):
    heartbeats.EAR.rest()
    team = teams.default_team().id
    key = teams.create_key(team_id=team, name="inventory")[1]
    try:
        with Agent(live_server.url, key=key, name="inventory", address=HERE, ttl=1.0) as agent:
            [first] = queries.instances_of(team_id=team, name="inventory")
            assert (first.id, first.ttl, first.status) == (agent.instance_id, 1.0, "active")

            def is_heard() -> bool:
                return queries.instances_of(team_id=team, name="inventory")[0].last_seen_at > first.last_seen_at

            wait_for(is_heard, what="a heartbeat to be written")
        assert queries.instances_of(team_id=team, name="inventory") == ()
    finally:
        heartbeats.EAR.rest()
