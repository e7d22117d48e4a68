"""What one process knows of the services that it calls: a gate and the loads of the instances for each.

The gates decide (domain/calling/gate.py); here is what they need of the world: the wall clock, what other processes
found (`sharing`), a line to wait in. Nothing is written for a call that is made and answered well. A circuit that
changes is written down at once, and other processes see it with their next look.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog
from django.db import Error as DatabaseError

from orchestration import clock
from orchestration.domain.balancing import Load, better_of_two, in_turn, least_loaded
from orchestration.domain.calling.answers import NOT_HEARD, Answer
from orchestration.domain.calling.circuit import FIRST, Verdict
from orchestration.domain.calling.gate import FIRST_ATTEMPT, Call, Gate, Go, admit, answered, withdrawn
from orchestration.domain.calling.outliers import is_outlier, leave_out
from orchestration.domain.calling.policy import LEAST_CONNECTIONS, ROUND_ROBIN, SECOND, WEIGHTED
from orchestration.domain.calling.postponed import Postponed
from orchestration.domain.postponement import CONCURRENCY_LIMIT, RATE_LIMIT

from . import reports, sharing
from .discovery import KEPT_SERVICES, Endpoint, Key, Known
from .leases import Lease, Line

log = structlog.get_logger(__name__)

T = TypeVar("T")
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]
WORDS = frozenset({ROUND_ROBIN, LEAST_CONNECTIONS, WEIGHTED})
LIMITS = frozenset({CONCURRENCY_LIMIT, RATE_LIMIT})
TOLD_HOLD = SECOND
LONGEST_HOLD = 3600 * SECOND
"""No hold of another host is believed for longer: its clock may be wrong."""


class ServiceGate:
    """How one service is called by this process: its gate, its instances' loads, and who waits."""

    __slots__ = ("gate", "known", "lease", "line", "loads", "out_until", "turn")

    def __init__(self, known: Known, verdict: Verdict = FIRST) -> None:
        self.turn = 0
        self.out_until = 0
        self.loads: dict[str, Load] = {}
        self.line = Line()
        self.gate = _gate(known, verdict)
        self.lease: Lease | None = None
        self.go_by(known)

    def renew(self, known: Known) -> None:
        """Begin anew with another policy; what is known of the circuit, the instances and calls under way stays."""
        before, self.gate = self.gate, _gate(known, self.gate.circuit.verdict)
        before.places.allowed, before.places.until = self.gate.places.allowed, self.gate.places.until
        self.gate.places = before.places
        self.gate.held_until = before.held_until
        self.lease = None
        self.go_by(known)

    def go_by(self, known: Known) -> None:
        """Go by what was read anew."""
        self.known = known
        before = self.loads
        self.loads = {each.id: before.get(each.id) or Load() for each in known.candidates}

    def choose(self, balance: str | None, now: int) -> Endpoint:
        """Return the instance that is called: the step's word for how, else the policy's. There is one at least."""
        candidates = self.known.candidates
        if now < self.out_until:
            candidates = tuple(each for each in candidates if self.loads[each.id].out_until <= now) or candidates
        self.turn += 1
        how = balance if balance in WORDS else self.known.registered.policy.balance
        if how == ROUND_ROBIN:
            chosen = in_turn(candidates, self.turn - 1)
        elif how == LEAST_CONNECTIONS:
            chosen = least_loaded(candidates, lambda each: self.loads[each.id].under_way, self.turn - 1)
        else:
            chosen = better_of_two(candidates, lambda each: self.loads[each.id].cost(now), random.random())
        assert chosen is not None
        return chosen

    def leave_out(self, load: Load, *, time: int, now: int) -> bool:
        """Leave an instance out for a while; return whether it is, which too many others may forbid."""
        out = sum(each.out_until > now for each in self.loads.values())
        rules = self.known.registered.policy.outliers
        if not leave_out(load, rules, out=out, of=len(self.loads), time=time, now=now):
            return False
        self.out_until = max(self.out_until, load.out_until)
        return True


def _gate(known: Known, verdict: Verdict) -> Gate:
    registered, policy = known.registered, known.registered.policy
    limited = policy.concurrency is not None or policy.rate is not None
    return Gate(policy, shared=limited and bool(registered.id), verdict=verdict)


class Gates:
    """The gates of one event loop. `in_thread` runs what blocks.

    `line_seconds` is how long a call waits in line, `longest_line` how many of one service do, `lease_seconds` how long
    places are held that are not renewed.
    """

    def __init__(self, *, in_thread: InThread, line_seconds: float, longest_line: int, lease_seconds: float) -> None:
        self._in_thread = in_thread
        self._line_seconds = line_seconds
        self._longest_line = longest_line
        self._lease_seconds = lease_seconds
        self._holder = uuid.uuid4().hex
        self._gates: dict[Key, ServiceGate] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Give back what is held."""
        leases = [(each.known.registered.id, each.lease) for each in self._gates.values() if each.lease is not None]
        await asyncio.gather(*(lease.end() for _, lease in leases))
        if leases:
            services = [service for service, _ in leases]
            await self._ask(partial(sharing.give_back, self._holder, services))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def services(self) -> list[int]:
        """Return the row ids of the services that are called."""
        return [each.known.registered.id for each in self._gates.values() if each.known.registered.id]

    def hear(self, stands: Mapping[int, sharing.Stand]) -> None:
        """Take over what other processes found."""
        if not stands:
            return
        now = clock.now_us()
        for each in self._gates.values():
            stand = stands.get(each.known.registered.id)
            if stand is not None:
                each.gate.adopt(stand.verdict, now)
                each.gate.held_until = max(each.gate.held_until, min(stand.held_until, now + LONGEST_HOLD))

    def at_hand(self, key: Key, known: Known) -> ServiceGate | None:
        """Return the service's gate if it goes by `known` already, else None."""
        mine = self._gates.get(key)
        return mine if mine is not None and mine.known is known else None

    async def of(self, key: Key, known: Known) -> ServiceGate:
        """Return the service's gate, as `known` says."""
        registered = known.registered
        mine = self._gates.get(key)
        if mine is None:
            self._make_room()
            stand = await self._ask(partial(sharing.stand_of, registered.id)) if registered.id else None
            mine = self._gates.setdefault(key, ServiceGate(known))
            if stand is not None:
                self.hear({registered.id: stand})
        before = mine.known.registered
        if before.policy != registered.policy or before.id != registered.id:
            if mine.lease is not None:
                self._start(mine.lease.end())
            mine.renew(known)
        elif mine.known is not known:
            mine.go_by(known)
        return mine

    def _make_room(self) -> None:
        if len(self._gates) < KEPT_SERVICES:
            return
        # What is in use stays; of the others the circuits, which matter, are in rows.
        self._gates = {key: each for key, each in self._gates.items() if each.gate.places.taken or each.lease}

    def admit_at_once(self, mine: ServiceGate, attempt: int) -> Go | Postponed | None:
        """Return whether a call may be made now, None where that may have to be waited for (`admit`)."""
        if mine.gate.limited:
            return None
        return admit(mine.gate, FIRST_ATTEMPT if attempt < 2 else Call(attempt), clock.now_us())

    async def admit(self, mine: ServiceGate, attempt: int, *, seconds: float) -> Go | Postponed:
        """Return whether a call may be made now, having waited for a place in line, `seconds` at most."""
        call = FIRST_ATTEMPT if attempt < 2 else Call(attempt)
        return await self._admit_in_line(mine, call, min(seconds / 2, self._line_seconds))

    async def begin_trial(self, mine: ServiceGate, go: Go) -> Go | Postponed:
        """Return whether this process makes the trial that it may make: of all processes that want to, one does."""
        gate, verdict = mine.gate, mine.gate.circuit.verdict
        if not mine.known.registered.id:
            return go
        try:
            stands = await self._ask(partial(sharing.publish, mine.known.registered.id, verdict))
        except asyncio.CancelledError:
            self.let_go(mine, go)
            raise
        return go if stands is None or stands == verdict else withdrawn(gate, go, stands)

    def let_go(self, mine: ServiceGate, go: Go) -> None:
        """Take back that a call may be made: it is not."""
        if answered(mine.gate, go, NOT_HEARD, clock.now_us()):
            self._tell_others(mine, partial(sharing.publish, verdict=mine.gate.circuit.verdict))
        mine.line.call_forward(1)

    def answered(self, mine: ServiceGate, gate: Gate, go: Go, endpoint: Endpoint, answer: Answer) -> None:
        """Take in what came of a call that `gate` admitted and that went to `endpoint`."""
        now = clock.now_us()
        load = mine.loads.get(endpoint.id)
        if load is not None:
            load.ended(failed=answer.failed if answer.heard else None, took=now - go.at, now=now)
            if answer.failed:
                self._failed(mine, load, endpoint, answer, now)
        if answer.throttled and answer.hold is not None and answer.hold >= TOLD_HOLD:
            self._tell_others(mine, partial(sharing.hold, until=now + answer.hold))
        if answered(gate, go, answer, now):
            self._log_circuit(mine)
            self._tell_others(mine, partial(sharing.publish, verdict=gate.circuit.verdict))
        if len(mine.line):
            mine.line.call_forward(1)

    def _failed(self, mine: ServiceGate, load: Load, endpoint: Endpoint, answer: Answer, now: int) -> None:
        rules = mine.known.registered.policy.outliers
        if answer.hold is not None and not answer.throttled:
            # The instance asks to be left alone; where there is no other, the whole service is.
            if not mine.leave_out(load, time=answer.hold, now=now):
                mine.gate.hold(answer.hold, now)
        elif is_outlier(load, rules) and now - load.told_at >= rules.eject_for:
            load.told_at = now
            left_out = mine.leave_out(load, time=rules.eject_for, now=now)
            log.warning("an instance's calls fail", instance=endpoint.id, url=endpoint.url, left_out=left_out)
            self._tell_others(mine, lambda _: reports.probe_at_once([endpoint.id]))

    async def _admit_in_line(self, mine: ServiceGate, call: Call, seconds: float) -> Go | Postponed:
        until = clock.monotonic() + seconds
        gate, waited = mine.gate, False
        while True:
            refused: Postponed | None = None
            # Who comes now does not overtake those that wait.
            if waited or not len(mine.line):
                decision = admit(gate, call, clock.now_us())
                if type(decision) is Go:
                    return decision
                assert isinstance(decision, Postponed)
                refused = decision
                if refused.reason not in LIMITS or clock.now_us() < gate.held_until:
                    return refused
            left = until - clock.monotonic()
            if left > 0 and len(mine.line) < self._longest_line:
                if mine.known.registered.id:
                    self._lease(mine).want()
                if await mine.line.wait(left, at_the_front=waited):
                    waited, gate = True, mine.gate
                    continue
            if refused is None:
                decision = admit(gate, call, clock.now_us())
                return decision
            return refused

    def _lease(self, mine: ServiceGate) -> Lease:
        if mine.lease is None:
            registered, policy = mine.known.registered, mine.gate.policy
            lease = round(self._lease_seconds * SECOND)
            limit = policy.concurrency.limit if policy.concurrency is not None else None

            async def take(asked: sharing.Asked) -> sharing.Granted:
                taking = partial(
                    sharing.take, registered.id, self._holder, asked, limit=limit, rate=policy.rate, lease=lease
                )
                granted: sharing.Granted = await self._in_thread(taking)
                return granted

            mine.lease = Lease(mine.gate, mine.line, take, seconds=self._lease_seconds)
        return mine.lease

    def _tell_others(self, mine: ServiceGate, word: Callable[[int], Any]) -> None:
        """Write something down for other processes; of a service without a row there are none."""
        service = mine.known.registered.id
        if service:
            self._start(self._ask(partial(word, service)))

    async def _ask(self, question: Callable[[], T]) -> T | None:
        try:
            answer: T = await self._in_thread(question)
        except DatabaseError as error:
            # What is shared is a help: without it each process goes by what it finds itself.
            log.warning("what is shared about services cannot be read", error=type(error).__name__)
            return None
        return answer

    def _start(self, telling: Any) -> None:
        task = asyncio.get_running_loop().create_task(telling)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _log_circuit(self, mine: ServiceGate) -> None:
        verdict = mine.gate.circuit.verdict
        log.warning("a circuit changed", service=mine.known.registered.id, state=verdict.state, until=verdict.until)
