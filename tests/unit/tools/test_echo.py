"""The benchmark's HTTP service: just enough of HTTP/1.1."""

from __future__ import annotations

import pytest

from loadtests.echo import ANSWER, REFUSAL, REPLY, Echo

REQUEST = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"


class Wire:
    """Stands in for a connection: keeps what is written to it."""

    def __init__(self) -> None:
        self.sent = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def wire() -> Wire:
    """Return a connection's far end."""
    return Wire()


@pytest.fixture
def echo(wire: Wire) -> Echo:
    """Return the near end."""
    near = Echo()
    near.connection_made(wire)
    return near


def test_it_answers_whole_requests_in_order(echo: Echo, wire: Wire):
    echo.data_received(REQUEST * 3)
    assert wire.sent == REPLY * 3
    assert ANSWER in wire.sent


def test_it_waits_for_the_rest_of_a_request(echo: Echo, wire: Wire):
    for byte in REQUEST[:-1]:
        echo.data_received(bytes([byte]))
    assert wire.sent == b""
    echo.data_received(REQUEST[-1:])
    assert wire.sent == REPLY


@pytest.mark.parametrize("length", [b"x", b"-1", b"99999999999"])
def test_it_hangs_up_on_a_bad_length(echo: Echo, wire: Wire, length: bytes):
    echo.data_received(REQUEST.replace(b"4", length))
    assert wire.sent == REFUSAL
    assert wire.closed
