"""The OpenAPI document, made from the views once per process, and Swagger's page over it.

In production both are for callers only; in development they are open.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any, Literal

from django.conf import settings
from drf_spectacular.drainage import set_override
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from pydantic.json_schema import model_json_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .authentication import IsCaller
from .errors import answer_for
from .operation import ApiView, JsonRenderer

PREFIX = "/api/v1"
OPENAPI_JSON = "application/vnd.oai.openapi+json"
SETTINGS = {
    "TITLE": "Podium",
    "DESCRIPTION": "Durable service orchestration. Errors are problem documents (RFC 9457) with a stable `code`.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": PREFIX,
    "PREPROCESSING_HOOKS": ["orchestration.api.schema.only_canonical"],
    "POSTPROCESSING_HOOKS": [],
    "SORT_OPERATION_PARAMETERS": False,
}
# Swagger's page sets styles in its elements and draws from data addresses.
PAGE_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_making = threading.Lock()


class ShapeSchema(OpenApiSerializerExtension):
    """Let pydantic describe our bodies (as they are read) and shapes (as they are written)."""

    target_class = "pydantic.BaseModel"
    match_subclasses = True
    priority = 1

    def get_name(self, auto_schema: AutoSchema, direction: str) -> str:
        """Return the component's name. All models have names of their own."""
        set_override(self.target, "suppress_collision_warning", True)
        return str(self.target.__name__)

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        """Return the model's JSON Schema; the models inside it become components of their own."""
        mode: Literal["validation", "serialization"] = "validation" if direction == "request" else "serialization"
        schema = model_json_schema(self.target, ref_template="#/components/schemas/{model}", mode=mode, by_alias=False)
        for name, inner in schema.pop("$defs", {}).items():
            component = ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, object=name, schema=inner)
            auto_schema.registry.register_on_missing(component)
        return schema


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """API keys."""

    target_class = "orchestration.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "description": "An API key of a team."}


class SessionScheme(OpenApiAuthenticationExtension):
    """The site's own sessions."""

    target_class = "orchestration.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the scheme."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "A person's session; what changes something also brings the header X-CSRFToken.",
        }


def only_canonical(endpoints: list[Any]) -> list[Any]:
    """Leave out the addresses with a slash at their end."""
    return [each for each in endpoints if each[0].startswith(PREFIX) and not each[0].endswith("/")]


@cache
def _document() -> dict[str, Any]:
    with patched_settings(SETTINGS):
        document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document of the API as a plain value."""
    # The generator patches settings of the whole process while it works.
    with _making:
        return _document()


class OpenInDevelopment(BasePermission):
    """Everybody in development, callers only in production."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say whether the document may be seen."""
        return not settings.PODIUM.production or IsCaller().has_permission(request, view)


@extend_schema(exclude=True)
class SchemaDocument(ApiView):
    """The OpenAPI document."""

    permission_classes = [OpenInDevelopment]

    def get(self, request: Request) -> Response:
        """Return the document as JSON."""
        return Response(openapi_document(), content_type=OPENAPI_JSON)


class SwaggerPage(SpectacularSwaggerSplitView):
    """Swagger's page, from files of this site alone."""

    authentication_classes = ApiView.authentication_classes
    permission_classes = [OpenInDevelopment]
    url_name = "api:openapi"
    title = "Podium API"

    def handle_exception(self, exc: Exception) -> Response:
        """Answer a refusal as the rest of the API does, not as a page."""
        renderer = JsonRenderer()
        self.request.accepted_renderer, self.request.accepted_media_type = renderer, renderer.media_type
        return super().handle_exception(exc)

    def get_exception_handler(self) -> Any:
        """Return the map from errors to problems."""
        return answer_for

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Tell the browser what the page may do."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["Content-Security-Policy"] = PAGE_POLICY
        return response
