"""What every answer tells the browser."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

pytestmark = pytest.mark.django_db


def _policy(answer) -> dict[str, str]:
    return dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))


def test_it_lets_a_page_load_only_what_is_its_own(client: Client):
    answer = client.get("/healthz")
    policy = _policy(answer)
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_it_lets_only_the_admin_site_compile_its_attributes(client: Client):
    client.force_login(get_user_model().objects.create_superuser("root"))
    policy = _policy(client.get("/admin/"))
    assert policy["script-src"] == "'self' 'unsafe-eval'"
    assert policy["default-src"] == "'self'"


def test_it_answers_for_no_other_host(client: Client):
    assert client.get("/healthz", headers={"host": "evil.example.org"}).status_code == 400
