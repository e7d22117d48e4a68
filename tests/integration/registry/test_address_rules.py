"""The rules S01 to S14 for addresses, from a registration to the socket.

What each rule is about is tried here as a whole; how addresses are written, names resolved and answers read has its own
tests beside (test_addresses, test_outbound, test_client_http, test_probes).
"""

from __future__ import annotations

import asyncio
import resource
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web

from orchestration.registry import operations
from orchestration.registry.client import CallFailed, Outcome, ServiceCall
from orchestration.registry.registrations import RegistrationInvalid
from orchestration.teams.operations import default_team

from .conftest import SERVICE, TEAM
from .servers import answer

CALL = ServiceCall(team_id=TEAM, service=SERVICE, method="reserve", timeout=5_000_000)
PRODUCTION = ("public",)
METADATA = ("169.254.169.254", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]")
METADATA_ELSEWHERE = ("[fd00:ec2::254]", "168.63.129.16", "100.100.100.200", "metadata.google.internal")


def refusal(outcome: Outcome) -> tuple[str, str]:
    assert isinstance(outcome, CallFailed), outcome
    return outcome.error.code, outcome.error.details.get("reason", "")


@pytest.fixture
def register(db, settings) -> Callable[..., list[str]]:
    """Register an address and return the codes of what is wrong with it."""

    def attempt(address: str, *, allow: tuple[str, ...] = PRODUCTION) -> list[str]:
        settings.PODIUM = replace(settings.PODIUM, outbound_allow=allow)
        try:
            operations.register(team_id=default_team().id, name="s", address=address)
        except RegistrationInvalid as invalid:
            return [problem.code for problem in invalid.problems]
        return []

    return attempt


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "0.0.0.0", "[::]", "localhost", "10.0.0.1", "[fc00::1]"])
async def test_s01_it_refuses_its_own_networks_at_registration_and_at_the_call(
    register, make_client, directory, host: str
):
    from asgiref.sync import sync_to_async

    assert await sync_to_async(register)(f"http://{host}:8080") == ["address.forbidden"]
    directory.put(f"http://{host}:8080")
    assert refusal(await make_client(outbound_allow=PRODUCTION).call(CALL)) == ("denied", "address.forbidden")


def test_s01_it_opens_a_network_that_the_deployment_names(register):
    assert register("http://10.1.2.3:8080", allow=("public", "10.1.0.0/16")) == []
    assert register("http://10.2.2.3:8080", allow=("public", "10.1.0.0/16")) == ["address.forbidden"]


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1"])
def test_s02_it_refuses_other_ways_to_write_an_address(register, host: str):
    assert register(f"http://{host}:8080") == ["address.format"]


@pytest.mark.parametrize("host", METADATA + METADATA_ELSEWHERE)
def test_s03_it_refuses_metadata_whatever_is_allowed(register, host: str):
    everything = ("loopback", "private", "link-local", "public", "0.0.0.0/0", "::/0")
    assert register(f"http://{host}", allow=everything) == ["address.forbidden"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["http://169.254.169.254/", "file:///etc/passwd", "canary"])
async def test_s06_it_follows_no_redirect_wherever_it_leads(client, serve, directory, status: int, to: str):
    canary = await serve(answer({}))
    where = canary.url if to == "canary" else to

    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": where})

    await serve(redirect)
    assert refusal(await client.call(CALL))[0] == f"http_{status}"
    assert canary.requests == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "gopher://h/x", "unix:///run/x", "data:,x", "//h"])
def test_s07_it_refuses_other_schemes(register, address: str):
    assert register(address) == ["address.scheme"]


@pytest.mark.parametrize(
    "address",
    ["http://a.com\\@127.0.0.1/", "http://a.com@127.0.0.1", "http://a.com#@b", "http://a.com%2f@b", "http://a\t.com"],
)
def test_s08_it_refuses_what_two_readers_read_differently(register, address: str):
    assert register(address) == ["address.format"]


@pytest.mark.parametrize("port", [0, 22, 25, 5432, 6379, 99999])
def test_s09_it_refuses_ports_behind_which_no_service_is(register, port: int):
    assert register(f"http://a.com:{port}") == ["address.port"]


async def test_s10_it_lets_nothing_out_of_a_header(client, serve):
    service = await serve(answer({}))
    outcome = await client.call(replace(CALL, idempotency_key="x\r\nHost: elsewhere"))
    assert refusal(outcome)[0] == "invalid_input"
    assert service.requests == []


async def test_s11_it_does_not_unpack_a_bomb(client, serve):
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = b"\0" * (1 << 20)
    bomb = b"".join(packed.compress(zeros) for _ in range(300)) + packed.flush()
    service = await serve(answer(bomb, Content_Encoding="gzip"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(await client.call(CALL))[0] == "invalid_output"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024
    assert service.requests[0][0].headers["Accept-Encoding"] == "identity"


async def test_s11_it_does_not_read_ten_gigabytes(client, serve_raw):
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    server = await serve_raw(endless)
    assert refusal(await client.call(CALL))[0] == "too_large"
    while not server.ended:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("banner", [b"SSH-2.0-OpenSSH_9.2\r\n", b"-ERR unknown command\r\n", b"220 mail ESMTP\r\n"])
async def test_s12_it_tells_nothing_of_what_lies_at_an_address(client, serve_raw, banner: bytes):
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(banner)
        await writer.drain()

    server = await serve_raw(greet)
    outcome = await client.call(CALL)
    assert refusal(outcome) == ("connection", "protocol")
    said = str(outcome)
    assert "127.0.0.1" not in said
    assert str(server.port) not in said
    assert banner.split()[0].decode() not in said


def test_s13_it_lets_a_team_register_only_so_many(register, settings):
    settings.PODIUM = replace(settings.PODIUM, instances_per_team=2)
    assert [register(f"http://198.41.0.{number}") for number in (4, 5)] == [[], []]
    with pytest.raises(operations.LimitExceeded):
        register("http://198.41.0.6")


async def test_s14_it_listens_to_no_proxy_variable_and_no_netrc(make_client, serve, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    service = await serve(answer({}))
    await make_client().call(CALL)
    assert "Authorization" not in service.requests[0][0].headers
