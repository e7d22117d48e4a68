"""Who looks at a page: a person, the team that they work in, and whether they may change anything."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from orchestration.teams import queries as teams

VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person in a team."""

    user_id: int
    name: str
    team_id: int
    team: str
    may_act: bool


def viewer_of(user: AbstractBaseUser | AnonymousUser) -> Viewer | None:
    """Return who the user is in their team, or None for somebody who is not logged in or is in no team."""
    if not user.is_authenticated or not user.is_active or user.pk is None:
        return None
    team = teams.team_for_user(user_id=user.pk)
    if team is None:
        return None
    role = teams.role_of(team_id=team.id, user_id=user.pk)
    return Viewer(
        user_id=user.pk, name=user.get_username(), team_id=team.id, team=team.name, may_act=role not in {None, VIEWER}
    )
