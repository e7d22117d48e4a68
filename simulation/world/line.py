"""The line before a gate: calls that meet a rate or a concurrency limit wait a moment before they are put off.

As in the workers' client (registry/gates.py): who comes later does not overtake, a place that comes free calls the
first one forward, and who waited too long (half of the attempt's timeout, or the site's bound) is told when to ask
again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from orchestration.domain.calling.gate import Go
from orchestration.domain.calling.postponed import Postponed
from orchestration.domain.commands import StartAttempt
from orchestration.domain.postponement import CONCURRENCY_LIMIT, RATE_LIMIT

from .clock import Later
from .shell import Execution, Shell

LIMITS = frozenset({CONCURRENCY_LIMIT, RATE_LIMIT})
LONGEST_LINE = 1_000


class Queued:
    """A call in line; `open` until it is made, put off or let go."""

    __slots__ = ("command", "execution", "open", "since")

    def __init__(self, execution: Execution, command: StartAttempt, since: int) -> None:
        self.since = since
        self.execution = execution
        self.command = command
        self.open = True


class Line:
    """The line of one service; `waiting` are the calls in it, by execution and attempt.

    `ask` asks the gate, `begin` makes a call that waited, `put_off` postpones one. `token` says in how many
    microseconds there is a token of the rate; 0: there is one, or no rate.
    """

    def __init__(
        self,
        shell: Shell,
        *,
        bound: int,
        ask: Callable[[StartAttempt], Go | Postponed],
        begin: Callable[[Execution, StartAttempt, Go, int], None],
        put_off: Callable[[Execution, StartAttempt, Postponed], None],
        token: Callable[[], int],
    ) -> None:
        """Make an empty line in which a call waits `bound` microseconds at most."""
        self._shell = shell
        self._bound = bound
        self._ask = ask
        self._begin = begin
        self._put_off = put_off
        self._token = token
        self._queue: deque[Queued] = deque()
        self.waiting: dict[tuple[str, str], Queued] = {}

    def takes(self, refused: Postponed | None) -> bool:
        """Say whether a call that was refused so (None: it was not asked for) may wait."""
        return bool(self._bound) and len(self.waiting) < LONGEST_LINE and (refused is None or refused.reason in LIMITS)

    def wait(self, execution: Execution, command: StartAttempt, refused: Postponed | None) -> None:
        """Have a call wait its turn."""
        queued = Queued(execution, command, self._shell.now)
        self._queue.append(queued)
        self.waiting[execution.id, command.attempt] = queued
        bound = self._bound if command.timeout is None else min(self._bound, command.timeout // 2)
        self._shell.after(bound, self._over, queued)
        if refused is not None:
            self._look_again(refused, bound)

    def let_go(self, execution: Execution, attempt: str) -> bool:
        """Let a call go; return whether it was in line."""
        queued = self.waiting.pop((execution.id, attempt), None)
        if queued is not None:
            queued.open = False
        return queued is not None

    def call_forward(self) -> None:
        """Make the first calls in line, as long as they may be made."""
        while self._queue:
            first = self._queue[0]
            if not first.open:
                self._queue.popleft()
                continue
            decision = self._ask(first.command)
            if not isinstance(decision, Go):
                self._look_again(decision, self._bound)
                return
            self._queue.popleft()
            self.let_go(first.execution, first.command.attempt)
            self._begin(first.execution, first.command, decision, first.since)

    def _look_again(self, refused: Postponed, bound: int) -> None:
        # Places call forward by themselves when they come free; tokens come with time. The gate's own answer is meant
        # for those that are put off, each told a later instant than the last: who stands in line takes the next token.
        if refused.reason != RATE_LIMIT:
            return
        after = self._token() or refused.after
        if after is not None and after <= bound:
            self._shell.after(after, lambda _: self.call_forward())

    def _over(self, happening: Later) -> None:
        queued: Queued = happening._value
        if not queued.open:
            return
        self.let_go(queued.execution, queued.command.attempt)
        decision = self._ask(queued.command)
        if isinstance(decision, Go):
            self._begin(queued.execution, queued.command, decision, queued.since)
        else:
            self._put_off(queued.execution, queued.command, decision)
