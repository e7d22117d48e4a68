"""The web server takes in no body that is too long for every route."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from daphne.http_protocol import HTTPFactory
from pytest_django.fixtures import Settings
from twisted.internet.testing import StringTransport

from orchestration.api.doorkeeper import TIMES_LONGER, BoundedRequest

MOST = 1_000 * TIMES_LONGER


class Server:
    """Daphne's server, as far as a request that never gets to the site talks to it."""

    def __init__(self) -> None:
        self.connected: list[Any] = []

    def protocol_connected(self, request: Any) -> None:
        self.connected.append(request)

    def protocol_disconnected(self, request: Any) -> None:
        self.connected.remove(request)


class Reaching(BoundedRequest):
    """A request that notes that it got to the site."""

    def process(self) -> None:
        self.server.connected.append("the site")


@pytest.fixture
def sent(settings: Settings):
    """Return a function that sends bytes to the server: what it answered, whether it hung up, what the site heard."""
    settings.PODIUM = replace(settings.PODIUM, request_bytes=1_000)

    def send(*parts: bytes) -> tuple[bytes, bool, bool]:
        server, transport = Server(), StringTransport()
        channel = HTTPFactory(server).buildProtocol(None)
        channel.requestFactory = Reaching
        channel.makeConnection(transport)
        for part in parts:
            if not transport.disconnecting:
                channel.dataReceived(part)
        channel.connectionLost(None)
        return transport.value(), transport.disconnecting, "the site" in server.connected

    return send


def post(*headers: bytes) -> bytes:
    return b"\r\n".join([b"POST /api/v1/workflows HTTP/1.1", b"Host: here", *headers, b"", b""])


def test_it_refuses_a_length_that_is_far_too_long_at_once(sent):
    answer, hung_up, reached = sent(post(b"Content-Length: 10000000000"), b"{")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/problem+json")
    assert f"Content-Length: {len(body)}".encode() in head
    assert (json.loads(body)["code"], json.loads(body)["path"]) == ("body.too_large", "$")
    assert (hung_up, reached) == (True, False)


def test_it_cuts_off_a_body_that_does_not_end(sent):
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"

    answer, hung_up, reached = sent(post(b"Transfer-Encoding: chunked"), *[chunk] * 1_000)

    assert answer.startswith(b"HTTP/1.1 413")
    assert answer.count(b"413") == 2
    assert (hung_up, reached) == (True, False)


@pytest.mark.parametrize("length", [0, 2, MOST])
def test_it_lets_the_site_judge_what_is_shorter(sent, length: int):
    answer, hung_up, reached = sent(post(f"Content-Length: {length}".encode()), b"x" * length)

    assert (answer, hung_up, reached) == (b"", False, True)


def test_it_lets_the_site_judge_a_short_body_of_unknown_length(sent):
    answer, _, reached = sent(post(b"Transfer-Encoding: chunked"), b"2\r\n{}\r\n0\r\n\r\n")

    assert (answer, reached) == (b"", True)
