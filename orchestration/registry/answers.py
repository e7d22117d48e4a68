"""What an answer means: from a status, headers and a body to the outcome of a call.

A service's own word, `{"error": {"code", "message", "retryable"}}` on any 4xx or 5xx, wins over what the status says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from orchestration.domain.documents import parse_json
from orchestration.domain.errors import DocumentInvalid, StepError
from orchestration.domain.limits import LIMITS, MICROSECONDS, Limits

from .calls import CallFailed, Outcome, Reply, failed

ERROR_BODY_BYTES = 64 * 1024
CODE_LENGTH = 100
MESSAGE_LENGTH = 2_000


def outcome_of(status: int, body: bytes, *, retry_after: int | None = None, limits: Limits = LIMITS) -> Outcome:
    """Return what a whole answer means that is a result or an error."""
    if 200 <= status < 300:
        return _result(body, limits)
    if 300 <= status < 400:
        return failed(f"http_{status}", f"the service answered {status}; redirects are not followed", status=status)
    return CallFailed(_error(status, body, limits), retry_after)


def error_of(word: Any, *, code: str, message: str, details: Mapping[str, Any]) -> StepError:
    """Return the error that a service tells as `word`, with `code` and `message` where it says nothing usable."""
    if not isinstance(word, Mapping):
        return StepError(code, message, None, details)
    told, said, retryable, more = (word.get(name) for name in ("code", "message", "retryable", "details"))
    return StepError(
        code=told if isinstance(told, str) and is_code(told) else code,
        message=said[:MESSAGE_LENGTH] if isinstance(said, str) and said else message,
        retryable=retryable if isinstance(retryable, bool) else None,
        details={**(more if isinstance(more, Mapping) else {}), **details},
    )


def is_code(told: str) -> bool:
    """Say whether a service's error code is one: a short printable text without spaces."""
    return 0 < len(told) <= CODE_LENGTH and told.isprintable() and " " not in told


def retry_after_of(header: str | None, *, now: datetime, most: float) -> int | None:
    """Return what `Retry-After` asks for in microseconds, at most `most` seconds; None for nothing or nonsense."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return retry_after_us(float(text[:20]), most=most)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    try:
        return retry_after_us((until - now).total_seconds(), most=most)
    except OverflowError:
        return None


def retry_after_us(seconds: float | None, *, most: float) -> int | None:
    """Return a wait in microseconds, at most `most` seconds; None for one that is none, negative or no number."""
    if seconds is None or math.isnan(seconds) or seconds < 0:
        return None
    return round(min(seconds, most) * MICROSECONDS)


def _result(body: bytes, limits: Limits) -> Outcome:
    if not body.strip():
        return Reply(None)
    try:
        output = parse_json(body, limits=limits)
    except DocumentInvalid as error:
        message, problem = "the answer is not JSON as it should be", error.problems[0]
        return failed("invalid_output", f"{message}: {problem.message}", reason=problem.code, path=problem.path)
    if not isinstance(output, dict):
        return failed("invalid_output", "the answer is not a JSON object")
    return Reply(output)


def _error(status: int, body: bytes, limits: Limits) -> StepError:
    code, message = f"http_{status}", f"the service answered {status}"
    try:
        document = parse_json(body, limits=limits) if body.strip() else None
    except DocumentInvalid:
        document = None
    word = document.get("error") if isinstance(document, dict) else None
    return error_of(word, code=code, message=message, details={"status": status})
