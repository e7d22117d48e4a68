"""Where calls may go: how an address is written, and which networks it may lie in.

Texts lie: `127.1`, `2130706433`, a name with a private answer beside a public one, `[::ffff:169.254.169.254]` are all
ways to write what a list of texts would let through. So an address is taken apart and built anew from its parts, and
what decides is every IP address that its host resolves to: at registration for an early word, and again by the socket
that is about to be opened (`resolving.py`), so that a name that changes its mind in between gains nothing.

The networks of cloud metadata services, and those that no service can lie in, are refused whatever the settings say.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from orchestration.domain.errors import Problem

HTTP = "http"
HTTPS = "https"
PYTHON = "python"
PROTOCOLS = (HTTP, HTTPS, PYTHON)
STANDARD_PORTS = {HTTP: 80, HTTPS: 443}
LOWEST_PORT = 1024
# Databases, brokers and control sockets: what speaks there is no service, and some of it obeys a line of HTTP.
FORBIDDEN_PORTS = frozenset({2049, 2375, 2376, 2379, 2380, 3306, 5432, 6379, 6380, 6443, 10250, 11211, 27017})

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(/[^?#]*)?")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::([0-9]{1,5}))?")
_BARE = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]+)?")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+")
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
ADDRESS_LENGTH = 512


def _networks(*texts: str) -> tuple[IPNetwork, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Metadata services first; then "this network", multicast, reserved, documentation and discard-only addresses.
NEVER = _networks(
    "169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::254/128",
    "0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",
    "::/128", "ff00::/8", "2001:db8::/32", "3fff::/20", "100::/64",
)  # fmt: skip
KINDS: dict[str, tuple[IPNetwork, ...]] = {
    "loopback": _networks("127.0.0.0/8", "::1/128"),
    "private": _networks(
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15",
        "fc00::/7", "fec0::/10",
    ),
    "link-local": _networks("fe80::/10"),
}  # fmt: skip
METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})

_V4_AT_THE_END = _networks("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0/96", "::ffff:0:0:0/96", "::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_TEREDO = ipaddress.IPv6Network("2001::/32")


@dataclass(frozen=True, slots=True)
class Address:
    """An instance's address, taken apart. Of a `python` one `host` is the module, `port` 0 and `path` empty."""

    protocol: str
    host: str
    port: int
    path: str = ""

    @property
    def url(self) -> str:
        """Return the address as one text, without a slash at its end."""
        if self.protocol == PYTHON:
            return f"{PYTHON}:{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == STANDARD_PORTS[self.protocol] else f":{self.port}"
        return f"{self.protocol}://{host}{port}{self.path}"


class AddressRefused(ValueError):
    """An address that cannot be accepted, with what is wrong and where."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def parse_address(*, address: str, port: int | None = None, protocol: str | None = None) -> Address:
    """Take `address` apart: a URL, `host`, `host:port`, or `python:module`.

    `port` and `protocol` fill in what a bare host leaves open, and must not contradict a URL. Raises AddressRefused
    with `address.scheme`, `address.format` or `address.port`. Nothing is resolved here.
    """
    if not address or len(address) > ADDRESS_LENGTH or not address.isascii() or not address.isprintable():
        raise _refused("format", "an address is 1 to 512 printable ASCII characters")
    if " " in address or "\\" in address:
        raise _refused("format", "an address has no spaces and no backslashes")
    if protocol is not None and protocol not in PROTOCOLS:
        raise _refused("scheme", f"the protocols are {', '.join(PROTOCOLS)}", path="protocol")
    if address.startswith(f"{PYTHON}:") or protocol == PYTHON:
        return _python_address(address, protocol)
    if "://" not in address:
        if not _BARE.fullmatch(address):
            raise _refused("scheme", "an address is http://host:port/path, https://… or python:module")
        address = f"{protocol or HTTP}://{address}"
    return _url_address(address, port, protocol)


def parse_target(url: str) -> str:
    """Return an http(s) address with its query as it is called, built anew from its parts.

    Raises AddressRefused as `parse_address`, for a `python` address too.
    """
    place, mark, query = url.partition("?")
    parsed = parse_address(address=place)
    if parsed.protocol == PYTHON or "://" not in place:
        raise _refused("scheme", "an address is http://host:port/path or https://…")
    if not _QUERY.fullmatch(query):
        raise _refused("format", "the query has plain characters, all others encoded")
    path = "/" if not parsed.path else "/" * place.endswith("/")
    return f"{parsed.url}{path}{mark}{query}"


def is_safe_path(path: str) -> bool:
    """Say whether `path` is empty or an absolute path that stays below its root, without query and fragment."""
    plain = unquote(path)
    if not _PATH.fullmatch(path) or "//" in path or "\\" in plain or not plain.isprintable():
        return False
    return not {".", ".."} & set(plain.split("/"))


def _python_address(address: str, protocol: str | None) -> Address:
    module = address.removeprefix(f"{PYTHON}:")
    if protocol not in {None, PYTHON}:
        raise _refused("scheme", f"the address says {PYTHON}, the protocol {protocol}", path="protocol")
    if not _MODULE.fullmatch(module):
        raise _refused("format", "a python address is python:module")
    return Address(PYTHON, module, 0)


def _url_address(address: str, port: int | None, protocol: str | None) -> Address:
    match = _URL.fullmatch(address)
    scheme = match[1].lower() if match else address.partition("://")[0].lower()
    if scheme not in STANDARD_PORTS:
        raise _refused("scheme", "an address is http://host:port/path, https://… or python:module")
    if match is None:
        raise _refused("format", "an address has no query and no fragment")
    if protocol not in {None, scheme}:
        raise _refused("scheme", f"the address says {scheme}, the protocol {protocol}", path="protocol")
    authority = _AUTHORITY.fullmatch(match[2])
    if authority is None or "@" in match[2] or "%" in match[2]:
        raise _refused("format", "between the scheme and the path stand a host and a port, and nothing else")
    path = (match[3] or "").rstrip("/")
    if not is_safe_path(path):
        raise _refused("format", "the path has plain segments, none of them empty, . or ..")
    return Address(scheme, _host(authority[1]), _port(authority[2], port, scheme), path)


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError as error:
            raise _refused("format", "the host is no IPv6 address") from error
    host = text.rstrip(".").lower()
    labels = host.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        # Resolvers read 127.1 and 0x7f000001 as addresses too; only the plain form is one here.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise _refused("format", "a host that ends in a number is an IPv4 address of four numbers") from error
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("format", "the host is neither a name nor an IP address")
    return host


def _port(written: str | None, port: int | None, scheme: str) -> int:
    if written is not None and port not in {None, int(written)}:
        raise _refused("port", f"the address says port {written}, `port` says {port}", path="port")
    number = int(written) if written is not None else STANDARD_PORTS[scheme] if port is None else port
    if number not in STANDARD_PORTS.values() and not (LOWEST_PORT <= number <= 65535 and number not in FORBIDDEN_PORTS):
        said = "ports are 80, 443 and 1024 to 65535, but not those of databases and brokers"
        raise _refused("port", said, path="port" if written is None else "address")
    return number


def _refused(code: str, message: str, *, path: str = "address") -> AddressRefused:
    return AddressRefused(Problem(path, f"address.{code}", message))


class OutboundPolicy:
    """Which IP addresses may be called: kinds (`loopback`, `private`, `link-local`, `public`) and networks (CIDR)."""

    def __init__(self, allow: Iterable[str]) -> None:
        self._kinds: set[str] = set()
        self._allowed: list[IPNetwork] = []
        for word in allow:
            if word == "public" or word in KINDS:
                self._kinds.add(word)
            else:
                self._allowed.append(ipaddress.ip_network(word))
        self.permits = lru_cache(maxsize=4096)(self._permits)

    def _permits(self, text: str) -> bool:
        """Say whether the IP address `text` may be called; what is no IP address may not."""
        try:
            address = reached(ipaddress.ip_address(text.partition("%")[0]))
        except ValueError:
            return False
        if _lies_in(address, NEVER):
            return False
        return kind_of(address) in self._kinds or _lies_in(address, self._allowed)

    def permits_name(self, host: str) -> bool:
        """Say whether the host may be called at all: a literal by its address, a name unless it is one of metadata."""
        if host in METADATA_NAMES:
            return False
        return self.permits(host) if is_literal(host) else True


def is_literal(host: str) -> bool:
    """Say whether `host` is an IP address rather than a name."""
    return ":" in host or host.replace(".", "").isdigit()


def kind_of(address: IPAddress) -> str:
    """Return `loopback`, `private`, `link-local` or `public`."""
    return next((kind for kind, networks in KINDS.items() if _lies_in(address, networks)), "public")


def reached(address: IPAddress) -> IPAddress:
    """Return the address that is really reached: the IPv4 one inside a mapped, translated or tunnelled IPv6 one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    number = int(address)
    if number > 1 and _lies_in(address, _V4_AT_THE_END):
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return ipaddress.IPv4Address((number >> 80) & 0xFFFFFFFF)
    if address in _TEREDO:
        return ipaddress.IPv4Address(~number & 0xFFFFFFFF)
    return address


def _lies_in(address: IPAddress, networks: Iterable[IPNetwork]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
