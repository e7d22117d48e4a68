"""Who asks: an API key (`Authorization: Bearer …`), or a person with a session of the site and its CSRF token.

A request that brings an Authorization header is judged by that alone. Keys are never read from the address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, UnsupportedMediaType
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from orchestration.teams import queries as teams

CHALLENGE = 'Bearer realm="podium"'
KEY_LENGTH = 512
VIEWER = "viewer"
FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and for which team; `person` is false for a program with a key. A viewer may only look.

    Who `may_configure` may change the live settings, which hold for all teams: a superuser, or a key made for it.
    """

    team_id: int
    name: str
    person: bool
    may_act: bool = True
    may_configure: bool = False
    pk: int | None = None
    is_authenticated: bool = True
    is_active: bool = True


class ApiKeyAuthentication(BaseAuthentication):
    """An API key of a team."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        """Return the key's caller, None without an Authorization header; raise AuthenticationFailed for a wrong one."""
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, key = header.partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key or len(key) > KEY_LENGTH or not key.isascii() or not key.isprintable():
            raise AuthenticationFailed("An API key is given as `Authorization: Bearer <key>`.", code="unauthenticated")
        principal = teams.principal_for_key(key=key)
        if principal is None:
            raise AuthenticationFailed("This API key is not known here.", code="unauthenticated")
        caller = Caller(
            team_id=principal.team_id, name=principal.name, person=False, may_configure=principal.may_configure
        )
        return caller, None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return CHALLENGE


class SessionAuthentication(BaseAuthentication):
    """A person who is logged in; whatever changes something has to bring the CSRF token in its header."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        """Return the person, or None without a session; raise PermissionDenied without a CSRF token."""
        plain: HttpRequest = request._request
        user = getattr(plain, "user", None)
        if user is None or not user.is_active or user.pk is None:
            return None
        _check_csrf(plain)
        team = teams.team_for_user(user_id=user.pk)
        if team is None:
            return None
        may_act = teams.role_of(team_id=team.id, user_id=user.pk) not in {None, VIEWER}
        caller = Caller(
            team_id=team.id,
            name=user.get_username(),
            person=True,
            may_act=may_act,
            may_configure=bool(user.is_superuser),
            pk=user.pk,
        )
        return caller, None


class IsCaller(BasePermission):
    """Refuse everybody who did not say who they are."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say whether a caller is known."""
        return isinstance(request.user, Caller)


class MayAct(BasePermission):
    """Refuse a viewer who would change something."""

    message = "A viewer may look, and change nothing."
    code = "denied"

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say whether the caller may do this."""
        return request.method in SAFE_METHODS or (isinstance(request.user, Caller) and request.user.may_act)


class MayConfigure(BasePermission):
    """Refuse who would change the live settings, or read who changed them, and runs no site."""

    message = "The live settings are changed, and their history read, by superusers and by keys that were made for it."
    code = "denied"

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say whether the caller may do this; the settings themselves may be read by all."""
        if request.method in SAFE_METHODS and getattr(view, "readable_by_all", False):
            return True
        return isinstance(request.user, Caller) and request.user.may_configure


class _CsrfCheck(CsrfViewMiddleware):
    """Django's check, telling the reason rather than answering with a page."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def _check_csrf(request: HttpRequest) -> None:
    # Django looks for the token in a form's fields, and would read a form of any size for it.
    if request.content_type in FORMS and request.META.get("CONTENT_LENGTH") not in {None, "", "0"}:
        raise UnsupportedMediaType(request.content_type)
    check = _CsrfCheck(_no_view)
    check.process_request(request)
    reason = check.process_view(request, _no_view, (), {})
    if reason:
        raise PermissionDenied(f"CSRF: {reason}", code="csrf")


def _no_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()
