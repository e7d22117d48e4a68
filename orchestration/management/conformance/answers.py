"""What the engine's client makes of a scripted service's answer, for the shell that has no client."""

from __future__ import annotations

import orjson

from orchestration.domain.documents import check_value
from orchestration.domain.errors import StepError
from orchestration.domain.facts import Answered, Failed
from orchestration.domain.limits import LIMITS

from .script import Answer


def result_of(attempt: str, answer: Answer) -> Answered | Failed:
    """Return what the engine's client makes of a service's answer."""
    error = answer.error
    if error is not None:
        word = StepError(error.code, error.message, error.retryable, error.details)
        return Failed(attempt, word, retry_after=error.retry_after)
    output = answer.value()
    if output is None:
        return Answered(attempt)
    if not isinstance(output, dict):
        return Failed(attempt, StepError("invalid_output", "the answer is no object"))
    problems = check_value(output)
    if problems:
        return Failed(attempt, StepError("invalid_output", f"{problems[0].path}: {problems[0].message}"))
    if len(orjson.dumps(output)) > LIMITS.payload_bytes:
        return Failed(attempt, _too_large())
    return Answered(attempt, output)


def _too_large() -> StepError:
    return StepError("too_large", f"the answer is longer than {LIMITS.payload_bytes} bytes")
