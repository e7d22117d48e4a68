"""Calls over https: who has to prove what, with real certificates over real sockets."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from orchestration import clock
from orchestration.domain.calling.policy import parse_policy
from orchestration.registry import operations
from orchestration.registry.client import CallFailed, Outcome, Reply, ServiceCall
from orchestration.registry.models import Instance
from orchestration.registry.probes import probe_due
from orchestration.teams.operations import default_team

from .certificates import Authority, Files
from .conftest import SERVICE, TEAM
from .servers import Service, answer

CALL = ServiceCall(team_id=TEAM, service=SERVICE, method="reserve", timeout=5_000_000)
MUTUAL = {"ca": "ours.pem", "certificate": "client.pem", "key": "client.key", "server_name": "shop.internal"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the team `team`."""
    (tmp_path / "team").mkdir()
    return tmp_path / "team"


@pytest.fixture
def ours(folder: Path) -> Authority:
    return Authority(folder, "ours")


@pytest.fixture
def theirs(folder: Path) -> Authority:
    return Authority(folder, "theirs")


@pytest.fixture
async def serve_tls(directory) -> AsyncIterator[Callable[..., Any]]:
    """Start an https service that shows `shown` and, with `asks`, wants a client certificate of that authority."""
    async with AsyncExitStack() as stack:

        async def start(shown: Files, *, asks: Authority | None = None) -> Service:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(shown.certificate, shown.key)
            if asks is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(asks.certificate)
            return await stack.enter_async_context(Service(answer({"safe": True}), tls=context))

        yield start


@pytest.fixture
def call_with(make_client, directory, tmp_path: Path) -> Callable[..., Any]:
    """Call the service under a policy with this `tls`."""

    async def call(service: Service, tls: dict[str, str] | None, url: str = "") -> Outcome:
        directory.put(url or service.url, policy=parse_policy({} if tls is None else {"tls": tls}))
        return await make_client(tls_dir=str(tmp_path)).call(CALL)

    return call


def refusal(outcome: Outcome) -> tuple[str, Any]:
    assert isinstance(outcome, CallFailed), outcome
    return outcome.error.code, outcome.error.details["reason"]


async def test_it_calls_a_service_that_shows_the_right_certificate(call_with, serve_tls, ours):
    service = await serve_tls(ours.vouch("server", "127.0.0.1"))
    assert await call_with(service, {"ca": "ours.pem"}) == Reply({"safe": True})


async def test_it_does_not_trust_whom_the_system_does_not_by_default(call_with, serve_tls, ours):
    service = await serve_tls(ours.vouch("server", "127.0.0.1"))
    assert refusal(await call_with(service, None)) == ("connection", "certificate")
    assert service.requests == []


async def test_it_does_not_trust_another_authority(call_with, serve_tls, ours, theirs):
    service = await serve_tls(theirs.vouch("server", "127.0.0.1"))
    assert refusal(await call_with(service, {"ca": "ours.pem"})) == ("connection", "certificate")
    assert service.requests == []


async def test_it_does_not_trust_another_name(call_with, serve_tls, ours):
    service = await serve_tls(ours.vouch("server", "other.internal"))
    assert refusal(await call_with(service, {"ca": "ours.pem"})) == ("connection", "certificate")
    assert refusal(await call_with(service, MUTUAL | {"certificate": "server.pem", "key": "server.key"})) == (
        "connection",
        "certificate",
    )
    assert service.requests == []


async def test_it_expects_the_name_that_the_policy_says_instead_of_the_hosts(call_with, serve_tls, ours):
    service = await serve_tls(ours.vouch("server", "shop.internal"))
    tls = {"ca": "ours.pem", "server_name": "shop.internal"}
    assert await call_with(service, tls) == Reply({"safe": True})
    by_address = await serve_tls(ours.vouch("server", "127.0.0.1"))
    assert refusal(await call_with(by_address, tls)) == ("connection", "certificate")


async def test_it_does_not_trust_a_certificate_whose_time_is_over(call_with, serve_tls, ours):
    service = await serve_tls(ours.vouch("server", "127.0.0.1", age=timedelta(days=9)))
    assert refusal(await call_with(service, {"ca": "ours.pem"})) == ("connection", "certificate")


async def test_it_shows_its_own_certificate_to_a_service_that_asks(call_with, serve_tls, ours):
    service = await serve_tls(ours.vouch("server", "shop.internal"), asks=ours)
    ours.vouch("client", "podium.internal")
    assert await call_with(service, MUTUAL) == Reply({"safe": True})


@pytest.mark.parametrize("shows", ["nothing", "of another authority", "too old"])
async def test_it_is_refused_by_a_service_that_asks_for_another_certificate(
    call_with, serve_tls, ours, theirs, shows: str
):
    service = await serve_tls(ours.vouch("server", "shop.internal"), asks=ours)
    tls = dict(MUTUAL)
    if shows == "nothing":
        del tls["certificate"], tls["key"]
    elif shows == "too old":
        ours.vouch("client", "podium.internal", age=timedelta(days=9))
    else:
        theirs.vouch("client", "podium.internal")
    code, reason = refusal(await call_with(service, tls))
    # The alert may be heard, or the connection be gone already.
    assert code == "connection"
    assert reason in ("tls", "tls.closed")
    assert service.requests == []


async def test_it_never_goes_in_the_clear_where_the_policy_says_tls(call_with, serve, ours):
    service = await serve(answer({"safe": False}))
    assert refusal(await call_with(service, {"ca": "ours.pem"})) == ("denied", "tls.plain")
    assert service.requests == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_it_says_when_the_policys_files_are_of_no_use(call_with, serve_tls, ours, folder, content):
    service = await serve_tls(ours.vouch("server", "127.0.0.1"))
    if content is not None:
        (folder / "lost.pem").write_bytes(content)
    outcome = await call_with(service, {"ca": "lost.pem"})
    assert refusal(outcome) == ("denied", "tls.files")
    assert str(folder) not in str(outcome)


async def test_it_does_not_wait_for_a_password_of_a_key(call_with, serve_tls, ours, folder):
    from cryptography.hazmat.primitives import serialization

    service = await serve_tls(ours.vouch("server", "shop.internal"), asks=ours)
    files = ours.vouch("client", "podium.internal")
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    kind = serialization.PrivateFormat.PKCS8
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, locked))
    assert refusal(await call_with(service, MUTUAL)) == ("denied", "tls.files")


async def test_it_uses_only_its_own_teams_files(make_client, directory, serve_tls, ours, tmp_path):
    service = await serve_tls(ours.vouch("server", "127.0.0.1"))
    directory.put(service.url, policy=parse_policy({"tls": {"ca": "ours.pem"}}), team="other")
    assert refusal(await make_client(tls_dir=str(tmp_path)).call(CALL)) == ("denied", "tls.files")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        (MUTUAL, ("unknown", "")),
        (MUTUAL | {"server_name": "other.internal"}, ("unknown", "connection")),
        (MUTUAL | {"ca": "lost.pem"}, ("unknown", "tls_files")),
    ],
)
async def test_it_probes_by_the_same_certificates(serve_tls, ours, folder, settings, tls, expected):
    service = await serve_tls(ours.vouch("server", "shop.internal"), asks=ours)
    ours.vouch("client", "podium.internal")
    settings.PODIUM = replace(settings.PODIUM, tls_dir=str(folder.parent))

    def register() -> str:
        team = default_team()
        (folder.parent / team.slug).symlink_to(folder)
        view = operations.register(team_id=team.id, name="pay", address=service.url)
        operations.update_policy(team_id=team.id, name="pay", changes={"tls": tls})
        return view.id

    instance = await sync_to_async(register)()
    await probe_due(clock.now())
    row = await Instance.objects.aget(pk=instance)
    assert (row.health, row.health_detail) == expected
    assert len(service.requests) == (expected[1] == "")
