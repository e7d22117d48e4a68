"""A production site refuses to start where it would not be safe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.podium import PodiumSettings
from config.production import refuse_unsafe

ROOT = Path(__file__).resolve().parents[3]
KEY = "q8Yw2nV5sK1xR7tB4mZ9cL3fH6jD0gP-uE_aWoIiXyTzQkNvSb"
PRODUCTION = PodiumSettings(env="production")


def test_it_starts_with_a_key_of_its_own_and_named_hosts():
    refuse_unsafe(podium=PRODUCTION, debug=False, secret_key=KEY, hosts=["podium.example.org"])


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"debug": True}, "DEBUG"),
        ({"secret_key": ""}, "SECRET_KEY"),
        ({"secret_key": "short"}, "SECRET_KEY"),
        ({"secret_key": "a" * 60}, "SECRET_KEY"),
        ({"secret_key": "django-insecure-" + KEY}, "SECRET_KEY"),
        ({"hosts": []}, "ALLOWED_HOSTS"),
        ({"hosts": ["*"]}, "ALLOWED_HOSTS"),
        ({"podium": PodiumSettings(env="production", demo=True)}, "PODIUM_DEMO"),
    ],
)
def test_it_refuses(changes: dict, word: str):
    given = {"podium": PRODUCTION, "debug": False, "secret_key": KEY, "hosts": ["podium.example.org"]} | changes
    with pytest.raises(ImproperlyConfigured, match=word):
        refuse_unsafe(**given)


def _check(tmp_path: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return subprocess.run(
        [sys.executable, "manage.py", "check", *options],
        cwd=ROOT,
        env=kept | {"PODIUM_DATA_DIR": str(tmp_path)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_stops_the_whole_command_line(tmp_path: Path):
    done = _check(tmp_path, PODIUM_ENV="production", DEBUG="1", ALLOWED_HOSTS="*")
    assert done.returncode != 0
    assert "DEBUG is on; SECRET_KEY is not set; ALLOWED_HOSTS is open" in done.stderr
    assert not list(tmp_path.iterdir())


def test_it_passes_the_deployment_check(tmp_path: Path):
    safe = {"PODIUM_ENV": "production", "SECRET_KEY": KEY, "ALLOWED_HOSTS": "podium.example.org"}
    done = _check(tmp_path, "--deploy", "--fail-level", "WARNING", **safe)
    assert done.returncode == 0, done.stderr


def test_it_keeps_a_key_of_its_own_in_development(tmp_path: Path):
    assert _check(tmp_path).returncode == 0
    key = tmp_path / "secret-key"
    first = key.read_text(encoding="ascii")
    assert len(first) > 50
    assert key.stat().st_mode & 0o777 == 0o600
    assert _check(tmp_path).returncode == 0
    assert key.read_text(encoding="ascii") == first
