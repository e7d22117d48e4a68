"""Every address of the API that is not one: refused without credentials like all others, and otherwise not found."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from orchestration.domain.errors import NotFound

from .operation import ApiView


@extend_schema(exclude=True)
class Nowhere(ApiView):
    """What is left when no route fits."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raise NotFound, once it is known who asks."""
        super().initial(request, *args, **kwargs)
        raise NotFound("no such address")
