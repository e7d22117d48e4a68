"""A shift at work: takes due executions, drives them on one loop, puts them down, and ends.

Three things run side by side on the loop: the journal's writer (journal.py), the look round (below) and the attempts of
the executions (held.py). The look round asks the database what is due and what was told, whenever the doorbell rings,
a commit made room or filled an inbox, and at least once a sweep. A thread renews the lease (heartbeat.py).

True at all times: the shift holds what its row says and not more than `shift_concurrency`; it claims only while it
holds at most half of that, so that several shifts share what is due; a suspect (suspicion.py) is driven by a shift that
holds nothing else. An execution that only waits is put down when it
has waited for `park_after_seconds`, at once if others want its place.

A shift ends when nothing was left to do for `shift_linger_seconds`, when it is stopped, or when its time is up: then at
the first moment without a call under way, and after twenty times its time anyhow. It hands over what it holds: calls
under way get a moment to end, the rest is aborted and started again by the next holder as the same attempts, except
at-most-once ones, which are waited for longer and then end as `outcome_unknown`. A shift that finds itself
fenced (its lease ran out, somebody declared it dead) aborts everything and writes nothing.

A crash at any point leaves rows that are held by a shift without a heartbeat; recovery frees them (store.bury).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson
import structlog
from django.conf import settings

from orchestration.domain.errors import StepError
from orchestration.engine.crash import crash_point
from orchestration.engine.ear import Ear
from orchestration.engine.effects import Effects, Tools
from orchestration.engine.graphs import graph_of
from orchestration.engine.held import Held
from orchestration.engine.journal import UNANSWERED, Journal, Unit
from orchestration.engine.materials import Materials
from orchestration.engine.ports import Ports
from orchestration.engine.real_ports import open_ports
from orchestration.engine.shift_clock import clock_from
from orchestration.engine.store import NO_PROGRESS, ChildRow, Fenced, Look, Store
from orchestration.engine.suspicion import Verdict, deaths_in_a_row, judge
from orchestration.engine.whereabouts import worker_name

log = structlog.get_logger(__name__)

UNTIL_SECONDS = 0.01
PARK_SECONDS = 0.25
GRACE_SECONDS = 0.5
GRACE_ONCE_SECONDS = 10.0
PATIENCE = 20
SLICE_SECONDS = 0.01
UNANSWERED_SECONDS = 0.25
TIMER_SECONDS = 0.005
YIELD_SECONDS = 0.005
CLOSING_PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class ShiftReport:
    """What a shift did: why it ended, how many executions it took, what it wrote; how much was due at its end."""

    reason: str
    taken: int
    entries: int
    batches: int
    due: int = 0


async def run_shift(
    *,
    until: Callable[[], bool] | None = None,
    seconds: float | None = None,
    linger: float | None = None,
    boot: str = "",
    most: int | None = None,
    stop_fd: int | None = None,
    ports: Ports | None = None,
) -> ShiftReport:
    """Run one shift on this loop and return what it did.

    `until` is asked every few milliseconds and ends the shift when it says so (it must not touch the database);
    `seconds` and `linger` default to the settings. `stop_fd` ends it when it becomes readable. Where `most` shifts of
    its `boot` are awake already it only drives the suspects, and ends when there are none. `ports` are its ways out of
    the process, and their store is left open; if not given, they are the real ones.
    """
    own = ports is None
    ports = ports or open_ports(settings.PODIUM)
    podium, store = ports.podium, ports.store
    try:
        shift_id, instant = await store.open_shift(worker=worker_name(), boot=boot, pid=os.getpid())
        neighbours = 0 if most is None else await store.neighbours(shift_id, boot)
        spare = most is not None and neighbours >= most
        now = clock_from(instant, ports.clock)
        drive = Drive(ports, shift_id, now, spare=spare, younger=neighbours > 0, expendable=bool(boot))
        report = await drive.work(
            until=until,
            seconds=podium.shift_seconds if seconds is None else seconds,
            linger=0.0 if spare else podium.shift_linger_seconds if linger is None else linger,
            stop_fd=stop_fd,
        )
        if spare:
            return report
        # After the shift's row says that it ended: whoever put work in until then has counted on it.
        return replace(report, due=await _due(store))
    finally:
        if own:
            await store.close()


async def _due(store: Store) -> int:
    try:
        return (await store.backlog()).due
    except UNANSWERED:
        return 0


class Drive:
    """One shift: what it holds, and the loop round it."""

    def __init__(
        self,
        ports: Ports,
        shift_id: int,
        now: Callable[[], int],
        *,
        spare: bool = False,
        younger: bool = False,
        expendable: bool = False,
    ) -> None:
        store, podium = ports.store, ports.podium
        self.loop = asyncio.get_running_loop()
        self.shift_id = shift_id
        self.stopping = False
        self.held: dict[str, Held] = {}
        self.leaving: dict[str, Held] = {}
        self.idle: dict[str, Held] = {}
        self.now = now
        self._ports = ports
        self._store = store
        self._podium = podium
        self._client = ports.open_client()
        self.effects = Effects(Tools(self._client, store, self._insert_child, graph_of, self.now))
        self._journal = Journal(store, shift_id, podium, spoiled=self._spoiled, now=now)
        self._ear = Ear()
        self._over = asyncio.Event()
        self._reason = ""
        self._materials = Materials(store, podium, ports.defaults, self._client)
        self._unsure = False
        self._suspect: Held | None = None
        self._spare = spare
        self._younger = younger
        self._suspects = False
        self._expendable = expendable
        self._ticks = 0
        self._taken = 0
        self._help: asyncio.Task[None] | None = None
        self._calls_again_at = self._busy_at = self.loop.time()

    # The frame ----------------------------------------------------------------------------------------------------

    async def work(
        self, *, until: Callable[[], bool] | None, seconds: float, linger: float, stop_fd: int | None
    ) -> ShiftReport:
        """Work until something ends the shift; hand over; return what was done."""
        ticks = (lambda: self._ticks) if self._expendable else None
        beat = self._ports.open_heart(self.shift_id, self._lost_from_thread, ticks)
        bell = await self._ports.open_bell(self._ear.rung)
        self._bell = bell
        beat.start()
        tasks = [
            asyncio.create_task(self._guarded(self._journal.run())),
            asyncio.create_task(self._guarded(self._look_round(until, linger))),
            asyncio.create_task(self._guarded(self._watch(until, seconds))),
        ]
        if stop_fd is not None:
            self.loop.add_reader(stop_fd, self.stop, "stopped")
        try:
            await self._over.wait()
            if self._reason != "lost":
                await self._hand_over(tasks[0])
        finally:
            if stop_fd is not None:
                self.loop.remove_reader(stop_fd)
            for each in (*self.held.values(), *self.leaving.values()):
                each.abandon()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, *([self._help] if self._help else []), return_exceptions=True)
            await bell.close()
            await asyncio.to_thread(beat.stop)
            await self._client.close()
        return ShiftReport(self._reason, self._taken, self._journal.entries, self._journal.batches)

    def stop(self, reason: str) -> None:
        """End the shift. Once is enough; the first reason stands."""
        if not self._reason or reason == "lost":
            self._reason = reason
            self._over.set()

    def _lost_from_thread(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.stop, "lost")

    async def _guarded(self, work: Any) -> None:
        try:
            await work
        except Fenced:
            log.error("shift fenced", shift=self.shift_id, held=len(self.held))
            self.stop("lost")
        except Exception:
            log.exception("shift broken", shift=self.shift_id)
            self.stop("lost")

    async def _watch(self, until: Callable[[], bool] | None, seconds: float) -> None:
        """End the shift when `until` says so, or when its time is up and no call is long under way."""
        started = self.loop.time()
        parked = started
        while not self._over.is_set():
            await asyncio.sleep(UNTIL_SECONDS if until is not None else PARK_SECONDS)
            now = self.loop.time()
            self._ticks += 1
            if until is not None and until():
                self.stop("until")
            if now - parked >= PARK_SECONDS:
                parked = now
                self._acquit()
                self._park(now - self._podium.park_after_seconds)
            worked = now - started
            if until is None and worked >= seconds and (worked >= seconds * PATIENCE or not self._calls()):
                self.stop("time")

    # Looking round ------------------------------------------------------------------------------------------------

    async def _look_round(self, until: Callable[[], bool] | None, linger: float) -> None:
        while not self._over.is_set():
            hints = self._ear.begin_to_look()
            try:
                if self._unsure:
                    await self._reconcile()
                alone = not self.held and not self.leaving and not self.stopping
                if alone:
                    self._suspect = None
                # Where something was just started is looked first, if there is nothing else to do.
                first = hints if alone and not self._suspects else ()
                look = await self._store.look(
                    self.shift_id, now=self.now(), room=self._room(), alone=alone, hints=first
                )
                self._suspects = look.suspects
                self._hear(look)
                await self._take(look)
            except UNANSWERED as error:
                log.warning("the database does not answer", error=str(error))
                self._unsure = True
                await asyncio.sleep(UNANSWERED_SECONDS)
                continue
            if look.more and not self._room():
                self._park(self.loop.time())
            elif look.more and look.claimed:
                self._call_for_help()
                continue
            now = self.loop.time()
            if self.held or self.leaving or look.claimed:
                self._busy_at = now
            elif until is None and now - self._busy_at >= linger:
                self.stop("idle")
                return
            seconds = self._podium.sweep_seconds if self.held else min(linger, self._podium.sweep_seconds)
            if look.next_due is not None and not look.more:
                seconds = min(seconds, max((look.next_due - self.now()) / 1_000_000, TIMER_SECONDS))
            await self._ear.listen(seconds)
            if self._younger and not self.held and not self.leaving and not self._over.is_set():
                # A ring wakes all. Where there is little to do, the eldest does it, and nobody gets in its way.
                await asyncio.sleep(YIELD_SECONDS)

    def _call_for_help(self) -> None:
        """Have another shift at work, where there may be one: more is due than this one takes at once."""
        now = self.loop.time()
        if not self._spare and now >= self._calls_again_at:
            self._calls_again_at = now + self._podium.sweep_seconds
            self._help = self.loop.create_task(self._ports.call_for_help())

    def _room(self) -> int:
        most = self._podium.shift_concurrency
        holding = len(self.held) + len(self.leaving)
        if self.stopping or holding > most // 2 or self._suspect is not None or self._spare or self._full():
            return 0
        return int(min(self._podium.claim_batch, most - holding))

    def _full(self) -> bool:
        """Tell whether what it holds already gives the writer or the services more than they get done."""
        return self._journal.behind or sum(len(held.calls) for held in self.held.values()) > self._podium.shift_calls

    async def _reconcile(self) -> None:
        """After a look whose answer was lost or came too late: free what is held unbeknown, read the inboxes again."""
        known = [*self.held, *self.leaving]
        rows = await self._store.reconcile(self.shift_id, known)
        for held in list(self.held.values()):
            held.told(True, [row for row in rows if row.execution_id == held.row.id])
        self._unsure = False

    def _hear(self, look: Look) -> None:
        for execution_id, (admitted, rows) in look.told.items():
            held = self.held.get(execution_id) or self.leaving.get(execution_id)
            if held is not None:
                held.told(admitted, rows)
            else:
                # It was put down while the answer was on its way, and what it was told was read in vain.
                self._unsure = True
                self._ear.rung()

    async def _take(self, look: Look) -> None:
        crash_point("after_claim")
        began = self.loop.time()
        for row in look.claimed:
            try:
                held = Held(self, row, await self._materials.run_of(row))
                held.fold()
                await self._begin(held)
            except UNANSWERED:
                raise
            except Exception as error:
                log.exception("an execution cannot be begun", execution=row.id)
                told = StepError("quarantined", f"{type(error).__name__}: {error}"[:1000])
                await self._store.set_aside(self.shift_id, row.id, orjson.dumps(told.as_json()).decode())
            if self.loop.time() - began > SLICE_SECONDS:
                # Long journals take long to fold; whatever else is due goes first.
                await asyncio.sleep(0)
                began = self.loop.time()

    async def _begin(self, held: Held) -> None:
        """Drive an execution whose journal was folded, unless it is to blame for the death of its holders."""
        row = held.row
        suspected = row.claims > 1
        most = self._podium.claims_without_progress
        if row.entries:
            verdict = judge(held.run, team_id=row.team_id, lost=not row.handed_over, most=most)
            # Suspected as well, it was released: whatever it did before, it is given one more chance.
            if verdict is Verdict.GUILTY and not suspected:
                await self._store.set_aside(self.shift_id, row.id, NO_PROGRESS)
                return
            if verdict is Verdict.SUSPECT and not suspected:
                await self._store.suspect(self.shift_id, row.id, claims=most - 1)
                return
        self.held[row.id] = held
        self._taken += 1
        if suspected:
            self._suspect = held
        held.begin()
        self._acquit()

    def _acquit(self) -> None:
        """Put a suspect down that got further: whoever takes it next drives it among others."""
        held = self._suspect
        if held is not None and not held.leaving and not deaths_in_a_row(held.run, team_id=held.row.team_id):
            held.put_down(wake_at=self.now())

    # What the executions ask for ----------------------------------------------------------------------------------

    def write(self, unit: Unit) -> None:
        """Have a unit written; look round afterwards if it concerns others."""
        if unit.children or unit.messages or unit.poke or (unit.row is not None and unit.row.release):
            then = unit.then
            others = any(message.execution_id not in self.held for message in unit.messages)

            def look_too(unit: Unit) -> None:
                if then is not None:
                    then(unit)
                self._ear.rung()
                if others:
                    self._bell.ring_others()

            unit.then = look_too
        self._journal.put(unit)

    def leave(self, held: Held) -> None:
        """Note that an execution hears nothing more; its last unit is being written."""
        self.held.pop(held.row.id, None)
        self.idle.pop(held.row.id, None)
        self.leaving[held.row.id] = held

    def forget(self, held: Held) -> None:
        """Note that an execution's last unit is committed; make it due again if its inbox was read in vain."""
        if self.leaving.get(held.row.id) is held:
            del self.leaving[held.row.id]
        if held.repoke:
            unit = Unit(held.row.id, held.row.team_id)
            unit.poke = True
            self.write(unit)

    def _spoiled(self, execution_id: str, error: Exception) -> None:
        held = self.held.get(execution_id)
        if held is not None:
            held.spoil(error)
            return
        self.leaving.pop(execution_id, None)

    async def _insert_child(self, child: ChildRow, slug: str) -> None:
        unit = Unit(child.parent_id, child.team_id)
        unit.children = (child,)
        unit.touched = (child.id, (0, child.team_id, slug))
        stands: asyncio.Future[None] = self.loop.create_future()
        unit.then = lambda _: None if stands.done() else stands.set_result(None)
        self.write(unit)
        await stands

    # Putting down -------------------------------------------------------------------------------------------------

    def _park(self, idle_before: float) -> None:
        soonest = self.now() + round(self._podium.park_after_seconds * 1_000_000)
        for execution_id, held in list(self.idle.items()):
            if held.idle_since is None:
                del self.idle[execution_id]
            elif held.idle_since <= idle_before and held.may_park(soonest):
                crash_point("before_park")
                held.put_down(wake_at=held.run.wake_at)

    def _calls(self) -> bool:
        return any(held.calls for held in self.held.values())

    async def _hand_over(self, writer: asyncio.Task[None]) -> None:
        """Put everything down, calls under way first given a moment, and end the shift's row."""
        self.stopping = True
        await self._grace(GRACE_SECONDS, once=False)
        await self._grace(GRACE_ONCE_SECONDS, once=True)
        for held in list(self.held.values()):
            held.give_up_once()
        for held in list(self.held.values()):
            held.abort_calls()
            held.put_down(wake_at=self.now())
        crash_point("before_hand_over")
        drained = asyncio.create_task(self._journal.drain())
        await asyncio.wait({drained, writer}, return_when=asyncio.FIRST_COMPLETED)
        drained.cancel()
        if self._reason != "lost":
            await self._close_row()
            self._bell.ring_others()

    async def _close_row(self) -> None:
        """End the shift's row; where the database does not answer for long, its lease ends it."""
        for pause in CLOSING_PAUSES:
            try:
                await self._store.close_shift(self.shift_id)
                return
            except UNANSWERED as error:
                log.warning("the shift's row could not be ended", shift=self.shift_id, error=str(error))
            await asyncio.sleep(pause)

    async def _grace(self, seconds: float, *, once: bool) -> None:
        """Wait up to `seconds` for calls under way; with `once` only for those that must not be made twice."""
        tasks = {call.task for held in self.held.values() for call in held.calls.values() if call.once or not once}
        if tasks and self._reason != "lost":
            await asyncio.wait(tasks, timeout=seconds)
