"""What is done to teams: made, joined and left, and keys handed out and taken back."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from orchestration import clock
from orchestration.domain.errors import Conflict, LimitExceeded, NotFound, Refused

from .models import ApiKey, Member, Role, Team
from .queries import KEY_LENGTHS, ApiKeyView, TeamView, hash_of, key_view, prefix_of, team_view

DEFAULT_SLUG = "default"
KEY_MARK = "podium_"
KEYS_PER_TEAM = 200
NAME_LENGTH = 120
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,62}")


def default_team() -> TeamView:
    """Return the team `default`, made if it is not there yet."""
    row, _ = Team.objects.get_or_create(slug=DEFAULT_SLUG, defaults={"name": "Default", "created_at": clock.now()})
    return team_view(row)


def create_team(*, slug: str, name: str = "") -> TeamView:
    """Make a team. Raises Refused for a slug that is none, Conflict for one that is taken."""
    if not _SLUG.fullmatch(slug):
        raise Refused("a slug is a small letter, then up to 62 small letters, digits and hyphens", slug=slug[:63])
    try:
        with transaction.atomic():
            row = Team.objects.create(slug=slug, name=_name(name or slug), created_at=clock.now())
    except IntegrityError as error:
        raise Conflict(f"there is a team {slug!r} already", slug=slug) from error
    return team_view(row)


def add_member(*, team_id: int, user_id: int, role: str) -> None:
    """Make a person a member of the team, or change the role of one who is.

    Raises NotFound for an unknown team or person, Refused for an unknown role.
    """
    if role not in Role.values:
        raise Refused(f"there is no role {role[:16]!r}", allowed=list(Role.values))
    if not Team.objects.filter(pk=team_id).exists() or not get_user_model().objects.filter(pk=user_id).exists():
        raise NotFound("there is no such team or person")
    Member.objects.update_or_create(
        team_id=team_id,
        user_id=user_id,
        defaults={"role": role},
        create_defaults={"role": role, "created_at": clock.now()},
    )


def remove_member(*, team_id: int, user_id: int) -> None:
    """Take a person out of the team. Raises NotFound for somebody who is not in it."""
    deleted, _ = Member.objects.filter(team_id=team_id, user_id=user_id).delete()
    if not deleted:
        raise NotFound("this person is no member of the team")


def create_key(
    *,
    team_id: int,
    name: str,
    key: str | None = None,
    by: str = "",
    expires_at: datetime | None = None,
    may_configure: bool = False,
) -> tuple[ApiKeyView, str]:
    """Hand out a key for the team: what may be shown of it, and the key itself, which is not kept.

    One that `may_configure` may change the live settings of the whole site. `key` is used as it is where given; the
    same one again changes nothing. Raises NotFound for an unknown team, Refused for a key or name that cannot be one,
    Conflict for a key of another team, LimitExceeded at 200 keys.
    """
    if not Team.objects.filter(pk=team_id).exists():
        raise NotFound("there is no such team")
    if key is not None and (len(key) not in KEY_LENGTHS or not key.isascii() or not key.isprintable() or " " in key):
        raise Refused(f"a key is {KEY_LENGTHS.start} to {KEY_LENGTHS.stop - 1} printable ASCII characters")
    plain = key or f"{KEY_MARK}{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    if ApiKey.objects.filter(team_id=team_id).count() >= KEYS_PER_TEAM:
        raise LimitExceeded(f"a team has at most {KEYS_PER_TEAM} keys", limit="keys_per_team", allowed=KEYS_PER_TEAM)
    row, created = ApiKey.objects.get_or_create(
        hash=hash_of(plain),
        defaults={
            "team_id": team_id,
            "name": _name(name),
            "prefix": prefix_of(plain),
            "created_at": clock.now(),
            "created_by": by[:150],
            "expires_at": expires_at,
            "may_configure": may_configure,
        },
    )
    if not created and row.team_id != team_id:
        raise Conflict("this key is in use")
    return key_view(row), plain


def revoke_key(*, team_id: int, key_id: int) -> None:
    """End a key at once; its row stays, to be seen. Raises NotFound."""
    now = clock.now()
    rows = ApiKey.objects.filter(pk=key_id, team_id=team_id)
    if not rows.exists():
        raise NotFound("there is no such key")
    rows.exclude(expires_at__lte=now).update(expires_at=now)


def _name(text: str) -> str:
    plain = text.strip()
    if not plain or len(plain) > NAME_LENGTH or not plain.isprintable():
        raise Refused(f"a name is 1 to {NAME_LENGTH} printable characters")
    return plain
