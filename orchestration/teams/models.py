"""Rows of the teams: who they are, who belongs to them, and the keys that programs come with."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Role(models.TextChoices):
    """What a member may do: look, act, or also change who is a member."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Team(models.Model):
    """The owner of everything: each top-level row of the platform names one."""

    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "podium_team"

    def __str__(self) -> str:
        return self.slug


class Member(models.Model):
    """A person's place in a team."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "podium_member"
        constraints = [
            models.UniqueConstraint(fields=["team", "user"], name="member_once_per_team"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="member_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class ApiKey(models.Model):
    """A program's way in. The key itself is not kept, only its hash and the prefix that finds it."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="keys")
    name = models.CharField(max_length=120)
    # Read by queries.principal_for_key, with every request.
    prefix = models.CharField(max_length=16, db_index=True)
    hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150, blank=True)
    last_used_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    may_configure = models.BooleanField(
        default=False, help_text="It may change the live settings of the site, which hold for all teams."
    )

    class Meta:
        db_table = "podium_apikey"

    def __str__(self) -> str:
        return self.name
