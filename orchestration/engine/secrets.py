"""Secrets of teams: encrypted in the database with the site's key, plain only in the memory of whoever runs them."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from cryptography.fernet import Fernet
from django.conf import settings


def seal(value: str) -> str:
    """Return the value as it is kept."""
    return _cipher(settings.SITE_KEY).encrypt(value.encode()).decode()


def unseal(sealed: str) -> str:
    """Return the value again; raises cryptography's InvalidToken if the site's key is another."""
    return _cipher(settings.SITE_KEY).decrypt(sealed.encode()).decode()


@lru_cache(maxsize=2)
def _cipher(key: str) -> Fernet:
    derived = hashlib.scrypt(key.encode(), salt=b"podium.secrets", n=2**14, r=8, p=1, dklen=32)
    return Fernet(base64.urlsafe_b64encode(derived))
