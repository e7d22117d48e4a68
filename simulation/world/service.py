"""A simulated service: the domain's gate and balancing before it, stations behind.

The order of a call: the gate admits or postpones it; an instance is chosen by the policy's word; it is served, or waits
in that instance's line; what came of it is told to the gate and the instance's load, then to the execution. A call that
the run gave up (its timeout) is told to the gate as failed at that instant, while the server works on: it cannot know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from orchestration.domain import facts
from orchestration.domain.balancing import better_of_two, in_turn, least_loaded, usable
from orchestration.domain.calling.answers import NOT_HEARD, SUCCESS, Answer, answer_of
from orchestration.domain.calling.gate import Call, Gate, Go, admit, answered
from orchestration.domain.calling.outliers import is_outlier, leave_out
from orchestration.domain.calling.policy import LEAST_CONNECTIONS, ROUND_ROBIN, WEIGHTED, ServicePolicy
from orchestration.domain.calling.postponed import Postponed
from orchestration.domain.commands import StartAttempt
from orchestration.domain.errors import StepError
from orchestration.domain.facts import Answered, Failed
from orchestration.domain.ids import path_of_attempt
from orchestration.domain.lifecycle import DRAINING
from orchestration.domain.limits import MICROSECONDS
from simulation.streams import Streams

from .attempts import AttemptDraws, remaining
from .clock import Later
from .host import Host
from .line import Line
from .models import Failures, ServiceModel, details_of
from .places import place_of
from .shell import Execution, Shell
from .station import Station, Work

COMPENSATION = "compensation"
COMPENSATE = "compensate"
_WORDS = frozenset({ROUND_ROBIN, LEAST_CONNECTIONS, WEIGHTED})
_TIMED_OUT = answer_of(StepError("timeout"))
_FULL = StepError("http_503", "the instance has no room", details={"status": 503})
_DOWN = StepError("connection", "the instance does not answer")
_CALLS = tuple(Call(number) for number in range(64))


class Service:
    """A service in a world. `slow` is by how much its calls take longer just now."""

    def __init__(self, model: ServiceModel, shell: Shell, streams: Streams, *, placed: bool = False) -> None:
        """Make a service with all its instances, or, `placed`, with none: they are added as they are placed."""
        self.model = model
        self.slow = 1.0
        self.attempts = self.refused = self.timed_out = self.failed = 0
        self.postponed: dict[str, int] = {}
        self.gate = None if model.policy is None else Gate(model.policy)
        self.version = 0
        self.retired: list[Station] = []
        self.stations: list[Station] = []
        self._shell = shell
        self._usable: tuple[Station, ...] = ()
        # Where calls go that no policy holds back while there is no instance at all.
        self._nowhere = Station("nowhere", 0, shell.now)
        self._nowhere.down = True
        # The clock is read several times a call: one attribute of SimPy's rather than two properties.
        self._now: Callable[[], int] = partial(getattr, shell.env, "_now")
        self._line = Line(
            shell,
            bound=round(model.line * MICROSECONDS),
            ask=self._ask,
            begin=self._begin,
            put_off=self._postpone,
            token=self._token,
        )
        self._turn = 0
        self._out_until = 0
        self._balance = ROUND_ROBIN if model.policy is None else model.policy.balance
        self._times = _times(model, streams)
        self._by_step = {
            step: AttemptDraws(streams, f"service:{model.name}.{step}", each.quantile)
            for step, each in model.steps.items()
        }
        self._places: dict[str, str] = {}
        failing = None if model.failures is None else model.failures.times
        self._failing = None if failing is None else AttemptDraws(streams, f"failing:{model.name}", failing.quantile)
        self._fails = AttemptDraws(streams, f"failures:{model.name}")
        self._chance = AttemptDraws(streams, f"choice:{model.name}")
        self._output = dict(model.output)
        if not placed:
            for number in range(model.instances):
                self.add(f"{model.name}-{number + 1}")

    # Calls

    def call(self, execution: Execution, command: StartAttempt) -> None:
        """Begin an attempt, or have it postponed."""
        if self.gate is None:
            self._begin(execution, command, None)
            return
        line = self._line
        if line.waiting and line.takes(None):
            line.wait(execution, command, None)
            return
        decision = self._ask(command)
        if type(decision) is Go:
            self._begin(execution, command, decision)
            return
        assert isinstance(decision, Postponed)
        if line.takes(decision) and self._now() >= self.gate.held_until:
            line.wait(execution, command, decision)
        else:
            self._postpone(execution, command, decision)

    def _begin(self, execution: Execution, command: StartAttempt, go: Go | None, since: int | None = None) -> None:
        now = self._now()
        self.attempts += 1
        station = self._choose(execution, command, now)
        station.load.under_way += 1
        failures = station.failing
        case = execution.case
        error = None if case is None else case.error(_owed(command), execution.tried)
        fails = error is not None or (failures is not None and self._is_to_fail(execution, command, failures))
        draws = self._failing if fails and self._failing is not None else self._draws(execution, command)
        time = round(draws.draw(execution, command.step, command.number) * MICROSECONDS)
        if case is not None:
            time = round(time * case.pace)
        if execution.under_way:
            time = remaining(execution, command, draws, time, now)
        work = execution.work[command.attempt] = Work(execution, command.attempt, self, station, now, time, fails)
        work.go, work.timeout, work.error = go, command.timeout, error
        if since is not None and command.timeout is not None:
            work.timeout = command.timeout - (now - since)
        self._enter(station, work, now)

    def go_on(self, execution: Execution, command: StartAttempt) -> None:
        """Have an attempt go on that was under way when the simulation began: it has its leave already."""
        go = None
        if self.gate is not None:
            self.gate.places.taken += 1
            go = Go(self._now())
        self._begin(execution, command, go)

    def _is_to_fail(self, execution: Execution, command: StartAttempt, failures: Failures) -> bool:
        share = failures.methods.get(command.method, failures.share) if failures.methods else failures.share
        return self._fails.draw(execution, command.step, command.number) < share

    def _draws(self, execution: Execution, command: StartAttempt) -> AttemptDraws:
        if self._by_step:
            path = f"{execution.workflow}.{command.step}"
            place = self._places.get(path)
            if place is None:
                place = self._places[path] = place_of(path)
            draws = self._by_step.get(place)
            if draws is not None and command.purpose != COMPENSATION:
                return draws
        return self._times.get(command.method) or self._times[""]

    def cancel(self, execution: Execution, attempt: str) -> None:
        """Let an attempt go."""
        work = execution.work.pop(attempt, None)
        if work is None:
            self._line.let_go(execution, attempt)
            return
        now = self._now()
        timed_out = work.timeout is not None and now - work.begun >= work.timeout
        self.timed_out += timed_out
        self._hear(work, _TIMED_OUT if timed_out else NOT_HEARD, now)
        if self.model.skips_expired and work in work.station.line:
            station = work.station
            station.measure(now)
            station.line.remove(work)
            if station.retire is not None and not station.inside:
                station.retire(station)

    def _ask(self, command: StartAttempt) -> Go | Postponed:
        gate, now = self.gate, self._now()
        assert gate is not None
        if not self._usable:
            return gate.nobody(f"none of the {len(self.stations)} instances may be called", now)
        if gate.is_without:
            gate.somebody(now)
        number = command.number
        return admit(gate, _CALLS[number] if number < len(_CALLS) else Call(number), now)

    def _token(self) -> int:
        tokens = None if self.gate is None else self.gate.tokens
        return 0 if tokens is None else tokens.wait(self._now())

    def _postpone(self, execution: Execution, command: StartAttempt, why: Postponed) -> None:
        self.postponed[why.reason] = self.postponed.get(why.reason, 0) + 1
        told = facts.Postponed(command.attempt, why.reason, why.message, why.after)
        self._shell.after(0, self._tell, (execution, told))

    def _choose(self, execution: Execution, command: StartAttempt, now: int) -> Station:
        stations: tuple[Station, ...] | list[Station] = self._usable or tuple(self.stations) or (self._nowhere,)
        if len(stations) == 1:
            return stations[0]
        if now < self._out_until:
            stations = [each for each in stations if each.load.out_until <= now] or stations
        turn, self._turn = self._turn, self._turn + 1
        how = command.balance if command.balance in _WORDS else self._balance
        if how == ROUND_ROBIN:
            chosen = in_turn(stations, turn)
        elif how == LEAST_CONNECTIONS:
            chosen = least_loaded(stations, lambda each: each.load.under_way, turn)
        else:
            chance = self._chance.draw(execution, command.step, command.number)
            chosen = better_of_two(stations, lambda each: each.load.cost(now), chance)
        assert chosen is not None
        return chosen

    # Serving

    def _enter(self, station: Station, work: Work, now: int) -> None:
        if station.down or (self.model.room is not None and station.inside >= self.model.room):
            self.refused += 1
            work.fails = True
            self._shell.after(0, self._refuse, (work, _DOWN if station.down else _FULL))
            return
        station.measure(now)
        if station.busy < station.capacity:
            self._serve(station, work, now)
        else:
            station.line.append(work)

    def _serve(self, station: Station, work: Work, now: int) -> None:
        station.busy += 1
        time = work.time * self.slow
        if station.host is not None:
            station.serving[work] = None
            time *= station.pace * station.host.begun(self.model.demand, now)
        self._shell.after(round(time), self._done, work)

    def _refuse(self, happening: Later) -> None:
        work, error = happening._value
        if work.awaited:
            self._end(work, error)

    def _done(self, happening: Later) -> None:
        work: Work = happening._value
        station, now = work.station, self._now()
        if station.host is not None and not self._served(station, work, now):
            return
        station.measure(now)
        station.served += 1
        station.spent += now - work.begun
        station.busy -= 1
        if station.line:
            self.fill(station)
        if work.awaited:
            self._end(work, _DOWN if station.down else work.error or station.error if work.fails else None)
        if station.retire is not None and not station.inside:
            station.retire(station)

    def _served(self, station: Station, work: Work, now: int) -> bool:
        """Return whether a call on a node was served to its end; it was lost if the node failed meanwhile."""
        if work not in station.serving:
            return False
        del station.serving[work]
        assert station.host is not None
        station.host.ended(self.model.demand, now)
        return True

    def fill(self, station: Station) -> None:
        """Serve who waits, as far as there are places; the station's areas are up to date."""
        while station.line and station.busy < station.capacity:
            self._serve(station, station.line.popleft(), self._now())

    def _end(self, work: Work, error: StepError | None) -> None:
        execution = work.execution
        del execution.work[work.attempt]
        self._hear(work, SUCCESS if error is None else answer_of(error), self._now())
        if error is None:
            case, output = execution.case, self._output
            if case is not None and case.answers:
                output = case.answer(path_of_attempt(work.attempt), output)
            self._shell.tell(execution, Answered(work.attempt, output))
        else:
            self.failed += 1
            self._shell.tell(execution, Failed(work.attempt, error))

    def _hear(self, work: Work, answer: Answer, now: int) -> None:
        work.awaited = False
        load = work.station.load
        load.ended(failed=answer.failed if answer.heard else None, took=now - work.begun, now=now)
        gate = self.gate
        if gate is None or work.go is None:
            return
        answered(gate, work.go, answer, now)
        if self._line.waiting:
            self._shell.after(0, self._call_forward)
        if answer.failed and is_outlier(load, gate.policy.outliers):
            load.failures = 0
            out = sum(each.load.out_until > now for each in self.stations)
            rules = gate.policy.outliers
            if leave_out(load, rules, out=out, of=len(self.stations), time=rules.eject_for, now=now):
                self._out_until = max(self._out_until, load.out_until)

    def _call_forward(self, _: Later) -> None:
        self._line.call_forward()

    def _tell(self, happening: Later) -> None:
        execution, told = happening._value
        self._shell.tell(execution, told)

    # Instances that come and go

    def add(self, name: str, host: Host | None = None, version: int = 0) -> Station:
        """Have one more instance, of a version (0: as the model says; 1: its first deploy), and return it."""
        station = Station(name, self.model.capacity, self._now())
        station.host, station.failing = host, self.model.failures
        if version:
            deploy = self.model.deploys[version - 1]
            station.version, station.pace = str(version), deploy.slower
            if deploy.failing is not None:
                failures = self.model.failures or Failures(0.0)
                station.failing = replace(failures, share=deploy.failing, methods={})
        station.error = _error_of(station.failing)
        self.stations.append(station)
        self.health_changed()
        return station

    def let_drain(self, station: Station) -> None:
        """Have an instance take no more calls; it serves those that it has."""
        station.status = DRAINING
        self.health_changed()

    def remove(self, station: Station) -> None:
        """Have an instance no more. What it still has is lost."""
        self.lose(station)
        self.stations.remove(station)
        self.retired.append(station)
        self.health_changed()

    def lose(self, station: Station) -> None:
        """Have an instance answer nobody any more, and lose all calls that it has."""
        now = self._now()
        station.measure(now)
        lost = [*station.serving, *station.line]
        if station.host is not None:
            for _ in station.serving:
                station.host.ended(self.model.demand, now)
        station.serving.clear()
        station.line.clear()
        station.capacity, station.busy, station.down = 0, 0, True
        for work in lost:
            if work.awaited:
                work.fails = True
                self._shell.after(0, self._refuse, (work, _DOWN))

    def bring_back(self, station: Station) -> None:
        """Have an instance answer again."""
        station.measure(self._now())
        station.capacity, station.down = station.full_capacity, False

    # Faults

    def health_changed(self) -> None:
        """Look again at who may be called."""
        self._usable = usable(self.stations)

    @property
    def policy(self) -> ServicePolicy | None:
        """Return the policy, None where there is no gate."""
        return self.model.policy


def _times(model: ServiceModel, streams: Streams) -> dict[str, AttemptDraws]:
    kinds: dict[str, Any] = {"": model.times, **model.methods}
    return {
        method: AttemptDraws(streams, f"service:{model.name}.{method}", each.quantile) for method, each in kinds.items()
    }


def _owed(command: StartAttempt) -> str:
    """Return the path by which a case knows a call: what undoes a step is another call than the step's own."""
    return f"{command.step}/{COMPENSATE}" if command.purpose == COMPENSATION else command.step


def _error_of(failures: Failures | None) -> StepError | None:
    if failures is None:
        return None
    details = details_of(failures.code, failures.status)
    return StepError(failures.code, "the service failed", failures.retryable, details)
