"""What a method of the farm is made of: how long it takes, what it answers, and how it refuses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Refusal(Exception):
    """The service says no, or cannot: `status` is the HTTP status, `code` the stable word for the reason."""

    def __init__(self, status: int, code: str, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retryable = retryable

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.retryable is not None:
            error["retryable"] = self.retryable
        return {"error": error}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a method is given: its input, the key of the effect, and how many calls for it came to nothing before."""

    input: dict[str, Any]
    key: str
    tries: int

    def text(self, name: str, default: str = "") -> str:
        """Return the text of `name` in the input."""
        value = self.input.get(name, default)
        return value if isinstance(value, str) else default

    def number(self, name: str) -> float:
        """Return the number of `name` in the input; 0 where there is none."""
        value = self.input.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0

    def items(self, name: str) -> list[Any]:
        """Return the list of `name` in the input; empty where there is none."""
        value = self.input.get(name)
        return value if isinstance(value, list) else []

    def need(self, *names: str) -> None:
        """Raise Refusal (422) for the first of `names` that the input lacks."""
        for name in names:
            if self.input.get(name) in (None, ""):
                raise Refusal(422, "incomplete", f"{name} is missing", retryable=False)

    def mark(self, prefix: str) -> str:
        """Return an id that is the same for every call with this key and this input."""
        return f"{prefix}-{_digest(self.key or repr(sorted(self.input.items(), key=str))).upper()}"


Work = Callable[[Asked], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its work, the seconds that it takes, and what happens when the caller hangs up meanwhile.

    With `stops_when_left` nothing is applied for a caller who hung up before the work was done; otherwise the work
    goes on without him. `cuts_reply` says for which call the effect is applied and the connection cut instead of
    an answer.
    """

    work: Work
    least: float
    most: float
    stops_when_left: bool = False
    cuts_reply: Callable[[Asked], bool] = lambda asked: False

    def seconds(self, asked: Asked) -> float:
        """Return how long this call takes: anywhere between the bounds, the same for the same key."""
        slow = 8.0 if asked.text("order_id").endswith("-slow") else 1.0
        return (self.least + (self.most - self.least) * _fraction(asked.key)) * slow


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def _fraction(text: str) -> float:
    return int(_digest(text), 16) / float(1 << 40)
