"""What an answer says about the service itself, whatever it means to who asked."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import StepError

_UNREACHED = frozenset({"timeout", "connection"})
_UNUSABLE = frozenset({"invalid_output", "too_large"})
THROTTLED = (429,)
UNAVAILABLE = (503,)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended. `failed`: the service is not well. `heard`: it answered at all, or is known not to.

    `throttled`: it asks everybody to slow down. `hold` is how long it asks to be left alone (microseconds).
    """

    failed: bool
    heard: bool = True
    throttled: bool = False
    hold: int | None = None


SUCCESS = Answer(failed=False)
NOT_HEARD = Answer(failed=False, heard=False)
"""A call that was cancelled, or never left: it says nothing."""


def answer_of(error: StepError, retry_after: int | None = None) -> Answer:
    """Return what an attempt's error says about the service.

    Not well is who does not answer (`timeout`, `connection`) or answers with 5xx, unless the service itself says that
    trying again is of no use: then it has understood and refused. 4xx is the caller's fault, 429 a wish for fewer.
    """
    code = error.code
    if code in _UNREACHED:
        return Answer(failed=True, hold=retry_after)
    status = error.details.get("status")
    if not isinstance(status, int):
        # Of this side's own finding: an answer that is no JSON is one, a forbidden address was never called.
        return SUCCESS if code in _UNUSABLE else NOT_HEARD
    if status in THROTTLED:
        return Answer(failed=False, throttled=True, hold=retry_after)
    failed = status >= 500 and error.retryable is not False
    return Answer(failed=failed, hold=retry_after if status in UNAVAILABLE else None)
