"""Callback addresses: a token that names one attempt of one execution and cannot be made by anybody else."""

from __future__ import annotations

from django.conf import settings
from django.core.signing import BadSignature, Signer

from orchestration.domain.errors import NotFound

PATH = "/api/v1/callbacks/"
_SALT = "podium.callback"


def make_token(team_id: int, execution_id: str, attempt: str) -> str:
    """Return the token of one attempt."""
    return Signer(salt=_SALT).sign_object([team_id, execution_id, attempt])


def read_token(token: str) -> tuple[int, str, str]:
    """Return team, execution and attempt; raise NotFound for a token that this site did not make."""
    try:
        team_id, execution_id, attempt = Signer(salt=_SALT).unsign_object(token)
    except (BadSignature, ValueError) as error:
        raise NotFound("there is no such callback") from error
    return team_id, execution_id, attempt


def callback_url(team_id: int, execution_id: str, attempt: str) -> str:
    """Return the address to which the result of one attempt is posted."""
    return f"{settings.PODIUM.callback_url}{PATH}{make_token(team_id, execution_id, attempt)}"
