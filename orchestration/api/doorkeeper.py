"""The web server's own door: a body that is too long for every route is not taken in at all.

Daphne takes a whole body in, to memory and then to disk, before the site hears of the request, however long it is and
whoever sends it. Here a request that says that it will be far too long is answered (413) before a byte of its body is
read, and one that does not say is cut off when it has become so. What is only somewhat too long is taken in and refused
by the view that it is for: a client that is still sending would not read an answer.
"""

from __future__ import annotations

import json
from http import HTTPStatus

from daphne import http_protocol
from django.conf import settings

from .errors import PROBLEM_JSON, TITLES

TIMES_LONGER = 16


class BoundedRequest(http_protocol.WebRequest):
    """Daphne's request, with an end to what it takes in."""

    taken = 0
    refused = False

    def gotLength(self, length: int | None) -> None:
        """Hear how long the body will be; None: nobody knows."""
        super().gotLength(length)
        if length is not None and length > _most():
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        """Take in a part of the body."""
        self.taken += len(data)
        if not self.refused and self.taken > _most():
            self._refuse()
        if not self.refused:
            super().handleContentChunk(data)

    def _refuse(self) -> None:
        self.refused = True
        self.channel.transport.write(_answer())
        self.channel.loseConnection()


def install() -> None:
    """Have Daphne make its requests of this class; it has no setting for it."""
    http_protocol.WebRequest = BoundedRequest


def _most() -> int:
    return TIMES_LONGER * int(settings.PODIUM.request_bytes)


def _answer() -> bytes:
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    message = f"The body is larger than the {settings.PODIUM.request_bytes} bytes that are read here."
    problem = {"path": "$", "code": "body.too_large", "message": message}
    body = json.dumps(
        {
            "type": "about:blank",
            "title": TITLES[status],
            "status": status.value,
            "code": problem["code"],
            "detail": message,
            "path": problem["path"],
            "errors": [problem],
        }
    )
    head = (
        f"HTTP/1.1 {status.value} {TITLES[status]}\r\nContent-Type: {PROBLEM_JSON}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return (head + body).encode()
