"""What a production site refuses to start with."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

from config.podium import PodiumSettings

SECRET_KEY_LENGTH = 50
SECRET_KEY_DIFFERENT = 5
OPEN_HOSTS = frozenset({"*", ".", ""})


def refuse_unsafe(*, podium: PodiumSettings, debug: bool, secret_key: str, hosts: Sequence[str]) -> None:
    """Refuse to start a production site that is not safe.

    Raises ImproperlyConfigured with everything that is wrong at once.
    """
    wrong = []
    if debug:
        wrong.append("DEBUG is on")
    if not secret_key:
        wrong.append("SECRET_KEY is not set")
    elif len(secret_key) < SECRET_KEY_LENGTH or len(set(secret_key)) < SECRET_KEY_DIFFERENT or _known(secret_key):
        wrong.append(f"SECRET_KEY is a default or too simple (at least {SECRET_KEY_LENGTH} random characters)")
    if not hosts:
        wrong.append("ALLOWED_HOSTS is not set")
    elif any(host in OPEN_HOSTS for host in hosts):
        wrong.append("ALLOWED_HOSTS is open to every host")
    if podium.demo:
        wrong.append("PODIUM_DEMO is on")
    if wrong:
        raise ImproperlyConfigured("PODIUM_ENV=production refuses to start: " + "; ".join(wrong) + ".")


def _known(secret_key: str) -> bool:
    lowered = secret_key.lower()
    return any(word in lowered for word in ("insecure", "changeme", "change-me", "development", "default"))
