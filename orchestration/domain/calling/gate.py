"""The one question before every call of a service, and what every answer does to it.

A `Gate` is all that one process knows of how one service may be called: its circuit, a wish for fewer calls, the ramp
after a recovery, the retry budget, the rate, the concurrency limit. `admit` asks them in this order and spends nothing
unless all agree; `answered` takes in what came of it. Both are O(1), and whoever keeps time calls them: the client with
the wall clock, the simulator with its own. For each `Go` there is exactly one `answered`, whatever became of the call.

Calls that are postponed are told different instants at which to ask again (`_Pace`), in the order in which they came
and no faster than the service could take them: ten thousand that wait for one service do not ask together.

What several processes share comes in from outside: a circuit's verdict (`Circuit.adopt`), granted tokens, a number of
places. A gate by itself, as in the simulator, is the only caller there is.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..postponement import (
    CIRCUIT_OPEN,
    CONCURRENCY_LIMIT,
    NO_HEALTHY_INSTANCE,
    RATE_LIMIT,
    RECOVERING,
    RETRY_BUDGET,
)
from .answers import Answer
from .buckets import GrantedTokens, Places, Retries, TokenBucket
from .circuit import CLOSED, FIRST, SOONEST, Circuit, Verdict
from .policy import SECOND, Rate, ServicePolicy
from .postponed import Postponed
from .ramp import SlowStart

LEAST_COMING_BACK = 100.0
"""Calls a second that ask again while they wait for a service to be well; as many as are usual, where that is more."""

LONGEST_WAIT = 600 * SECOND
NOBODY_WAIT = SECOND
SHORTEST_WAIT = SECOND // 20
_WEIGHT = 0.1
_OPEN = "the service failed too often; it is left alone for a while"


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of a gate: leave for the `attempt`-th attempt of something (from 1)."""

    attempt: int = 1


FIRST_ATTEMPT = Call()


@dataclass(slots=True)
class Go:
    """The call may be made, from the instant `at`; on a `trial` the circuit hangs. Not frozen: it is made so often."""

    at: int
    trial: bool = False


class _Pace:
    """Instants at which those who were sent away come back, one after the other."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0

    def after(self, wait: int, between: int, now: int) -> int:
        """Return in how many microseconds to come back: after `wait`, and `between` after the one before."""
        due = max(now + wait, self._next)
        if due - now >= LONGEST_WAIT:
            # Who cannot be told a time within reason takes one from the beginning of the row.
            due = now + wait
        self._next = due + between
        return max(SHORTEST_WAIT, min(due - now, LONGEST_WAIT))


class Gate:
    """The state of one service's gate in one process. `shared`: its tokens and places are handed out from outside."""

    __slots__ = (
        "_paces", "_usual", "circuit", "held_until", "is_without", "limited", "mean", "places", "policy", "ramp",
        "retries", "tokens",
    )  # fmt: skip

    def __init__(self, policy: ServicePolicy, *, shared: bool = False, verdict: Verdict = FIRST) -> None:
        self.policy = policy
        self.circuit = Circuit(policy.breaker, verdict)
        self.retries = Retries(policy.retry_budget)
        self.ramp = SlowStart(policy.ramp)
        self.tokens = _tokens(policy.rate, shared=shared)
        limit = policy.concurrency.limit if policy.concurrency is not None else None
        self.places = Places(0 if shared and limit is not None else limit)
        self.limited = self.tokens is not None or limit is not None
        self.held_until = 0
        self.mean = 0.0
        self._usual = 0.0
        self.is_without = False
        self._paces: dict[str, _Pace] = {}

    @property
    def between(self) -> int:
        """Return how far apart calls ask again that wait for the service to be well (microseconds)."""
        return round(SECOND / max(LEAST_COMING_BACK, self._usual))

    def postpone(self, reason: str, message: str, *, wait: int, between: int, now: int) -> Postponed:
        """Return that a call has to wait, until an instant of its own."""
        pace = self._paces.get(reason)
        if pace is None:
            pace = self._paces[reason] = _Pace()
        return Postponed(reason, message, pace.after(wait, between, now))

    def nobody(self, message: str, now: int) -> Postponed:
        """Return that there is no instance to call; when there is one again, its load comes back by the ramp."""
        if not self.is_without:
            self.is_without = True
            self._remember_usual(now)
        return self.postpone(NO_HEALTHY_INSTANCE, message, wait=NOBODY_WAIT, between=self.between, now=now)

    def hold(self, time: int, now: int) -> None:
        """Call nothing for `time` microseconds: the service asks for it."""
        self.held_until = max(self.held_until, now + time)

    def somebody(self, now: int) -> None:
        """Note that there is an instance to call."""
        if self.is_without:
            self.is_without = False
            self.ramp.begin(now, usual_per_second=self._usual)

    def adopt(self, verdict: Verdict, now: int) -> bool:
        """Take over what another process found of the circuit; return whether that is news."""
        before = self.circuit.verdict
        if verdict.number <= before.number:
            return False
        self._remember_usual(now)
        self.circuit.adopt(verdict, now)
        self._ramp_after(before, now)
        return True

    def changed(self, before: Verdict, now: int) -> bool:
        """Note what follows from a circuit that was `before`; return whether it changed."""
        verdict = self.circuit.verdict
        if verdict.number == before.number:
            return False
        if before.state == CLOSED:
            self._remember_usual(now)
        self._ramp_after(before, now)
        return True

    def _ramp_after(self, before: Verdict, now: int) -> None:
        if before.state != CLOSED and self.circuit.verdict.state == CLOSED:
            self.ramp.begin(now, usual_per_second=self._usual)

    def _remember_usual(self, now: int) -> None:
        window = self.circuit.window
        window.advance(now)
        # During a ramp less is called than usual.
        if window.calls and not self.ramp.active:
            self._usual = window.calls * SECOND / self.policy.breaker.window


def admit(gate: Gate, call: Call, now: int) -> Go | Postponed:
    """Return whether the call may begin at `now`, or why it must wait. A `Go` has taken its place and its tokens."""
    closed = gate.circuit.verdict.state == CLOSED
    if not closed or gate.ramp.active or now < gate.held_until:
        refusal = _health_refusal(gate, now)
        if refusal is not None:
            return refusal
    if call.attempt > 1 or gate.limited:
        refusal = _limit_refusal(gate, call, now)
        if refusal is not None:
            return refusal
    if call.attempt > 1:
        gate.retries.take()
    if gate.tokens is not None:
        gate.tokens.take()
    gate.places.taken += 1
    if closed:
        if gate.ramp.active:
            gate.ramp.take()
        return Go(now)
    return Go(now, trial=gate.circuit.begin(now))


def answered(gate: Gate, go: Go, answer: Answer, now: int) -> bool:
    """Take in what came of a call that was admitted; return whether the circuit changed by it."""
    gate.places.taken -= 1
    if not answer.heard:
        if go.trial:
            gate.circuit.abandon_trial()
        return go.trial
    if answer.failed:
        gate.ramp.failed()
    else:
        gate.retries.succeeded()
        gate.mean += _WEIGHT * (now - go.at - gate.mean) if gate.mean else now - go.at
    if answer.throttled and answer.hold:
        gate.hold(answer.hold, now)
    before = gate.circuit.verdict
    changed = gate.circuit.answered(failed=answer.failed, trial=go.trial, now=now)
    return changed and gate.changed(before, now)


def withdrawn(gate: Gate, go: Go, verdict: Verdict) -> Postponed:
    """Take back a trial that another process makes, whose `verdict` stands; return when to ask again."""
    gate.places.taken -= 1
    if not gate.adopt(verdict, go.at):
        # It has the number of this one's own, and came first.
        gate.circuit.verdict = FIRST
        gate.circuit.adopt(verdict, go.at)
    wait = max(SOONEST, gate.circuit.wait(go.at))
    return gate.postpone(CIRCUIT_OPEN, _OPEN, wait=wait, between=gate.between, now=go.at)


def _health_refusal(gate: Gate, now: int) -> Postponed | None:
    wait = gate.circuit.wait(now)
    if wait:
        return gate.postpone(CIRCUIT_OPEN, _OPEN, wait=wait, between=gate.between, now=now)
    if now < gate.held_until:
        said = "the service asked to be left alone for a while"
        return gate.postpone(RATE_LIMIT, said, wait=gate.held_until - now, between=gate.between, now=now)
    wait = gate.ramp.wait(now)
    if wait:
        said = "the service has just recovered; its calls come back little by little"
        return gate.postpone(RECOVERING, said, wait=wait, between=gate.ramp.between, now=now)
    return None


def _limit_refusal(gate: Gate, call: Call, now: int) -> Postponed | None:
    if call.attempt > 1:
        wait = gate.retries.wait(now)
        if wait:
            said = "too many calls of the service are retries already"
            between = round(SECOND / max(1.0, gate.policy.retry_budget.minimum_per_second))
            return gate.postpone(RETRY_BUDGET, said, wait=wait, between=between, now=now)
    tokens = gate.tokens
    if tokens is not None:
        wait = tokens.wait(now)
        if wait:
            rate = gate.policy.rate
            said = f"the service is called at most {rate.per_second:g} times a second" if rate else ""
            between = round(SECOND / rate.per_second) if rate else gate.between
            return gate.postpone(RATE_LIMIT, said, wait=wait, between=between, now=now)
    if not gate.places.is_free(now):
        limit = gate.policy.concurrency.limit if gate.policy.concurrency is not None else 1
        said = f"the service is called at most {limit} times at once"
        mean = round(gate.mean) or SECOND // 10
        return gate.postpone(CONCURRENCY_LIMIT, said, wait=mean, between=max(1, mean // limit), now=now)
    return None


def _tokens(rate: Rate | None, *, shared: bool) -> TokenBucket | GrantedTokens | None:
    if rate is None:
        return None
    return GrantedTokens(rate) if shared else TokenBucket(rate)
