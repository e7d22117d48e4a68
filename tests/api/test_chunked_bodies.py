"""Bodies that do not say how long they are, as the web server hands them over."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from pytest_django.fixtures import Settings

from tests.api.client import Caller
from tests.api.definitions import waiting_definition


async def send(key: str | None, path: str, chunks: Iterable[bytes]) -> tuple[int, Any]:
    headers = [(b"host", b"testserver"), (b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")]
    if key is not None:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": f"/api/v1/{path}",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
    }
    site = ApplicationCommunicator(get_asgi_application(), scope)
    for chunk in chunks:
        await site.send_input({"type": "http.request", "body": chunk, "more_body": True})
    await site.send_input({"type": "http.request", "body": b"", "more_body": False})
    started = await site.receive_output(10)
    body = b""
    while True:
        part = await site.receive_output(10)
        body += part.get("body", b"")
        if not part.get("more_body"):
            break
    await site.wait(10)
    return started["status"], json.loads(body)


async def test_it_reads_a_chunked_body(transactional_db: None, program: Caller):
    text = json.dumps(waiting_definition()).encode()

    status, body = await send(program.key, "workflows", [text[:20], text[20:]])

    assert (status, body["id"]) == (201, "approval")


async def test_it_reads_a_chunked_body_no_further_than_the_limit(
    transactional_db: None, program: Caller, settings: Settings
):
    settings.PODIUM = replace(settings.PODIUM, request_bytes=1_000)
    chunk = b" " * 400

    status, body = await send(program.key, "workflows/approval/execute", [b"{}", chunk, chunk])
    assert (status, body["code"]) == (404, "not_found")

    status, body = await send(program.key, "workflows/approval/execute", [b"{}", chunk, chunk, chunk])
    assert (status, body["code"]) == (413, "body.too_large")


async def test_an_empty_chunked_body_is_empty(transactional_db: None, program: Caller):
    status, body = await send(program.key, "workflows", [])

    assert (status, body["code"]) == (400, "document.empty")


async def test_a_chunked_body_of_nobody_is_refused(transactional_db: None):
    status, body = await send(None, "workflows", [b"x" * 1000])

    assert (status, body["code"]) == (401, "unauthenticated")
