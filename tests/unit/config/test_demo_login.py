"""The demo login is open on loopback only."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.test import RequestFactory

from config.authentication import demo_is_open


@pytest.fixture(autouse=True)
def demo(settings):
    settings.PODIUM = replace(settings.PODIUM, demo=True)


def _request(host: str = "127.0.0.1:8000", address: str = "127.0.0.1", **more: str):
    return RequestFactory().post("/login", HTTP_HOST=host, REMOTE_ADDR=address, **more)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1:8000", "127.0.0.1"),
        ("localhost:8000", "127.0.0.1"),
        ("localhost", "::1"),
        ("[::1]:8000", "::1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_it_is_open_to_a_browser_on_this_machine(host: str, address: str):
    assert demo_is_open(_request(host, address))


@pytest.mark.parametrize(
    ("host", "address", "more"),
    [
        ("127.0.0.1:8000", "10.0.0.7", {}),
        ("podium.example.org", "127.0.0.1", {}),
        ("127.0.0.1.example.org", "127.0.0.1", {}),
        ("127.0.0.1:8000", "", {}),
        ("127.0.0.1:8000", "127.0.0.1", {"HTTP_X_FORWARDED_FOR": "10.0.0.7"}),
        ("127.0.0.1:8000", "127.0.0.1", {"HTTP_FORWARDED": "for=10.0.0.7"}),
    ],
)
def test_it_is_closed_to_everybody_else(host: str, address: str, more: dict):
    assert not demo_is_open(_request(host, address, **more))


def test_it_is_closed_without_the_demo(settings):
    settings.PODIUM = replace(settings.PODIUM, demo=False)
    assert not demo_is_open(_request())


@pytest.mark.django_db
def test_it_lets_the_demo_user_in_from_here_and_nobody_from_elsewhere():
    users = get_user_model().objects
    users.create_user("demo", password="demo")
    users.create_user("ada", password="a long password of her own")
    assert authenticate(_request(), username="demo", password="demo") is not None
    assert authenticate(_request(address="10.0.0.7"), username="demo", password="demo") is None
    assert authenticate(_request(address="10.0.0.7"), username="Demo", password="demo") is None
    assert authenticate(None, username="demo", password="demo") is None
    elsewhere = _request(address="10.0.0.7")
    assert authenticate(elsewhere, username="ada", password="a long password of her own") is not None
