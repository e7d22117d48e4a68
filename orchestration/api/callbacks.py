"""Callbacks: where a service posts the result of what it had taken on (202). The signed token is all that it needs."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field
from rest_framework.request import Request
from rest_framework.response import Response

from orchestration.domain.errors import NotFound
from orchestration.engine import operations

from . import shapes
from .bodies import Body, CallbackError, read
from .errors import unprocessable
from .operation import ApiView, operation

TOKEN_LENGTH = 4_096


class CallbackBody(Body):
    """The result: what the service would have answered, or its error. Neither: the body is the output itself."""

    output: dict[str, Any] | None = Field(default=None, description="The step's output.")
    error: CallbackError | None = None


class AnyObject(Body):
    """Any JSON object."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class Callback(ApiView):
    """The address that a service was given in `Podium-Callback`."""

    authentication_classes = []
    permission_classes = []

    @operation(
        "Post the result of a callback",
        body=AnyObject,
        body_optional=True,
        described_body=CallbackBody,
        answers={200: shapes.CallbackAnswer},
        refusals=(404,),
        open_to_all=True,
    )
    def post(self, request: Request, token: str) -> Response:
        """Post the result of an attempt that was taken on: `{"output": {…}}` or `{"error": {"code", "message"}}`.

        An object with neither key is the output itself, as in a reply. The same result may be posted again: only the
        first counts. No key is needed; a token that was not made here is not found.
        """
        if len(token) > TOKEN_LENGTH:
            raise NotFound("no token")
        accepted = operations.post_callback(token=token, result=_result(self.body.model_extra or {}))
        return Response(shapes.CallbackAnswer(accepted=accepted))


def _result(document: dict[str, Any]) -> dict[str, Any]:
    if not document.keys() & {"output", "error"}:
        return {"output": document}
    body = read(CallbackBody, document)
    if body.error is None:
        return {"output": body.output or {}}
    if "output" in document:
        raise unprocessable("error", "key.excluded", "A result has an `output` or an `error`, not both.")
    return {"error": body.error.model_dump()}
