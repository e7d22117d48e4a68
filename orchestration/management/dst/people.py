"""People and programs outside: they start executions, act on them, publish, and post callbacks, through a web process.

What they do is one transaction of the database. Its acknowledgement may be lost; they may do it twice. The web process
has a clock of its own, which may be wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import orjson

from orchestration.domain.errors import StepError
from orchestration.domain.facts import (
    Answered,
    BusEvent,
    Cancel,
    Fact,
    Failed,
    Pause,
    Rerun,
    Resume,
    Retry,
    ServiceBack,
    Signal,
)
from orchestration.domain.lifecycle import ENDED_EXECUTION, PAUSED
from orchestration.engine import inbox
from orchestration.engine.callbacks import PATH, read_token
from orchestration.engine.listening import service_topic

from .counting import Faults, Trace
from .database import TEAM, Database
from .definitions import SIGNALS, TOPICS
from .network import Network
from .rows import Execution
from .timetable import EPOCH, MICROSECONDS, Timetable

CALLBACK_TRIES = 5
ACTIONS = (
    "pause",
    "pause",
    "resume",
    "cancel",
    "retry",
    "retry",
    "rerun",
    "signal",
    "signal",
    "signal",
    "event",
    "event",
)


class People:
    """Everybody outside."""

    def __init__(
        self,
        timetable: Timetable,
        luck: Random,
        database: Database,
        network: Network,
        faults: Faults,
        trace: Trace,
        wake: Callable[[], None],
    ) -> None:
        self.acknowledged: list[tuple[str, int]] = []
        self.started: list[str] = []
        self._timetable = timetable
        self._luck = luck
        self._database = database
        self._network = network
        self._faults = faults
        self._trace = trace
        self._wake = wake
        self._numbers = 0

    @property
    def now(self) -> int:
        """Return the instant by the web process's clock."""
        return EPOCH + self._timetable.now + self._network.swarm.web_skew

    def _write(self, act: Callable[[], object], acknowledged: Callable[[], None] | None = None) -> bool:
        """Have the web process write something; False if it was refused or nobody knows."""
        swarm, draw = self._network.swarm, self._luck.random()
        if self._network.down or draw < swarm.statement_lost:
            return False
        act()
        if draw < swarm.statement_lost + swarm.answer_lost:
            return False
        self._wake()
        if acknowledged is not None:
            acknowledged()
        return True

    # Starting -----------------------------------------------------------------------------------------------------

    def start(self, slug: str) -> str | None:
        """Start an execution; return its id if the start was acknowledged."""
        workflow = self._database.workflow_of(slug)
        assert workflow is not None
        self._numbers += 1
        identity = f"00000000-0000-7000-8000-{self._numbers:012x}"
        execution = Execution(
            id=identity,
            team_id=TEAM,
            workflow_id=workflow.id,
            revision_id=workflow.revision_id,
            priority=self._luck.choice([workflow.priority, self._luck.randint(0, 9)]),
            input="{}",
            created_at=self.now,
            root_id=identity,
        )
        known = self._write(lambda: self._database.insert(execution), lambda: self.started.append(identity))
        self._trace.note(f"people start {slug} as {identity[-4:]}: {known}")
        return identity if known else None

    # Acting -------------------------------------------------------------------------------------------------------

    def act(self) -> None:
        """Do something to somebody, or publish something."""
        kind = self._luck.choice(ACTIONS)
        if kind == "event":
            self.publish(self._luck.choice(TOPICS))
            return
        everybody = list(self._database.executions)
        if not everybody:
            return
        execution_id = self._luck.choice(everybody)
        fact = self._fact(kind)
        self.tell(execution_id, fact)
        if self._luck.random() < self._network.swarm.action_doubled:
            self._faults.note("action_doubled")
            self._timetable.after(
                self._luck.choice([0.0, self._luck.uniform(0, 3)]), lambda: self.tell(execution_id, fact)
            )

    def _fact(self, kind: str) -> Fact:
        if kind == "signal":
            self._numbers += 1
            return Signal(self._luck.choice(SIGNALS), None, f"person {self._numbers}")
        if kind == "cancel":
            return Cancel(self._luck.random() < 0.5)
        if kind == "rerun":
            return Rerun(self._luck.choice(["a0", "a1", "nobody"]))
        plain: dict[str, Fact] = {"pause": Pause(), "resume": Resume(), "retry": Retry()}
        return plain[kind]

    def tell(self, execution_id: str, fact: Fact) -> None:
        """Put an action into an execution's inbox."""
        kind, payload = inbox.dump_fact(fact)
        item: list[int] = []

        def put() -> None:
            number = self._database.tell(execution_id, kind, None, payload, answered=True)
            assert number is not None
            item.append(number)
            self._database.poke([execution_id], self._database.now)

        known = self._write(put, lambda: self.acknowledged.append((execution_id, item[0])))
        self._trace.note(f"people tell {execution_id[-4:]} {kind}: {known}")

    def publish(self, topic: str) -> None:
        """Tell whoever listens to a topic."""
        kind, payload = inbox.dump_fact(BusEvent(topic, None, "", self.now))
        listening = sorted(each for each, name in self._database.listening if name == topic)

        def put() -> None:
            for each in listening:
                self._database.tell(each, kind, None, payload, answered=False)
            self._database.poke(listening, self._database.now)

        known = self._write(put)
        self._trace.note(f"people publish {topic} to {len(listening)}: {known}")

    def tell_back(self, service: str) -> None:
        """Tell some of those who wait for a service that it is back, as the supervisor does."""
        kind, payload = inbox.dump_fact(ServiceBack(service))
        topic = service_topic(service)
        listening = sorted(each for each, name in self._database.listening if name == topic)
        told = listening[: self._luck.choice([1, 2, 10])]

        def put() -> None:
            self._database.listening.difference_update((each, topic) for each in told)
            for each in told:
                self._database.tell(each, kind, None, payload, answered=False)
            self._database.poke(told, self._database.now)

        known = self._write(put)
        self._trace.note(f"{service} is back, {len(told)} of {len(listening)} are told: {known}")

    def call_back(self, url: str, result: dict[str, Any], tries: int = CALLBACK_TRIES) -> None:
        """Post the result of an attempt, again until somebody says that it arrived."""
        _, execution_id, attempt = read_token(url.partition(PATH)[2])

        def put() -> None:
            if self._database.executions[execution_id].status in ENDED_EXECUTION:
                return
            kind, payload = inbox.dump_fact(_result(attempt, result))
            if self._database.tell(execution_id, kind, f"callback:{attempt}", payload, answered=False) is not None:
                self._database.poke([execution_id], self._database.now)

        known = self._write(put)
        self._trace.note(f"outside calls back {execution_id[-4:]} {attempt}: {known}")
        if not known and tries > 1:
            self._timetable.at(self._timetable.now + MICROSECONDS, lambda: self.call_back(url, result, tries - 1))

    # Clearing up --------------------------------------------------------------------------------------------------

    def clear_up(self) -> None:
        """Let go on what waits for a person: resume what is paused, release what was put aside."""
        for execution in list(self._database.executions.values()):
            if execution.quarantined:
                self._database.release(execution.id)
                self._wake()
            elif execution.status == PAUSED:
                self.tell(execution.id, Resume())


def _result(attempt: str, result: dict[str, Any]) -> Fact:
    error = result.get("error")
    if error is not None:
        return Failed(attempt, StepError(error["code"], error["message"], None, {}))
    return Answered(attempt, orjson.loads(orjson.dumps(result["output"])))
