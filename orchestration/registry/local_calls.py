"""Calling a function of this process as if it were a service: same words, same checks, no wire."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import orjson
import structlog

from orchestration.domain.documents import check_value
from orchestration.domain.errors import StepError
from orchestration.domain.limits import Limits

from .answers import error_of, retry_after_us
from .calls import Accepted, CallFailed, Outcome, Reply, ServiceCall, failed
from .local import ACCEPTED, CallContext, LocalMethod, ServiceError, Way, run_in_thread

log = structlog.get_logger(__name__)

PLAIN = (
    orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
NOTHING = Reply(None)


class LocalCaller:
    """Runs local functions of one event loop; at most `threads` blocking ones at once."""

    def __init__(self, *, threads: int, answer_bytes: int, retry_after_max: float, limits: Limits) -> None:
        self._slots = asyncio.Semaphore(threads)
        self._answer_bytes = answer_bytes
        self._retry_after_max = retry_after_max
        self._limits = limits

    async def call(self, call: ServiceCall, method: LocalMethod, *, seconds: float) -> Outcome:
        """Run the function and return what came of it, in `seconds` at most unless it runs on the loop itself."""
        try:
            if method.way is Way.INLINE:
                output = method.function(*_arguments(call, method))
                if output is None:
                    return NOTHING
                if type(output) is not dict and inspect.isawaitable(output):
                    output = await _in_time(output, seconds)
            elif method.way is Way.AWAITED:
                output = await _in_time(method.function(*_arguments(call, method)), seconds)
            else:
                arguments = _arguments(call, method)
                output = await _in_time(run_in_thread(lambda: method.function(*arguments), slots=self._slots), seconds)
        except _Late:
            return failed("timeout", f"no answer within {seconds:g} s")
        except ServiceError as error:
            return self._told(error)
        except (Exception, SystemExit) as error:  # a service's own fault is its answer, whatever it is
            log.warning("a python service failed", service=call.service, method=call.method, exc_info=error)
            return failed("http_500", f"{type(error).__name__}: {error}"[:2000])
        return self._outcome(output)

    def _outcome(self, output: Any) -> Outcome:
        if output is None:
            return NOTHING
        if output is ACCEPTED:
            return Accepted()
        if not isinstance(output, dict):
            return failed("invalid_output", f"the answer is a {type(output).__name__}, not an object")
        try:
            wire = orjson.dumps(output, option=PLAIN)
        except (TypeError, ValueError, RecursionError) as error:
            return failed("invalid_output", f"the answer cannot be written as JSON: {error}"[:2000])
        if len(wire) > self._answer_bytes:
            return failed("too_large", f"the answer has {len(wire)} bytes", allowed=self._answer_bytes)
        # NaN is written as null, and depth is only worth a walk where there are brackets enough for it.
        brackets = wire.count(b"{") + wire.count(b"[")
        if b"null" in wire or b"\\u0000" in wire or brackets > self._limits.document_depth:
            problems = check_value(output, limits=self._limits)
            if problems:
                return failed("invalid_output", problems[0].message, path=problems[0].path, reason=problems[0].code)
        return Reply(orjson.loads(wire))

    def _told(self, error: ServiceError) -> CallFailed:
        word = {"code": error.code, "message": error.message, "retryable": error.retryable, "details": error.details}
        try:
            word = orjson.loads(orjson.dumps(word))
        except (TypeError, ValueError):
            word["details"] = {}
        told: StepError = error_of(word, code="http_500", message=str(error), details={})
        return CallFailed(told, retry_after_us(error.retry_after, most=self._retry_after_max))


class _Late(Exception):
    """The function's time is over."""


async def _in_time(awaitable: Any, seconds: float) -> Any:
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            return await awaitable
    except TimeoutError:
        # The function may have raised one of its own.
        if scope.expired():
            raise _Late from None
        raise


def _arguments(call: ServiceCall, method: LocalMethod) -> tuple[Any, ...]:
    given = orjson.loads(orjson.dumps(call.input)) if call.input else {}
    if not method.wants_context:
        return (given,)
    context = CallContext(
        team_id=call.team_id,
        service=call.service,
        method=call.method,
        attempt=call.attempt,
        idempotency_key=call.idempotency_key,
        callback=call.callback,
        traceparent=call.traceparent,
    )
    return (given, context)
