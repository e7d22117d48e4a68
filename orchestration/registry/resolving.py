"""Names to addresses, with every answer checked: what the sockets of `client` and `probes` are opened by."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from .addresses import OutboundPolicy, is_literal

NAMES_CACHED_SECONDS = 10
# Shorter than the five seconds after which many servers close a connection that idles, so that none is used too late.
IDLE_SECONDS = 4


class ForbiddenAddress(OSError):
    """A host that resolves to an address that may not be called."""


class CheckingResolver(AbstractResolver):
    """Resolve a host once per connection; if one of its answers may not be called, none is."""

    def __init__(self, policy: OutboundPolicy) -> None:
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`. Raises ForbiddenAddress, or OSError where there are none."""
        if not self._policy.permits_name(host):
            raise ForbiddenAddress("this name may not be called")
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        if not all(self._policy.permits(str(address[0])) for *_, address in found):
            raise ForbiddenAddress("this name resolves to an address that may not be called")
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


def checked_connector(policy: OutboundPolicy, *, per_address: int, total: int, keep: bool = True) -> TCPConnector:
    """Return a connector of the running loop that opens sockets to permitted addresses only.

    It holds at most `total` connections at once, `per_address` to one address (0: as many); `keep` says whether idle
    ones are used again.
    """

    def open_socket(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        # A literal never passes the resolver, so that this is the one gate that nothing goes round.
        if not policy.permits(str(address[0])):
            raise ForbiddenAddress("this address may not be called")
        return socket.socket(family=family, type=kind, proto=protocol)

    return TCPConnector(
        resolver=CheckingResolver(policy),
        socket_factory=open_socket,
        ttl_dns_cache=NAMES_CACHED_SECONDS,
        limit=total,
        limit_per_host=per_address,
        force_close=not keep,
        keepalive_timeout=IDLE_SECONDS if keep else None,
    )


def resolves_to_permitted(host: str, *, policy: OutboundPolicy, timeout: float) -> bool:
    """Say whether `host` may be called as far as can be known within `timeout` seconds.

    A name that does not resolve, or not in time, is let through: the socket decides when it is called.
    """
    if not policy.permits_name(host):
        return False
    if is_literal(host):
        return True
    answers: list[str] = []

    def ask() -> None:
        try:
            answers.extend(str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
        except OSError:
            answers.clear()

    # The resolver of the system can neither be given a deadline nor be interrupted.
    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(timeout)
    return all(policy.permits(answer) for answer in tuple(answers))
