"""From registration to result over REST: a service that answers over HTTP, a definition, an execution, its journal."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from orchestration.engine import operations
from tests.api.client import Caller

CANARY = "canary-7f3a"


class Shop(BaseHTTPRequestHandler):
    """A service of one method, `price`, that notes what it is sent."""

    seen: list[tuple[str, dict[str, str], dict[str, object]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.path, dict(self.headers), body))
        answer = json.dumps({"total": body["count"] * 3}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def shop() -> Iterator[type[Shop]]:
    """Have the shop open on a port of its own, which is `shop.port`."""
    kind = type("OneShop", (Shop,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    kind.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield kind
    server.shutdown()
    thread.join(10)
    server.server_close()


def definition(**given: str) -> dict:
    step = {"id": "ask", "type": "service", "service_name": "shop", "method": "price"}
    return {"id": "pricing", "steps": [{**step, "input": {"count": "${vars.count}", **given}}]}


def test_a_workflow_calls_a_service_that_was_registered(program: Caller, shift: None, shop: type[Shop]):
    registered = program.post(
        "services", {"name": "shop", "address": f"http://127.0.0.1:{shop.port}", "health_path": ""}
    )
    program.post("workflows", definition())

    answer = program.post("workflows/pricing/execute?wait=20s", {"variables": {"count": 4}})

    assert (registered.status, answer.status, answer.body["status"]) == (201, 200, "completed")
    assert answer.body["output"] == {"count": 4, "total": 12}
    [(path, headers, body)] = shop.seen
    assert (path, body) == ("/price", {"count": 4})
    assert headers["Idempotency-Key"] == f"{answer.body['id']}/ask"


def test_a_secret_is_shown_nowhere(program: Caller, team_id: int, shift: None, shop: type[Shop]):
    operations.set_secret(team_id=team_id, name="token", value=CANARY)
    program.post("services", {"name": "shop", "address": f"http://127.0.0.1:{shop.port}", "health_path": ""})
    program.post("workflows", definition(token="${secrets.token}"))

    answer = program.post("workflows/pricing/execute?wait=20s", {"variables": {"count": 1}})

    assert shop.seen[0][2]["token"] == CANARY
    execution = answer.body["id"]
    for path in (f"executions/{execution}", f"executions/{execution}/events", "executions", "workflows/pricing"):
        assert CANARY not in json.dumps(program.get(path).body)


@pytest.mark.parametrize("header", ["X_Forwarded_Host", "X_Forwarded_For", "X_Forwarded_Proto", "Forwarded"])
def test_links_lead_to_this_site_alone(program: Caller, header: str):
    program.post("workflows", definition())

    answer = program.post("workflows/pricing/execute", {}, **{header: "evil.example"})

    assert "evil" not in json.dumps([answer.body, answer.headers])
    assert all(link.startswith("/api/v1/") for link in answer.body["links"].values())
