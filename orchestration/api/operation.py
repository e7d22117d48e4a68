"""What every route is made of: who may call it, what it takes, what it answers; and the same for the OpenAPI document.

A view class is a noun's address, a method decorated with `@operation` is what can be done there. The decorator reads
parameters and body before the method runs, and describes both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from pydantic_core import to_json
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from . import bodies, parsers
from .authentication import ApiKeyAuthentication, Caller, IsCaller, MayAct, SessionAuthentication
from .errors import PROBLEM_JSON, answer_for
from .parameters import Parameter, read_query
from .rates import CallerRate
from .shapes import ProblemDocument, Shape

Handler = Callable[..., Response]
BESIDES_PAYLOAD = 64 * 1024
REFUSALS = {
    400: "The request cannot be read.",
    401: "Nobody said who asks.",
    403: "A session comes without its CSRF token, or a viewer would change something.",
    404: "There is nothing here, or it is another team's.",
    409: "What is asked does not fit the state; `state` and `allowed` say what would.",
    410: "Events from there on are not kept any more: read everything anew; `latest` is where to follow from.",
    412: "The thing is not as `If-Match` says.",
    413: "The body is too large.",
    415: "The body's type, charset or encoding is not read here.",
    422: "What is asked is not allowed; `errors` says everything that is wrong.",
    429: "Too many requests; `Retry-After` says when to come again.",
    503: "The database does not answer just now; `Retry-After` says when to come again.",
}


class JsonRenderer(BaseRenderer):
    """JSON, from shapes and plain values."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the bytes of an answer; nothing for None."""
        return b"" if data is None else to_json(data)


class AlwaysJson(BaseContentNegotiation):
    """Answer in JSON, whatever was asked for."""

    def select_parser(self, request: Request, parsers: Any) -> None:
        """Return nothing: bodies are read by parsers.py."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> tuple[Any, str]:
        """Return the renderer of JSON."""
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """The root of all views. Nothing is open: a view without a caller answers 401."""

    authentication_classes = [ApiKeyAuthentication, SessionAuthentication]
    permission_classes = [IsCaller, MayAct]
    throttle_classes = [CallerRate]
    renderer_classes = [JsonRenderer]
    parser_classes = []
    content_negotiation_class = AlwaysJson
    metadata_class = None
    # What a route takes stands in the OpenAPI document, not in an answer to OPTIONS.
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    schema = AutoSchema()

    query: dict[str, Any]
    body: Any

    @property
    def caller(self) -> Caller:
        """Return who asks."""
        user = self.request.user
        if not isinstance(user, Caller):
            raise TypeError("an open route has no caller")
        return user

    @property
    def team_id(self) -> int:
        """Return the team that the caller asks for."""
        return self.caller.team_id

    def get_exception_handler(self) -> Callable[[Exception, Mapping[str, Any]], Response]:
        """Return the map from errors to problems."""
        return answer_for

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Keep answers out of every cache."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def operation(
    summary: str,
    *,
    answers: Mapping[int, type[Shape] | None],
    query: tuple[Parameter, ...] = (),
    body: type[bodies.Body] | None = None,
    body_optional: bool = False,
    headers: tuple[OpenApiParameter, ...] = (),
    described_body: Any = None,
    refusals: tuple[int, ...] = (),
    open_to_all: bool = False,
) -> Callable[[Handler], Handler]:
    """Make a view's method an operation of the API.

    `query` and `body` are read into `self.query` and `self.body` first. With `body_optional` an empty body stands for
    `{}`. The statuses of `answers` have these shapes; `refusals` are further ones than those that every operation may
    answer with. `open_to_all` only says that the view asks for no caller.
    """
    refused = {400, 429, 503, *refusals} | ({413, 415, 422} if body or described_body else set())
    refused |= ({422} if query else set()) | (set() if open_to_all else {401})
    refused |= {403} if (body or described_body) and not open_to_all else set()

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def run(self: ApiView, request: Request, **path: str) -> Response:
            self.query = read_query(request.query_params, query)
            if body is not None:
                self.body = bodies.read(body, parsers.read_json(request, limit=_longest(), optional=body_optional))
            return handler(self, request, **path)

        parameters = [*(each.described() for each in query), *headers]
        return _describe(run, summary, answers, parameters, refused, described_body or body)

    return decorate


def _longest() -> int:
    """Return the longest JSON body: a payload, and some room for what stands round it."""
    podium = settings.PODIUM
    return min(int(podium.request_bytes), int(podium.limits.payload_bytes) + BESIDES_PAYLOAD)


def _describe(
    handler: Handler,
    summary: str,
    answers: Mapping[int, type[Shape] | None],
    parameters: list[OpenApiParameter],
    refused: set[int],
    body: Any,
) -> Handler:
    responses: dict[Any, Any] = {
        status: OpenApiResponse(shape, description=HTTPStatus(status).phrase) for status, shape in answers.items()
    }
    for status in sorted(refused):
        responses[status, PROBLEM_JSON] = OpenApiResponse(ProblemDocument, description=REFUSALS[status])
    described: Handler = extend_schema(
        operation_id=summary.lower().replace(" ", "_").replace("-", "_"),
        summary=summary,
        parameters=parameters,
        request=body if isinstance(body, Mapping) else {parsers.JSON: body} if body is not None else None,
        responses=responses,
    )(handler)
    return described
