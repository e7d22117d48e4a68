"""Gates as they stand when a simulation begins: brought there by the calls that were made of late.

What all processes share (the circuit, a wish to be left alone, the bucket of a rate) is known as it is. What each of
them keeps for itself (the retry budget, the circuit's window) is worked out from the calls that were recorded: the
domain's own budget and window take them in again, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from orchestration.domain.calling.circuit import CLOSED, FIRST, Verdict
from orchestration.domain.calling.gate import Gate
from orchestration.domain.calling.policy import SECOND

LONGEST_HOLD = 3600 * SECOND
"""No hold is believed for longer, as in the engine."""


@dataclass(frozen=True, slots=True)
class RecentCall:
    """A call that was made of late: instants (microseconds), the attempt's number, and whether it says of the service
    that it is not well. `failed` None: it says nothing, or is not over.
    """

    began: int
    ended: int
    number: int
    failed: bool | None


@dataclass(frozen=True, slots=True)
class GateStand:
    """How one service may be called when a simulation begins. Instants are microseconds, 0: long ago."""

    verdict: Verdict = FIRST
    held_until: int = 0
    due_at: int = 0
    calls: Sequence[RecentCall] = ()


def bring_to(gate: Gate, stand: GateStand, now: int) -> None:
    """Bring a gate that is new to where it stands at `now`."""
    for at, is_end, call in _happenings(stand, now):
        if is_end:
            _ended(gate, call, at, stand.verdict.recovered_at)
        elif call.number > 1 and not gate.retries.wait(at):
            gate.retries.take()
    gate.circuit.verdict = FIRST
    gate.circuit.adopt(stand.verdict, now)
    gate.held_until = max(gate.held_until, min(stand.held_until, now + LONGEST_HOLD))
    _spend_tokens(gate, stand.due_at, now)
    _recover(gate, stand, now)


def _happenings(stand: GateStand, now: int) -> list[tuple[int, bool, RecentCall]]:
    begun = [(each.began, False, each) for each in stand.calls if each.began <= now]
    ended = [(each.ended, True, each) for each in stand.calls if each.failed is not None and each.ended <= now]
    return sorted(begun + ended, key=itemgetter(0, 1))


def _ended(gate: Gate, call: RecentCall, at: int, recovered_at: int) -> None:
    if not call.failed:
        gate.retries.wait(at)
        gate.retries.succeeded()
    # A circuit that closed again has forgotten what was before.
    if at > recovered_at:
        gate.circuit.window.add(failed=bool(call.failed), now=at)


def _spend_tokens(gate: Gate, due_at: int, now: int) -> None:
    """Take out of the rate's bucket what is missing of it until `due_at`, when it is full again."""
    rate = gate.policy.rate
    if rate is None or gate.tokens is None or due_at <= now:
        return
    gate.tokens.wait(now)
    for _ in range(min(rate.burst, round((due_at - now) * rate.per_second / SECOND))):
        gate.tokens.take()


def _recover(gate: Gate, stand: GateStand, now: int) -> None:
    """Have calls come back little by little where the circuit closed so lately that they still do."""
    recovered = stand.verdict.recovered_at
    if stand.verdict.state != CLOSED or not recovered or not now - gate.policy.ramp.over < recovered <= now:
        return
    before = [each for each in stand.calls if each.began < recovered]
    length = recovered - min((each.began for each in before), default=recovered)
    gate.ramp.begin(recovered, usual_per_second=len(before) * SECOND / length if length else 0.0)
    gate.ramp.wait(now)
