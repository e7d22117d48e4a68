"""How an address is written, and which networks it may lie in."""

from __future__ import annotations

import ipaddress

import pytest

from orchestration.registry.addresses import Address, AddressRefused, OutboundPolicy, parse_address, parse_target

LOOPBACK_ONLY = OutboundPolicy(("loopback",))
EVERYTHING = OutboundPolicy(("loopback", "private", "link-local", "public", "0.0.0.0/0", "::/0"))


@pytest.mark.parametrize(
    ("given", "expected", "url"),
    [
        ({"address": "http://127.0.0.1:9000"}, Address("http", "127.0.0.1", 9000), "http://127.0.0.1:9000"),
        ({"address": "http://shop.example/"}, Address("http", "shop.example", 80), "http://shop.example"),
        ({"address": "HTTPS://Shop.Example./a/b/"}, Address("https", "shop.example", 443, "/a/b"), None),
        ({"address": "shop", "port": 8080}, Address("http", "shop", 8080), "http://shop:8080"),
        ({"address": "shop:8080"}, Address("http", "shop", 8080), "http://shop:8080"),
        ({"address": "shop", "protocol": "https"}, Address("https", "shop", 443), "https://shop"),
        ({"address": "http://[::1]:8080"}, Address("http", "::1", 8080), "http://[::1]:8080"),
        ({"address": "http://[0:0::1]:8080", "port": 8080}, Address("http", "::1", 8080), None),
        ({"address": "python:demo.services"}, Address("python", "demo.services", 0), "python:demo.services"),
        ({"address": "demo", "protocol": "python"}, Address("python", "demo", 0), "python:demo"),
    ],
)
def test_it_takes_an_address_apart(given, expected: Address, url: str | None):
    parsed = parse_address(**given)
    assert parsed == expected
    assert url is None or parsed.url == url


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("", "format"),
        ("x" * 600, "format"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://h:70/x", "scheme"),
        ("ftp://h", "scheme"),
        ("unix:///run/x.sock", "scheme"),
        ("data:text/html,x", "scheme"),
        ("//h", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("http://a.com\\@127.0.0.1/", "format"),
        ("http://a.com@127.0.0.1/", "format"),
        ("http://user:pw@a.com/", "format"),
        ("http://a.com#@b", "format"),
        ("http://a.com/?q=1", "format"),
        ("http://a.com%2f@b/", "format"),
        ("http://a.com/\t", "format"),
        ("http://a.com/\r\nX: y", "format"),
        ("http://a b.com", "format"),
        ("http://", "format"),
        ("http://:80", "format"),
        ("http://[::1", "format"),
        ("http://[fe80::1%25eth0]/", "format"),
        ("http://①②⑦.⓪.⓪.①", "format"),
        ("http://127。0。0。1", "format"),
        ("http://127.1", "format"),
        ("http://2130706433", "format"),
        ("http://0x7f.1", "format"),
        ("http://0177.0.0.1", "format"),
        ("http://1.2.3.4.5", "format"),
        ("http://-a.com", "format"),
        ("http://a..com", "format"),
        ("http://a.com/../x", "format"),
        ("http://a.com/%2e%2e/x", "format"),
        ("http://a.com/a%2f..%2fb", "format"),
        ("http://a.com//x", "format"),
        ("http://a.com/%0d%0aX", "format"),
        ("http://a.com:0", "port"),
        ("http://a.com:22", "port"),
        ("http://a.com:25", "port"),
        ("http://a.com:99999", "port"),
        ("http://a.com:5432", "port"),
        ("http://a.com:6379", "port"),
        ("http://a.com:", "format"),
        ("python:os;x", "format"),
        ("python:", "format"),
        ("python:../x", "format"),
    ],
)
def test_it_refuses_what_is_no_address(address: str, code: str):
    with pytest.raises(AddressRefused) as refused:
        parse_address(address=address)
    assert refused.value.problem.code == f"address.{code}"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"address": "http://a.com:8080", "port": 8081}, "port"),
        ({"address": "a.com", "port": 22}, "port"),
        ({"address": "http://a.com", "protocol": "https"}, "protocol"),
        ({"address": "python:x", "protocol": "http"}, "protocol"),
        ({"address": "a.com", "protocol": "grpc"}, "protocol"),
    ],
)
def test_it_refuses_parts_that_contradict_each_other(given, path: str):
    with pytest.raises(AddressRefused) as refused:
        parse_address(**given)
    assert refused.value.problem.path == path


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "168.63.129.16",
        "100.100.100.200",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "2002:a9fe:a9fe::1",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "::ffff:0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "not an address",
        "",
    ],
)
def test_it_never_permits_metadata_and_what_is_no_host(address: str):
    assert not EVERYTHING.permits(address)


def test_it_looks_through_a_teredo_tunnel():
    inside = ~int(ipaddress.IPv4Address("169.254.169.254")) & 0xFFFFFFFF
    tunnelled = ipaddress.IPv6Address((0x20010000 << 96) | inside)
    assert not EVERYTHING.permits(str(tunnelled))


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.9.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("10.0.0.1", "private"),
        ("172.31.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd12::1", "private"),
        ("fe80::1", "link-local"),
        ("8.8.8.8", "public"),
        ("2606:4700::1111", "public"),
        ("64:ff9b::808:808", "public"),
    ],
)
def test_it_permits_an_address_by_its_kind(address: str, kind: str):
    for allowed in ("loopback", "private", "link-local", "public"):
        assert OutboundPolicy((allowed,)).permits(address) is (allowed == kind)


def test_it_permits_a_network_that_is_named():
    policy = OutboundPolicy(("10.1.0.0/16", "fd12::/32"))
    assert policy.permits("10.1.2.3")
    assert policy.permits("fd12::3")
    assert policy.permits("::ffff:10.1.2.3")
    assert not policy.permits("10.2.2.3")
    assert not policy.permits("8.8.8.8")


def test_it_refuses_the_names_of_metadata_services():
    assert not EVERYTHING.permits_name("metadata.google.internal")
    assert EVERYTHING.permits_name("shop.example")
    assert not LOOPBACK_ONLY.permits_name("10.0.0.1")
    assert not LOOPBACK_ONLY.permits_name("fd12::1")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://hooks.example/a/b?x=1&y=%20", "http://hooks.example/a/b?x=1&y=%20"),
        ("https://Hooks.Example:443/a/", "https://hooks.example/a/"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/"),
        ("http://127.0.0.1:9000/?q", "http://127.0.0.1:9000/?q"),
    ],
)
def test_it_keeps_the_query_of_a_target(given: str, expected: str):
    assert parse_target(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "",
        "hooks.example",
        "python:demo",
        "ftp://h/x",
        "http://u@h/",
        "http://h/?a b",
        "http://h/?a#b",
        "http://h:22/?a",
    ],
)
def test_it_refuses_what_is_no_target(given: str):
    with pytest.raises(AddressRefused):
        parse_target(given)
