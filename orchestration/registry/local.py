"""Services that live in this process: functions, for tests, demos and local work.

    @service("inventory")
    async def reserve(input, context): ...          # inventory.reserve

A module that says so is named in `PODIUM_PYTHON_SERVICES`; every worker and web process imports it at start. A sync
function runs on the event loop that drives all executions of its worker: keep it short (well under a millisecond of
work, no waiting), or declare it `blocking=True`, and it runs in a thread of its own. A function gets a copy of the
input and its output is copied too, as if both went over a wire: nothing that it keeps or changes later changes an
execution.

A local service shadows a registered one of the same name in the processes that have it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import enum
import inspect
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import connections

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


class Acceptance(enum.Enum):
    """What a function returns that is not a result."""

    ACCEPTED = "accepted"


ACCEPTED = Acceptance.ACCEPTED


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a function may know of the call. `callback` is where the result goes if it returns ACCEPTED."""

    team_id: int
    service: str
    method: str
    attempt: int
    idempotency_key: str
    callback: str | None
    traceparent: str | None


class ServiceError(Exception):
    """A failure as a service tells it. `retry_after` is how long it asks to be left alone, in seconds."""

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        retryable: bool | None = None,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.details = dict(details or {})


class Way(enum.Enum):
    """How a function is run."""

    INLINE = "on the loop"
    AWAITED = "awaited"
    THREAD = "in a thread"


@dataclass(frozen=True, slots=True)
class LocalMethod:
    """A registered function, and how it is run."""

    function: Function
    way: Way
    wants_context: bool


# Replaced, never changed in place, so that a thread that looks sees one state or the other.
_methods: dict[tuple[int | None, str], dict[str, LocalMethod]] = {}
_changing = threading.Lock()


def service(name: str, method: str | None = None, *, blocking: bool = False) -> Callable[[F], F]:
    """Register the decorated function as `method` (default: its own name) of the service `name`, for every team.

    It takes the input (a dict), and the CallContext too if it has a second parameter; it returns a dict, None or
    ACCEPTED, or raises ServiceError.
    """

    def register(function: F) -> F:
        chosen = method or function.__name__
        register_local(team_id=None, name=name, method=chosen, function=function, blocking=blocking)
        return function

    return register


def register_local(*, team_id: int | None, name: str, method: str, function: Function, blocking: bool = False) -> None:
    """Register `function` as a method of the service `name`, for one team or (None) for every team."""
    entry = LocalMethod(function, _way(function, blocking), _wants_context(function))
    with _changing:
        _methods[team_id, name] = {**_methods.get((team_id, name), {}), method: entry}


def unregister_local(*, team_id: int | None, name: str, method: str | None = None) -> None:
    """Forget one method of a local service, or (None) all of it; what is not there is no error."""
    with _changing:
        left = {} if method is None else dict(_methods.get((team_id, name), {}))
        left.pop(method or "", None)
        if left:
            _methods[team_id, name] = left
        else:
            _methods.pop((team_id, name), None)


def is_local(*, team_id: int, name: str) -> bool:
    """Say whether the team can call a service of this name in this process."""
    return (team_id, name) in _methods or (None, name) in _methods


def find_local(team_id: int, name: str, method: str) -> LocalMethod | None:
    """Return the function that the team means: its own, else that of every team."""
    own = _methods.get((team_id, name))
    if own is not None and method in own:
        return own[method]
    everybodys = _methods.get((None, name))
    return everybodys.get(method) if everybodys is not None else None


async def run_in_thread(function: Callable[[], Any], *, slots: asyncio.Semaphore) -> Any:
    """Run `function` in a thread of its own, one of as many as `slots` has, and return what it returns.

    Whoever stops waiting leaves it running, and it keeps its slot until it ends. It is a daemon thread rather than one
    of a pool, because one that never returns must not hold up the end of the process.
    """
    await slots.acquire()
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def tell(result: Any, error: BaseException | None) -> None:
        slots.release()
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            result = context.run(function)
        except BaseException as raised:  # it is raised again where it is awaited
            # A future cannot carry a StopIteration.
            error = RuntimeError("StopIteration") if isinstance(raised, StopIteration) else raised
        finally:
            connections.close_all()
        with contextlib.suppress(RuntimeError):  # the loop is gone, and nobody waits any more
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, name="python-service", daemon=True).start()
    return await future


def _way(function: Function, blocking: bool) -> Way:
    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    if inspect.iscoroutinefunction(called):
        if blocking:
            raise ValueError("an async function is awaited; only a sync one can be declared blocking")
        return Way.AWAITED
    return Way.THREAD if blocking else Way.INLINE


def _wants_context(function: Function) -> bool:
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    takes_all = any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters)
    return takes_all or sum(each.kind in places for each in parameters) > 1
