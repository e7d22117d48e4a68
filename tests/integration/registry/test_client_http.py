"""Calls over real sockets: what is sent, and what every kind of answer comes to."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from aiohttp import web

from orchestration import clock
from orchestration.domain.errors import StepError
from orchestration.registry.client import Accepted, CallFailed, Postponed, Reply, ServiceCall

from .conftest import SERVICE, TEAM
from .servers import RawServer, answer, reset

SECOND = 1_000_000


def call(**changes) -> ServiceCall:
    return ServiceCall(**{"team_id": TEAM, "service": SERVICE, "method": "reserve", "timeout": 5 * SECOND, **changes})


def error_of(outcome) -> StepError:
    assert isinstance(outcome, CallFailed), outcome
    return outcome.error


async def test_it_posts_the_input_and_returns_the_answer(client, serve):
    service = await serve(answer({"reserved": 3}))
    outcome = await client.call(
        call(
            input={"sku": "ü-1", "n": 3},
            idempotency_key="e-1/reserve",
            attempt=2,
            epoch=7,
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            callback="http://127.0.0.1:1/cb",
        )
    )
    assert outcome == Reply({"reserved": 3})
    ((request, body),) = service.requests
    assert (request.method, request.path) == ("POST", "/reserve")
    assert orjson.loads(body) == {"sku": "ü-1", "n": 3}
    sent = {name: request.headers.get(name) for name in ("Content-Type", "Accept-Encoding", "User-Agent", "Host")}
    assert sent == {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "Podium",
        "Host": f"127.0.0.1:{service.port}",
    }
    assert request.headers["Idempotency-Key"] == "e-1/reserve"
    assert request.headers["Podium-Attempt"] == "2"
    assert request.headers["Podium-Epoch"] == "7"
    assert request.headers["traceparent"].startswith("00-0af7")
    assert request.headers["Podium-Callback"] == "http://127.0.0.1:1/cb"


async def test_it_sends_no_header_that_has_nothing_to_say(client, serve):
    service = await serve(answer({}))
    await client.call(call())
    assert not {"Podium-Callback", "traceparent", "Cookie", "Authorization"} & set(service.requests[0][0].headers)


async def test_it_calls_below_the_base_path(client, serve, directory):
    service = await serve(answer({}))
    directory.put(f"{service.url}/v2/stock")
    assert await client.call(call(method="re serve")) == Reply({})
    assert service.requests[0][0].raw_path == "/v2/stock/re%20serve"


@pytest.mark.parametrize("method", ["..", "a/../b", "", "/x", "."])
async def test_it_refuses_a_method_that_leaves_the_base(client, serve, method: str):
    service = await serve(answer({}))
    assert error_of(await client.call(call(method=method))).code == "method_not_found"
    assert service.requests == []


async def test_it_uses_a_connection_again(client, serve):
    service = await serve(answer({}))
    for _ in range(5):
        assert await client.call(call()) == Reply({})
    assert len(service.peers) == 1


async def test_it_keeps_no_cookies(client, serve):
    service = await serve(answer({}, Set_Cookie="a=b"))
    await client.call(call())
    await client.call(call())
    assert "Cookie" not in service.requests[1][0].headers


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_it_takes_an_empty_answer_as_nothing(client, serve, status: int):
    await serve(answer(b"", status))
    assert await client.call(call()) == Reply(None)


async def test_it_takes_202_as_accepted_where_a_callback_is_expected(client, serve):
    await serve(answer({"taken": True}, 202))
    assert await client.call(call(callback="http://127.0.0.1:1/cb")) == Accepted()
    assert await client.call(call()) == Reply({"taken": True})


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[1]",
        b'"text"',
        b"null",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": 1, "a": 2}',
        b'{"a": 9007199254740993}',
        b'{"a": "\\ud800"}',
        b"\xff\xfe",
        b'{"a": 1} x',
        b'{"a":' * 100 + b"1" + b"}" * 100,
    ],
)
async def test_it_refuses_an_answer_that_is_no_clean_json_object(client, serve, body: bytes):
    await serve(answer(body))
    assert error_of(await client.call(call())).code == "invalid_output"


async def test_it_refuses_an_answer_that_is_compressed(client, serve):
    await serve(answer(b"\x1f\x8b\x08bomb", Content_Encoding="gzip"))
    assert error_of(await client.call(call())).code == "invalid_output"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_it_does_not_follow_redirects(client, serve, status: int):
    service = await serve(answer(b"", status, Location="/elsewhere"))
    assert error_of(await client.call(call())).code == f"http_{status}"
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 408, 418, 425, 429, 500, 502, 503, 599])
async def test_it_names_an_error_by_its_status(client, serve, status: int):
    await serve(answer(b"<html>no</html>", status))
    error = error_of(await client.call(call()))
    assert (error.code, error.retryable, dict(error.details)) == (f"http_{status}", None, {"status": status})
    assert "html" not in error.message


async def test_it_lets_the_services_word_win(client, serve):
    word = {"code": "out_of_stock", "message": "none left", "retryable": False, "details": {"sku": "x"}}
    await serve(answer({"error": word}, 503))
    error = error_of(await client.call(call()))
    assert error == StepError("out_of_stock", "none left", False, {"sku": "x", "status": 503})


@pytest.mark.parametrize(
    "word", [None, "text", {"code": 7}, {"code": ""}, {"code": "a b"}, {"code": "x" * 101}, {"retryable": "yes"}, []]
)
async def test_it_goes_by_the_status_where_the_word_is_none(client, serve, word):
    await serve(answer({"error": word}, 503))
    error = error_of(await client.call(call()))
    assert (error.code, error.retryable) == ("http_503", None)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7 * SECOND),
        (" 0 ", 0),
        ("3600", 900 * SECOND),
        ("9" * 400, 900 * SECOND),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 900 * SECOND),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("-1", None),
        ("abc", None),
        ("1.5", None),
        ("", None),
        ("\u0663", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
async def test_it_obeys_retry_after_within_bounds(client, serve, header: str, expected: int | None):
    await serve(answer(b"", 503, Retry_After=header))
    outcome = await client.call(call())
    assert isinstance(outcome, CallFailed)
    assert outcome.retry_after == expected


async def test_it_reads_an_answer_up_to_its_limit(make_client, serve):
    client = make_client(service_answer_bytes=1000)
    fits = orjson.dumps({"t": "x" * 992})
    assert len(fits) == 1000
    await serve(answer(fits))
    assert isinstance(await client.call(call()), Reply)


@pytest.mark.parametrize("chunked", [True, False])
async def test_it_cuts_an_answer_that_is_too_long(make_client, serve, chunked: bool):
    client = make_client(service_answer_bytes=1000)

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if not chunked:
            response.content_length = 50_000_000
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b"x" * 50_000)
        return response

    await serve(handle)
    assert error_of(await client.call(call())).code == "too_large"


async def test_it_reads_a_long_answer_whole(client, serve):
    rows = {"rows": [{"id": number, "name": "n" * 20} for number in range(5000)]}
    await serve(answer(rows))
    assert await client.call(call()) == Reply(rows)


async def test_it_fails_at_the_deadline_when_nothing_is_answered(client, serve_raw):
    async def hang(reader, writer) -> None:
        await reader.read()

    server: RawServer = await serve_raw(hang)
    started = clock.monotonic()
    assert error_of(await client.call(call(timeout=200_000))).code == "timeout"
    assert 0.19 < clock.monotonic() - started < 0.9
    assert server.accepted == 1


@pytest.mark.parametrize("dripped", ["head", "headers", "body"])
async def test_it_fails_at_the_deadline_when_an_answer_drips(client, serve_raw, dripped: str):
    start = {"head": b"", "headers": b"HTTP/1.1 200 OK\r\n", "body": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"}
    drip = {"head": b"H", "headers": b"a: b\r\n", "body": b" "}

    async def talk(reader, writer) -> None:
        writer.write(start[dripped])
        for _ in range(1000):
            writer.write(drip[dripped])
            await writer.drain()
            await asyncio.sleep(0.02)

    await serve_raw(talk)
    started = clock.monotonic()
    outcome = await client.call(call(timeout=300_000))
    # A line of H's is no HTTP, which may be noticed before the time is up.
    assert error_of(outcome).code in ({"connection", "timeout"} if dripped == "head" else {"timeout"})
    assert clock.monotonic() - started < 1.2


async def test_it_is_not_drowned_in_headers(client, serve_raw):
    async def talk(reader, writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1_000_000):
            writer.write(b"x-%d: %s\r\n" % (number, b"y" * 1000))
            await writer.drain()

    await serve_raw(talk)
    assert error_of(await client.call(call())).code == "connection"


async def test_it_calls_a_refused_connection_by_its_class(client, directory, unused_tcp_port: int):
    directory.put(f"http://127.0.0.1:{unused_tcp_port}")
    error = error_of(await client.call(call()))
    assert error.code == "connection"
    assert "127.0.0.1" not in error.message
    assert str(unused_tcp_port) not in error.message


@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"])
async def test_it_calls_a_lost_connection_by_its_class(client, serve_raw, after: bytes):
    async def talk(reader, writer) -> None:
        writer.write(after)
        await writer.drain()
        reset(writer)

    await serve_raw(talk)
    assert error_of(await client.call(call())).code == "connection"


async def test_it_calls_what_is_no_http_by_its_class(client, serve_raw):
    async def talk(reader, writer) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()

    await serve_raw(talk)
    error = error_of(await client.call(call()))
    assert error.code == "connection"
    assert "ESMTP" not in error.message


async def test_it_does_not_trust_a_certificate_that_nobody_signed(client, directory, serve):
    service = await serve(answer({}))
    directory.put(f"https://127.0.0.1:{service.port}")
    assert error_of(await client.call(call())).code == "connection"


async def test_it_closes_the_connection_of_a_cancelled_call(client, serve_raw):
    reached = asyncio.Event()
    gone = asyncio.Event()

    async def talk(reader, writer) -> None:
        reached.set()
        await reader.read()
        gone.set()

    await serve_raw(talk)
    running = asyncio.create_task(client.call(call()))
    await asyncio.wait_for(reached.wait(), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.wait_for(gone.wait(), 5)


async def test_it_does_not_let_one_silent_service_hold_up_the_others(make_client, directory, serve, serve_raw):
    client = make_client(service_connections=2)

    async def hang(reader, writer) -> None:
        await reader.read()

    silent = await serve_raw(hang)
    well = await serve(answer({"ok": True}))
    directory.put(silent.url, service="silent")
    directory.put(well.url)
    waiting = [asyncio.create_task(client.call(call(service="silent", timeout=400_000))) for _ in range(6)]
    assert await client.call(call()) == Reply({"ok": True})
    assert {error_of(outcome).code for outcome in await asyncio.gather(*waiting)} == {"timeout"}
    assert silent.accepted <= 4


async def test_it_refuses_a_key_that_would_break_out_of_its_header(client, serve):
    service = await serve(answer({}))
    assert error_of(await client.call(call(idempotency_key="a\r\nX: y"))).code == "invalid_input"
    assert service.requests == []


async def test_it_says_when_there_is_no_such_service(client):
    assert error_of(await client.call(call(service="nobody"))).code == "service_not_found"


async def test_it_says_when_no_instance_is_usable(client, directory):
    directory.put()
    outcome = await client.call(call())
    assert isinstance(outcome, Postponed)
    assert outcome.reason == "no_healthy_instance"


async def test_it_ignores_proxies_of_the_environment(make_client, serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    await serve(answer({"direct": True}))
    assert await make_client().call(call()) == Reply({"direct": True})


async def test_it_posts_to_a_whole_address(client, serve):
    service = await serve(answer({"taken": True}))
    outcome = await client.post(f"{service.url}/hook/?token=a%20b", call(service="", method="", input={"n": 1}))
    assert outcome == Reply({"taken": True})
    ((request, body),) = service.requests
    assert (request.raw_path, orjson.loads(body)) == ("/hook/?token=a%20b", {"n": 1})


@pytest.mark.parametrize("url", ["ftp://h/x", "http://u:p@127.0.0.1/", "http://169.254.169.254/latest", "nowhere"])
async def test_it_posts_nowhere_that_it_may_not(client, url: str):
    assert error_of(await client.post(url, call())).code == "denied"


async def test_it_fails_a_post_at_its_deadline(client, serve_raw):
    async def hang(reader, writer) -> None:
        await reader.read()

    server = await serve_raw(hang)
    assert error_of(await client.post(server.url, call(timeout=100_000))).code == "timeout"
