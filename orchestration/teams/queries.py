"""What is known of teams: who a key or a person speaks for."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestration import clock
from orchestration.domain.errors import NotFound

from .models import ApiKey, Member, Team

KEY_LENGTHS = range(32, 201)
USE_NOTED_EVERY = timedelta(minutes=1)
_NO_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class TeamView:
    """A team."""

    id: int
    slug: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request speaks for: a team, and the name under which what it does is written down.

    Who `may_configure` may change the live settings, which hold for all teams.
    """

    team_id: int
    name: str
    may_configure: bool = False


@dataclass(frozen=True, slots=True)
class ApiKeyView:
    """A key, as far as it can be shown."""

    id: int
    team_id: int
    name: str
    prefix: str
    created_at: datetime
    created_by: str
    last_used_at: datetime | None
    expires_at: datetime | None
    may_configure: bool


def get_team(*, slug: str) -> TeamView:
    """Return the team with this slug. Raises NotFound."""
    row = Team.objects.filter(slug=slug).first()
    if row is None:
        raise NotFound(f"there is no team {slug[:63]!r}")
    return team_view(row)


def lock_team(*, team_id: int) -> None:
    """Have whoever else locks the team wait until this transaction ends; to count what a team may have so many of."""
    Team.objects.select_for_update().filter(pk=team_id).first()


def team_for_user(*, user_id: int) -> TeamView | None:
    """Return the team that the person works in, the first one joined; None for somebody who is in none."""
    row = Member.objects.select_related("team").filter(user_id=user_id).order_by("created_at", "id").first()
    return team_view(row.team) if row else None


def role_of(*, team_id: int, user_id: int) -> str | None:
    """Return the person's role in the team, None for somebody who is not in it."""
    return Member.objects.filter(team_id=team_id, user_id=user_id).values_list("role", flat=True).first()


def list_keys(*, team_id: int) -> tuple[ApiKeyView, ...]:
    """Return the team's keys, the newest first."""
    return tuple(key_view(row) for row in ApiKey.objects.filter(team_id=team_id).order_by("-created_at", "-id"))


def principal_for_key(*, key: str) -> Principal | None:
    """Return who `key` speaks for, or None if it is unknown or over.

    That it was used is written down at most once a minute.
    """
    if len(key) not in KEY_LENGTHS or not key.isascii():
        return None
    given = hash_of(key)
    rows = ApiKey.objects.filter(prefix=prefix_of(key))[:10]
    # Compared whether or not there is one, so that the time of an answer says nothing of prefixes.
    found = [row for row in rows if hmac.compare_digest(row.hash, given)] or None
    hmac.compare_digest(_NO_HASH, given)
    now = clock.now()
    if found is None or (found[0].expires_at is not None and found[0].expires_at <= now):
        return None
    row = found[0]
    if row.last_used_at is None or now - row.last_used_at >= USE_NOTED_EVERY:
        # The one write among the reads: a mark of use that may be lost, guarded so that parallel requests make one.
        ApiKey.objects.filter(pk=row.pk, last_used_at=row.last_used_at).update(last_used_at=now)
    return Principal(team_id=row.team_id, name=f"key {row.name}", may_configure=row.may_configure)


def hash_of(key: str) -> str:
    """Return what is kept of a key. Keys are long and random, so that a plain hash is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


def prefix_of(key: str) -> str:
    """Return the part of a key that may be shown, and by which its row is found."""
    return key[:16]


def team_view(row: Team) -> TeamView:
    """Return the row as it is shown."""
    return TeamView(id=row.pk, slug=row.slug, name=row.name, created_at=row.created_at)


def key_view(row: ApiKey) -> ApiKeyView:
    """Return the row as it is shown."""
    return ApiKeyView(
        id=row.pk,
        team_id=row.team_id,
        name=row.name,
        prefix=row.prefix,
        created_at=row.created_at,
        created_by=row.created_by,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        may_configure=row.may_configure,
    )
