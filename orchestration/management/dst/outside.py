"""The outside world: services that remember every call and every effect by its key, and answer as luck has it.

A call arrives, whatever becomes of its caller meanwhile. A service applies the effect of a key once and says the same
again when it is asked again (`do…`, `undo…`), or it does not know keys and applies it anew (`once…`). The reply may be
late or lost after the effect; a call may be lost before it arrives, fail, or be taken on and answered by callback,
early, late or twice. For a while there may be nobody to call at all, and now and then a call may not be made: it is
postponed before anything leaves its process.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from orchestration.domain.errors import StepError
from orchestration.domain.postponement import NO_HEALTHY_INSTANCE, REASONS
from orchestration.registry.calls import (
    Accepted,
    CallFailed,
    Outcome,
    Postponed,
    Reply,
    ServiceCall,
    failed,
)

from .counting import Faults, Trace
from .definitions import SERVICE
from .process import Process
from .swarm import Swarm
from .timetable import MICROSECONDS, Timetable
from .witness import Witness

CODES = ("http_503", "http_503", "connection", "http_400")
SERVICE_SECONDS = 30.0
POLICY_SECONDS = 20
POLICIES: tuple[Mapping[str, int], ...] = ({}, {SERVICE: 3 * MICROSECONDS}, {SERVICE: 60 * MICROSECONDS})
"""The timeouts of services' policies, one after the other for so many seconds each."""


@dataclass(slots=True)
class Memory:
    """What the world remembers of one key."""

    method: str
    calls: int = 0
    applied: int = 0
    output: dict[str, Any] = field(default_factory=dict)


class Outside:
    """All services."""

    def __init__(
        self,
        timetable: Timetable,
        luck: Random,
        swarm: Swarm,
        faults: Faults,
        trace: Trace,
        witness: Witness,
        call_back: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self.swarm = swarm
        self.at_effect: Callable[[Process], None] = lambda process: None
        self.memory: dict[str, Memory] = {}
        self.attempts: Counter[str] = Counter()
        self.away_until = 0
        self._timetable = timetable
        self._luck = luck
        self._faults = faults
        self._trace = trace
        self._witness = witness
        self._call_back = call_back

    @property
    def timeouts(self) -> Mapping[str, int]:
        """Return what the policies say just now; people change them every `POLICY_SECONDS`."""
        return POLICIES[self._timetable.now // (POLICY_SECONDS * MICROSECONDS) % len(POLICIES)]

    def send(self, process: Process, call: ServiceCall, answer: Callable[[Outcome], None]) -> None:
        """Send a call on its way; `answer` is told what came back, if anything does."""
        self._witness.calling(process.shift_id, call)
        luck, swarm = self._luck, self.swarm
        if (postponed := self._turned_away()) is not None:
            self._faults.note("call_postponed")
            self._trace.note(f"{call.method} {_short(call.idempotency_key)} is postponed: {postponed.reason}")
            self._timetable.after(luck.uniform(0, 0.005), lambda: answer(postponed))
            return
        go = luck.uniform(0.001, 0.02)
        if luck.random() < swarm.call_lost:
            self._faults.note("call_lost")
            error = failed("connection", "the call was lost")
            self._timetable.after(go, lambda: answer(error))
            return
        self._timetable.after(go, lambda: self._arrive(process, call, answer))

    def _turned_away(self) -> Postponed | None:
        """Return why a call may not be made just now, if it may not."""
        if self._timetable.now < self.away_until:
            return Postponed(NO_HEALTHY_INSTANCE, "there is nobody")
        luck, swarm = self._luck, self.swarm
        if not swarm.call_postponed or luck.random() >= swarm.call_postponed:
            return None
        after = luck.choice([None, round(luck.uniform(0, 20) * MICROSECONDS)])
        return Postponed(luck.choice(sorted(REASONS)), "so it is drawn", after)

    def _arrive(self, process: Process, call: ServiceCall, answer: Callable[[Outcome], None]) -> None:
        luck, swarm = self._luck, self.swarm
        key = call.idempotency_key
        memory = self.memory.setdefault(key, Memory(call.method))
        memory.calls += 1
        self.attempts[f"{key} {call.traceparent}"] += 1
        self._trace.note(f"outside {call.method} {_short(key)} from {process.name}, call {memory.calls}")
        outcome = self._outcome(call, memory)
        self.at_effect(process)
        seconds = luck.uniform(0.001, luck.choice([0.05, 0.05, 1.0, 4.0]))
        if luck.random() < swarm.reply_late:
            self._faults.note("reply_late")
            seconds += luck.uniform(0, 40)
        if call.callback is not None and luck.random() < 0.8:
            self._take_on(call.callback, outcome, seconds, answer)
        elif luck.random() < swarm.reply_lost:
            self._faults.note("reply_lost")
            if luck.random() < 0.5:
                error = failed("connection", "the reply was lost")
                self._timetable.after(seconds, lambda: answer(error))
        else:
            self._timetable.after(seconds, lambda: answer(outcome))

    def _outcome(self, call: ServiceCall, memory: Memory) -> Outcome:
        knows_keys = not call.method.startswith("once")
        if memory.applied and knows_keys:
            return Reply(memory.output)
        if self._luck.random() < self.swarm.call_fails:
            retry_after = round(self._luck.uniform(0, 3) * MICROSECONDS) if self._luck.random() < 0.2 else None
            return CallFailed(StepError(self._luck.choice(CODES), "so it says"), retry_after)
        memory.applied += 1
        memory.output = {"key": call.idempotency_key, "number": memory.applied}
        return Reply(memory.output)

    def _take_on(self, url: str, outcome: Outcome, seconds: float, answer: Callable[[Outcome], None]) -> None:
        luck = self._luck
        # The result may overtake the word that the call was taken on.
        self._timetable.after(luck.choice([0.001, luck.uniform(0, seconds)]), lambda: answer(Accepted()))
        result: dict[str, Any]
        if isinstance(outcome, CallFailed):
            result = {"error": {"code": outcome.error.code, "message": outcome.error.message}}
        else:
            assert isinstance(outcome, Reply)
            result = {"output": outcome.output}
        self._timetable.after(seconds, lambda: self._call_back(url, result))
        if luck.random() < self.swarm.callback_doubled:
            self._faults.note("callback_doubled")
            self._timetable.after(
                seconds + luck.choice([0.0, luck.uniform(0, 5)]), lambda: self._call_back(url, result)
            )


class Caller:
    """One process's client: what its shift calls services with."""

    def __init__(self, process: Process, outside: Outside) -> None:
        self._process = process
        self._outside = outside

    async def call(self, call: ServiceCall) -> Outcome:
        """Make the call and return what came of it."""
        if call.service == "notify":
            return failed("service_not_found", "nobody registered it")
        process = self._process
        if process.dissolving:
            raise asyncio.CancelledError
        future: asyncio.Future[Outcome] = process.loop.create_future()

        def answer(outcome: Outcome) -> None:
            process.loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(outcome))

        self._outside.send(process, call, answer)
        try:
            async with asyncio.timeout(SERVICE_SECONDS if call.timeout is None else call.timeout / MICROSECONDS):
                return await future
        except TimeoutError:
            return failed("timeout", "no answer")

    async def post(self, url: str, call: ServiceCall) -> Outcome:
        """Post to an address: there is nobody."""
        return failed("connection", "there is nobody")

    async def timeouts(self, team_id: int) -> Mapping[str, int]:
        """Return the timeouts of policies: they change as time goes, and what was begun under one goes on under it."""
        return self._outside.timeouts

    async def close(self) -> None:
        """Close every connection: there are none."""


def _short(key: str) -> str:
    execution, _, path = key.partition("/")
    return f"{execution[-4:]}/{path}"
