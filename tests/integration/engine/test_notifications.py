"""Notifications: the team's own service if there is one, otherwise what is built in."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail

from orchestration.registry.local import register_local, unregister_local
from tests.integration.engine.conftest import Shifts, Site


def tell(channel: str, **more: Any) -> dict[str, Any]:
    return {"id": "tell", "type": "notification", "channel": channel, "retry": {"max_attempts": 1}, **more}


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """Return the address of a web server and what was posted to it."""
    posted: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.path, self.headers["Idempotency-Key"], json.loads(body)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"thanks")

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook?x=1", posted
    server.shutdown()
    server.server_close()
    thread.join()


def test_mail_goes_out_by_itself(site: Site, shift: Shifts) -> None:
    site.save("mail", tell("email", to="${input.mail}", subject="order ${input.n}\nBcc: x@example.com", body="Hello"))
    execution = site.start("mail", mail="a@example.com", n=7)
    assert site.ended(execution).status == "completed"
    [message] = mail.outbox
    assert (message.to, message.subject, message.body) == (["a@example.com"], "order 7 Bcc: x@example.com", "Hello")
    assert site.detail(execution).output["notification_sent"] is True


def test_a_webhook_is_posted_what_the_step_gives(site: Site, shift: Shifts, receiver: tuple[str, list[Any]]) -> None:
    address, posted = receiver
    site.save("hook", tell("webhook", to=address, body="Hello", input={"n": 1}))
    execution = site.start("hook")
    assert site.ended(execution).status == "completed"
    assert posted == [("/hook?x=1", f"{execution}/tell", {"to": address, "body": "Hello", "input": {"n": 1}})]


def test_what_cannot_be_told_fails_the_step(site: Site, shift: Shifts) -> None:
    site.save("hook", tell("webhook", to="file:///etc/passwd"))
    site.save("mail", tell("email", to="nobody"))
    for workflow in ("hook", "mail"):
        assert site.ended(site.start(workflow)).error["code"] == "invalid_input"


def test_the_teams_own_service_comes_first(site: Site, shift: Shifts, team: int) -> None:
    told: list[Any] = []
    send: Callable[[Any], None] = told.append
    register_local(team_id=team, name="notify", method="email", function=send)
    try:
        site.save("mail", tell("email", to="a@example.com", body="Hello"))
        assert site.ended(site.start("mail")).status == "completed"
    finally:
        unregister_local(team_id=team, name="notify")
    assert told == [{"to": "a@example.com", "body": "Hello"}]
    assert mail.outbox == []
