"""The real-time shell: the engine itself, driven in this process over a scratch database.

One shift runs on one event loop, and several scenarios at once beside it, each in a team of its own: its definitions
are saved, its services registered as python functions, its execution started, its actions done at their times, all
through the engine's own doors. Whatever touches the database runs in a thread; what happened is read from the journal
once every execution of the team has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import uvloop
from django.conf import settings

from orchestration import clock
from orchestration.domain.errors import DocumentInvalid, InputInvalid, NotFound, Refused
from orchestration.domain.facts import Cancel
from orchestration.domain.lifecycle import EXECUTION
from orchestration.engine import operations, queries
from orchestration.engine.driver import run_shift
from orchestration.teams.operations import create_team

from .expectations import REAL_TIME
from .house import House, Metronome
from .record import Entry, ExecutionRecord, Record, StepRecord
from .runner import Result, judge, load
from .scenario import Publish, Scenario, TimedAction, read_scenario, reason_of
from .scratch import scratch_database
from .stage import Stage
from .turnstile import ports_with_turnstile

LONGEST = 30.0
"""Seconds after its last action at which a scenario is given up."""

POLL = 0.03
SHORT_POLL = 0.003
ACTION_SECONDS = 10.0
PAGE = 500
AWAKE_SECONDS = 10.0
LOOK_SECONDS = 1.0
REST_SECONDS = 0.08
SWITCH_SECONDS = 0.0005

MOST_ATTEMPTS = 4
"""A scenario bears that things come 20 ms late; on a busy machine they come later, so a failure must be repeatable."""

WARM_UP = read_scenario(
    {
        "scenario": "warm-up",
        "definition": {
            "id": "warm-up",
            "config": {"failure_policy": "continue"},
            "steps": [
                {"id": "one", "type": "service", "service_name": "s", "method": "one", "input": {"n": "${1 + 1}"}},
                {"id": "two", "type": "service", "service_name": "nobody", "method": "one"},
                {"id": "three", "type": "subflow", "workflow": "warm-up-child"},
                {"id": "four", "type": "wait", "signal": "go"},
            ],
        },
        "children": [{"id": "warm-up-child", "steps": [{"id": "one", "type": "delay", "duration": "1ms"}]}],
        "actions": [{"at": "20ms", "do": "signal", "name": "go"}],
        "services": {"s.one": [{"after": "1ms"}]},
        "expect": {},
    }
)
"""What is played first, so that everything is loaded when it counts."""


class Stuck(Exception):
    """A scenario that does not come to its end."""


def run_engine(paths: Iterable[Path], *, at_once: int) -> Iterator[Result]:
    """Play the scenarios over the engine in real time, `at_once` of them at a time.

    One that fails is played again by itself, `MOST_ATTEMPTS` times in all.
    """
    found = list(load(paths))
    for_real = [each for each in found if isinstance(each, Scenario) and not each.virtual_only]
    results: dict[int, Result] = {}
    if for_real:
        with scratch_database(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(Season(at_once).play(for_real))
    for each in found:
        if isinstance(each, Result):
            yield each
        else:
            yield results.get(id(each)) or Result(each.name, None, "virtual only")


class Season:
    """All scenarios of one run, with one shift that drives their executions."""

    def __init__(self, at_once: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._house = House(threads=at_once + 4)
        self._metronome = Metronome()
        self._numbers = itertools.count(1)
        self._stages: dict[int, Stage] = {}
        self._done = False

    async def play(self, scenarios: list[Scenario]) -> dict[int, Result]:
        """Play them all; return the results by the scenarios' identity."""
        gc.collect()
        gc.freeze()
        # The loop plays; the threads that read and write beside it must not keep it waiting for their turn's end.
        switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        ports = ports_with_turnstile(settings.PODIUM, self._stages)
        shift = asyncio.create_task(run_shift(until=lambda: self._done, ports=ports))
        metronome = asyncio.create_task(self._metronome.beat())
        try:
            async with self._house.open():
                await self._await_shift(shift)
                await self._attempt(WARM_UP)
                attempts = await asyncio.gather(*(self._in_turn(scenario) for scenario in scenarios))
                results = {}
                for scenario, (result, late) in zip(scenarios, attempts, strict=True):
                    results[id(scenario)] = result if result.passed else await self._again(scenario, result, late)
                if shift.done():
                    shift.result()
                return results
        finally:
            self._done = True
            metronome.cancel()
            await asyncio.gather(shift, metronome, return_exceptions=True)
            await ports.store.close()
            sys.setswitchinterval(switch_interval)
            gc.unfreeze()

    async def _await_shift(self, shift: asyncio.Task[Any]) -> None:
        until = clock.monotonic() + AWAKE_SECONDS
        while not await self._house.ask(queries.newest_shift):
            if shift.done():
                shift.result()
                raise Stuck("the shift ended at once")
            if clock.monotonic() > until:
                raise Stuck(f"no shift was awake after {AWAKE_SECONDS:g} s")
            await asyncio.sleep(POLL)

    async def _in_turn(self, scenario: Scenario) -> tuple[Result, float]:
        async with self._places:
            return await self._attempt(scenario)

    async def _attempt(self, scenario: Scenario) -> tuple[Result, float]:
        """Play a scenario once; return the result and how late the machine was meanwhile, in seconds."""
        began = asyncio.get_running_loop().time()
        try:
            record = await Play(self._house, next(self._numbers), scenario, self._stages).play()
        except Exception as error:
            record = Record(trouble=f"it broke: {type(error).__name__}: {error}")
        return judge(scenario, record, REAL_TIME), self._metronome.latest_since(began)

    async def _again(self, scenario: Scenario, result: Result, late: float) -> Result:
        """Play a scenario that failed again, by itself; one that passes then says what went wrong before."""
        first = f"{result.reason} (the machine was {late * 1000:.0f} ms late)"
        for attempt in range(2, MOST_ATTEMPTS + 1):
            result, late = await self._attempt(scenario)
            if result.passed:
                return Result(result.scenario, True, f"at attempt {attempt}; at first: {first}")
        return Result(result.scenario, False, f"{result.reason} (the machine was {late * 1000:.0f} ms late)")


@dataclass(slots=True)
class Play:
    """One scenario being played, in the team number `number`."""

    house: House
    number: int
    scenario: Scenario
    stages: dict[int, Stage]

    async def play(self) -> Record:
        """Play the scenario to its end and return what came of it."""
        ask, scenario = self.house.ask, self.scenario
        team_id = (await ask(create_team, slug=f"scenario-{self.number}")).id
        record = Record()
        try:
            saved = await ask(
                operations.save_definition, team_id=team_id, document=scenario.definition, by="conformance"
            )
        except DocumentInvalid as error:
            record.invalid = tuple(problem.path for problem in error.problems)
            return record
        trouble = await ask(self._furnish, team_id, {saved.workflow})
        if trouble is not None:
            return Record(trouble=trouble)
        stage = Stage(scenario, team_id=team_id, post=self._post)
        stage.open()
        self.stages[team_id] = stage
        try:
            await self._perform(record, team_id, saved.workflow)
        except InputInvalid as error:
            record.invalid_input = tuple(problem.path for problem in error.problems)
        except Stuck as error:
            record.trouble = str(error)
        finally:
            stage.close()
            del self.stages[team_id]
        record.calls, record.max_in_flight = stage.calls, stage.most_in_flight
        record.trouble = record.trouble or stage.trouble
        return record

    def _furnish(self, team_id: int, known: set[str]) -> str | None:
        """Save the children and the secrets; return what is wrong with them, if anything is."""
        for place, document in enumerate(self.scenario.children):
            try:
                child = operations.save_definition(team_id=team_id, document=document, by="conformance")
            except DocumentInvalid as error:
                return f"children[{place}] is no definition: {reason_of(error)}"
            if child.workflow in known:
                return f"children[{place}]: there are two definitions {child.workflow}"
            known.add(child.workflow)
        for name, value in self.scenario.secrets.items():
            if not isinstance(value, str):
                return f"secrets.{name}: the engine keeps texts only"
            operations.set_secret(team_id=team_id, name=name, value=value)
        return None

    async def _perform(self, record: Record, team_id: int, workflow: str) -> None:
        ask, loop = self.house.ask, asyncio.get_running_loop()
        started = await ask(
            operations.start_execution, team_id=team_id, workflow=workflow, input=self.scenario.input, by="conformance"
        )
        execution_id = started.execution_id
        actions: list[asyncio.Task[None]] = []
        try:
            if self.scenario.actions:
                began = await ask(_await_start, team_id, execution_id)
                actions = [
                    asyncio.create_task(self._act(record, team_id, execution_id, position, began))
                    for position in range(len(self.scenario.actions))
                ]
                await asyncio.gather(*actions)
            await self._await_all_ended(team_id, loop.time() + LONGEST)
        except Stuck:
            await self._clear(team_id)
            raise
        finally:
            for task in actions:
                task.cancel()
            executions = await ask(_executions, team_id)
            records = {each.id: await ask(_record_of, team_id, each) for each in executions}
            record.first = records.pop(execution_id)
            record.children = list(records.values())

    async def _act(self, record: Record, team_id: int, execution_id: str, position: int, began: int) -> None:
        timed = self.scenario.actions[position]
        await asyncio.sleep(max(0, began + timed.at - clock.now_us()) / 1_000_000)
        if await self.house.ask(_do, team_id, execution_id, position, timed):
            record.refused.add(position)

    async def _await_all_ended(self, team_id: int, until: float) -> None:
        bell = self.house.bell(team_id)
        while True:
            bell.clear()
            standing = await self.house.ask(_standing, team_id)
            if not standing:
                return
            if asyncio.get_running_loop().time() > until:
                waits = await self.house.ask(_waits, team_id, standing)
                raise Stuck(f"it has not ended {LONGEST:g} s after the last action; {waits}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(bell.wait(), LOOK_SECONDS)
            # More will ring in a moment; asking takes time from what is being played.
            await asyncio.sleep(REST_SECONDS)

    async def _clear(self, team_id: int) -> None:
        """Cancel what does not end, so that the others have the engine for themselves."""
        for execution_id in await self.house.ask(_standing, team_id):
            try:
                await self.house.ask(operations.act, team_id=team_id, execution_id=execution_id, fact=Cancel())
            except (Refused, NotFound):
                continue

    async def _post(self, url: str, result: dict[str, Any]) -> None:
        token = url.rstrip("/").rpartition("/")[2]
        await self.house.ask(operations.post_callback, token=token, result=result)


# What is asked of the engine, in threads ------------------------------------------------------------------------------


def _await_start(team_id: int, execution_id: str) -> int:
    """Return the instant at which the execution started: from then on the scenario's clock runs."""
    pause, until = threading.Event(), clock.monotonic() + LONGEST
    while clock.monotonic() < until:
        entries = queries.list_events(team_id=team_id, execution_id=execution_id, limit=1)
        if entries:
            return clock.to_us(entries[0].at)
        pause.wait(SHORT_POLL)
    raise Stuck(f"it has not started after {LONGEST:g} s")


def _do(team_id: int, execution_id: str, position: int, timed: TimedAction) -> bool:
    """Do one action; return whether it was refused."""
    action = timed.action
    if isinstance(action, Publish):
        event_id = f"event-{position}"
        operations.publish_event(team_id=team_id, topic=action.topic, payload=action.payload, event_id=event_id)
        return False
    try:
        result = operations.act(team_id=team_id, execution_id=execution_id, fact=action, timeout=ACTION_SECONDS)
    except Refused:
        return True
    if not result.done:
        raise Stuck(f"action {position} was not taken up within {ACTION_SECONDS:g} s")
    return False


def _executions(team_id: int) -> list[queries.ExecutionSummary]:
    """Return the team's executions in order of start; what never started comes last."""
    found: list[queries.ExecutionSummary] = []
    cursor = None
    while True:
        page = queries.list_executions(team_id=team_id, cursor=cursor, limit=PAGE)
        found.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    return sorted(
        found, key=lambda each: (each.started_at is None, each.started_at or each.created_at, each.created_at)
    )


def _standing(team_id: int) -> list[str]:
    """Return the executions that have not ended."""
    alive = [status for status in EXECUTION.table if status not in EXECUTION.last]
    page = queries.list_executions(team_id=team_id, status=alive, limit=PAGE)
    return [each.id for each in page.items]


def _waits(team_id: int, standing: list[str]) -> str:
    reasons = []
    for execution_id in standing[:3]:
        detail = queries.get_execution(team_id=team_id, execution_id=execution_id, steps_limit=1)
        waits = [f"{wait.kind} {wait.step} {wait.detail}".strip() for wait in detail.waiting_for[:5]] or ["nothing"]
        reasons.append(f"{detail.summary.workflow} is {detail.summary.status}, waiting for {', '.join(waits)}")
    return "; ".join(reasons)


def _record_of(team_id: int, summary: queries.ExecutionSummary) -> ExecutionRecord:
    detail = queries.get_execution(team_id=team_id, execution_id=summary.id)
    summary = detail.summary
    return ExecutionRecord(
        workflow=summary.workflow,
        status=summary.status,
        error=_code(summary.error),
        output=detail.output,
        started_at=_instant(summary.started_at),
        ended_at=_instant(summary.ended_at),
        steps={
            step.path: StepRecord(step.status, step.attempts, step.output, _code(step.error)) for step in detail.steps
        },
        journal=tuple(_journal(team_id, summary.id)),
    )


def _journal(team_id: int, execution_id: str) -> Iterator[Entry]:
    after = 0
    while True:
        entries = queries.list_events(team_id=team_id, execution_id=execution_id, after=after, limit=PAGE)
        for entry in entries:
            yield Entry(entry.type, entry.step, clock.to_us(entry.at))
        if len(entries) < PAGE:
            return
        after = entries[-1].seq


def _instant(moment: datetime | None) -> int | None:
    return None if moment is None else clock.to_us(moment)


def _code(error: dict[str, Any] | None) -> str | None:
    return None if error is None else str(error["code"])
