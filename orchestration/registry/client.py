"""The one way to call a service.

A call goes to a function of this process if there is one of that name (`local.py`), else to a registered instance over
HTTP (`http_calls.py`): the service is found (`discovery.py`), its gate asked (`gates.py`), an instance chosen, the call
made, and the gate told what came of it. It has one deadline for everything: finding the instance, resolving, waiting
for a connection, sending, reading. It always comes back with an Outcome; only its own cancellation raises. Nothing is
tried twice here: retrying is the workflow's business, whether a retry is made now the gate's.

A client belongs to one event loop: make it there, after any fork, and close it there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, connections
from yarl import URL

from orchestration import clock
from orchestration.domain.calling.answers import NOT_HEARD, SUCCESS, Answer, answer_of
from orchestration.domain.calling.gate import NOBODY_WAIT, Go
from orchestration.domain.calling.policy import Tls
from orchestration.domain.errors import StepError
from orchestration.domain.limits import MICROSECONDS
from orchestration.domain.postponement import NO_HEALTHY_INSTANCE

from . import sharing
from .addresses import HTTPS, PYTHON, AddressRefused, OutboundPolicy, parse_target
from .calls import Accepted, CallFailed, Outcome, Postponed, Reply, ServiceCall, failed
from .discovery import Discovery, Endpoint, Key, Known, NothingToCall, Registered, load_service
from .gates import Gates, ServiceGate
from .http_calls import HttpCaller
from .local import find_local, is_local
from .local_calls import LocalCaller
from .timeouts import TeamTimeouts, load_timeouts
from .tls import BY_DEFAULT, Secured, TlsContexts, TlsUnusable

if TYPE_CHECKING:
    from config.podium import PodiumSettings

__all__ = ["Accepted", "CallFailed", "Outcome", "Postponed", "Reply", "ServiceCall", "ServiceClient"]

T = TypeVar("T")
TLS_SECONDS = 10.0
"""How long a context is used before its files are looked at again."""

_TIMED_OUT = answer_of(StepError("timeout"))


class ServiceClient:
    """Calls services for one event loop."""

    def __init__(self, *, podium: PodiumSettings | None = None, discovery: Discovery | None = None) -> None:
        chosen: PodiumSettings = podium or settings.PODIUM
        self._seconds = chosen.service_timeout_seconds
        self._keep_seconds = chosen.discovery_seconds
        self._closed = False
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="registry")
        self._gates = Gates(
            in_thread=self._in_thread,
            line_seconds=chosen.calling_line_seconds,
            longest_line=chosen.calling_line,
            lease_seconds=chosen.calling_lease_seconds,
        )
        self._discovery = discovery or Discovery(
            load=self._load, look=self._look, keep_seconds=chosen.discovery_seconds, locality=chosen.locality
        )
        self._contexts = TlsContexts(chosen.tls_folder)
        self._secured: dict[tuple[str, Tls], tuple[float, Secured]] = {}
        self._timeouts: dict[int, TeamTimeouts] = {}
        self._local = LocalCaller(
            threads=chosen.python_threads,
            answer_bytes=chosen.service_answer_bytes,
            retry_after_max=chosen.retry_after_max_seconds,
            limits=chosen.limits,
        )
        self._http = HttpCaller(
            policy=OutboundPolicy(chosen.outbound_allow),
            connections=chosen.service_connections,
            connect_seconds=chosen.service_connect_seconds,
            answer_bytes=chosen.service_answer_bytes,
            retry_after_max=chosen.retry_after_max_seconds,
            limits=chosen.limits,
        )

    async def call(self, call: ServiceCall) -> Outcome:
        """Make the call and return what came of it.

        A Reply, Accepted, CallFailed with the attempt's error, or Postponed where the service may not be called now.
        """
        seconds = self._seconds if call.timeout is None else call.timeout / MICROSECONDS
        method = find_local(call.team_id, call.service, call.method)
        if method is not None:
            return await self._local.call(call, method, seconds=seconds)
        if is_local(team_id=call.team_id, name=call.service):
            return failed("method_not_found", f"{call.service!r} has no method {call.method!r}")
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(seconds) as deadline:
                return await self._call_registered(call, deadline)
        except TimeoutError:
            until = deadline.when()
            seconds = seconds if until is None else until - started
            return failed("timeout", f"no answer within {round(seconds, 3):g} s")

    async def post(self, url: str, call: ServiceCall) -> Outcome:
        """Post the call's input to `url`, a whole http(s) address, under the same rules as a call of a service.

        Its service, method and balance say nothing. An address that cannot be one, or may not be called, is `denied`.
        """
        seconds = self._seconds if call.timeout is None else call.timeout / MICROSECONDS
        try:
            target = URL(parse_target(url), encoded=True)
        except AddressRefused as refused:
            return failed("denied", refused.problem.message, reason=refused.problem.code)
        try:
            async with asyncio.timeout(seconds):
                return await self._http.post(call, target)
        except TimeoutError:
            return failed("timeout", f"no answer within {seconds:g} s")

    async def timeouts(self, team_id: int) -> Mapping[str, int]:
        """Return the timeouts of the team's services whose policies have one: microseconds by name, kept up to date."""
        kept = self._timeouts.get(team_id)
        if kept is None:
            load = partial(self._in_thread, partial(load_timeouts, team_id))
            kept = self._timeouts[team_id] = TeamTimeouts(load, keep_seconds=self._keep_seconds)
        return await kept.fresh()

    async def close(self) -> None:
        """Close every connection and give back what is held; calls that are still waiting fail."""
        if self._closed:
            return
        self._closed = True
        await self._discovery.close()
        for each in self._timeouts.values():
            await each.close()
        await self._http.close()
        await self._gates.close()
        await asyncio.get_running_loop().run_in_executor(self._reader, connections.close_all)
        self._reader.shutdown(wait=False)

    async def _call_registered(self, call: ServiceCall, deadline: asyncio.Timeout) -> Outcome:
        key = Key(call.team_id, call.service)
        try:
            known = self._discovery.at_hand(key) or await self._discovery.find(key)
        except NothingToCall as nothing:
            if nothing.code == NO_HEALTHY_INSTANCE:
                return Postponed(nothing.code, nothing.message, NOBODY_WAIT)
            return failed(nothing.code, nothing.message)
        allowed = known.registered.policy.callers
        if allowed and call.caller not in allowed:
            message = f"{call.service!r} may be called by {', '.join(allowed)[:500]}, not by {call.caller!r}"
            return failed("denied", message, reason="caller")
        mine = self._gates.at_hand(key, known) or await self._gates.of(key, known)
        if not known.candidates:
            return _nobody(call, mine)
        return await self._call_one(call, mine, deadline)

    async def _call_one(self, call: ServiceCall, mine: ServiceGate, deadline: asyncio.Timeout) -> Outcome:
        seconds = self._bound(call, mine, deadline)
        if mine.gate.is_without:
            mine.gate.somebody(clock.now_us())
        asked_as = 1 if call.after_loss else call.attempt
        decision = self._gates.admit_at_once(mine, asked_as)
        if decision is None:
            decision = await self._gates.admit(mine, asked_as, seconds=seconds)
        if type(decision) is Go and decision.trial:
            decision = await self._gates.begin_trial(mine, decision)
        if isinstance(decision, Postponed):
            return decision
        if not mine.known.candidates:
            # They went while it waited in line.
            self._gates.let_go(mine, decision)
            return _nobody(call, mine)
        gate, endpoint, answer = mine.gate, mine.choose(call.balance, decision.at), NOT_HEARD
        mine.loads[endpoint.id].begun(decision.at)
        try:
            outcome = await self._make(call, mine.known, endpoint)
            answer = _answer(outcome)
            return outcome
        finally:
            # Cancelled by its deadline it failed; cancelled by who asked, it says nothing.
            self._gates.answered(mine, gate, decision, endpoint, _TIMED_OUT if deadline.expired() else answer)

    def _bound(self, call: ServiceCall, mine: ServiceGate, deadline: asyncio.Timeout) -> float:
        """Return how many seconds the call has; the policy's timeout counts where nobody chose one for the step."""
        seconds = self._seconds if call.timeout is None else call.timeout / MICROSECONDS
        own = mine.known.registered.policy.timeout
        if own is not None and (call.timeout is None or (call.default_timeout and own < call.timeout)):
            begun = (deadline.when() or 0.0) - seconds
            seconds = own / MICROSECONDS
            deadline.reschedule(begun + seconds)
        return seconds

    async def _make(self, call: ServiceCall, known: Known, endpoint: Endpoint) -> Outcome:
        if endpoint.protocol == PYTHON:
            message = f"{call.service!r} is registered as {endpoint.url}, which this process has not loaded"
            return Postponed(NO_HEALTHY_INSTANCE, message, NOBODY_WAIT)
        tls = known.registered.policy.tls
        if tls is None:
            return await self._http.call(call, url=endpoint.url)
        if endpoint.protocol != HTTPS:
            return failed("denied", "the service's policy asks for https, the instance is http", reason="tls.plain")
        try:
            secured = await self._secure(known.registered.team, tls)
        except TlsUnusable as unusable:
            return failed("denied", str(unusable), reason="tls.files")
        return await self._http.call(call, url=endpoint.url, tls=secured)

    async def _secure(self, team: str, tls: Tls) -> Secured:
        at, secured = self._secured.get((team, tls), (0.0, BY_DEFAULT))
        now = clock.monotonic()
        if secured is BY_DEFAULT or now - at > TLS_SECONDS:
            context = await asyncio.get_running_loop().run_in_executor(
                self._reader, self._contexts.context_for, team, tls
            )
            secured = Secured(context, tls.server_name)
            self._secured[team, tls] = (now, secured)
        return secured

    async def _load(self, key: Key) -> Registered | None:
        return await self._in_thread(partial(load_service, key))

    async def _look(self, since: int | None) -> sharing.Look:
        seen = await self._in_thread(partial(sharing.look, since, self._gates.services))
        self._gates.hear(seen.stands)
        return seen

    async def _in_thread(self, question: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, _asked, question)


def _nobody(call: ServiceCall, mine: ServiceGate) -> Postponed:
    count = len(mine.known.registered.endpoints)
    message = f"none of the {count} instances of {call.service!r} may be called"
    return mine.gate.nobody(message, clock.now_us())


def _answer(outcome: Outcome) -> Answer:
    if isinstance(outcome, CallFailed):
        return answer_of(outcome.error, outcome.retry_after)
    return NOT_HEARD if isinstance(outcome, Postponed) else SUCCESS


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except (OperationalError, InterfaceError):
        # The connection may have died while it idled; a new one tells.
        connection.close()
        return question()
