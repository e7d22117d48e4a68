"""A second opinion on what a workflow does: the language's page, written down a second time as simply as possible.

It shares nothing with `orchestration.domain.run`: no journal, no queues, no clever order. All of its state is looked at
again after whatever happens, until nothing changes any more. Slow, and meant for small workflows; what it says of a
random scenario must be what the real thing says. Expressions and durations are the platform's own.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from orchestration.domain.durations import parse_duration
from orchestration.domain.errors import ExpressionError
from orchestration.domain.expressions import compile_expression
from orchestration.domain.instants import format_instant
from orchestration.domain.templates import compile_template
from orchestration.management.conformance.script import Services, read_script
from tests.unit.domain.opinion_containers import Containers, child_failed
from tests.unit.domain.opinion_starts import Starts
from tests.unit.domain.opinion_steps import Step, StepList, Vars
from tests.unit.domain.opinion_undoing import Undoing, wait_after

START = 1_767_225_600_000_000
UNSUCCESSFUL = frozenset({"failed", "cancelled", "compensation_failed"})
HOUR = "1h"


class World:
    """All executions of a scenario, and what will happen."""

    def __init__(self, scenario: dict[str, Any]) -> None:
        self.scenario = scenario
        self.definitions = {each["id"]: each for each in (scenario["definition"], *scenario.get("children", ()))}
        scripts = scenario.get("services", {})
        self.services = Services({name: read_script(answers, name) for name, answers in scripts.items()})
        self.now = START
        self.agenda: list[tuple[int, int, Callable[[], None]]] = []
        self.order = 0
        self.calls: list[str] = []
        self.refused: set[int] = set()
        self.executions: list[Execution] = []

    def at(self, instant: int, happen: Callable[[], None]) -> None:
        self.order += 1
        heapq.heappush(self.agenda, (instant, self.order, happen))

    def play(self) -> World:
        for position, action in enumerate(self.scenario.get("actions", ())):
            self.at(START + parse_duration(action["at"]), lambda p=position, a=action: self.act(p, a))
        first = Execution(self, self.scenario["definition"], self.scenario.get("input", {}), depth=0)
        first.start()
        while self.agenda:
            self.now, _, happen = heapq.heappop(self.agenda)
            happen()
        return self

    def act(self, position: int, action: dict[str, Any]) -> None:
        if action["do"] == "event":
            event = {"topic": action["topic"], "payload": action.get("payload"), "id": f"event-{position}"}
            event["published_at"] = format_instant(self.now)
            for execution in self.executions:
                execution.hear_event(event)
        elif not self.executions[0].act(action):
            self.refused.add(position)


class Execution(Starts, Containers, Undoing):
    """One execution."""

    def __init__(self, world: World, definition: dict[str, Any], given: dict[str, Any], *, depth: int) -> None:
        self.world, self.definition, self.input, self.depth = world, definition, given, depth
        self.config = definition.get("config", {})
        self.policy = self.config.get("failure_policy", "fail-fast")
        self.status, self.attempt, self.rounds = "pending", 1, 0
        self.error: dict[str, Any] | None = None
        self.output: Any = None
        self.started = self.ended_at = 0
        self.token = self.ends = 0
        self.fresh: list[Step] = []
        self.held: list[tuple[int, Callable[[], None]]] = []
        self.signals: list[tuple[str, Any, Any]] = []
        self.waits: list[Step] = []
        self.undo: list[Step] = []
        self.undo_failed = False
        self.ending: tuple[str, Any] = ("", None)
        self.tell_parent: Callable[[Execution], None] | None = None
        self.root = StepList(definition["steps"], Vars({**definition.get("variables", {}), **given}))
        world.executions.append(self)

    @property
    def ended(self) -> bool:
        return self.status == "completed" or self.status in UNSUCCESSFUL

    def start(self) -> None:
        if self.status != "pending":
            return
        self.status, self.started = "running", self.world.now
        self.count_down()
        self.settle()

    def count_down(self) -> None:
        self.token += 1
        token = self.token

        def time_is_up() -> None:
            if self.token == token and self.status in ("running", "paused"):
                self.fail({"code": "timeout"})
                self.settle()

        self.world.at(self.world.now + parse_duration(self.config.get("timeout", HOUR)), time_is_up)

    def after(self, wait: int, step: Step, happen: Callable[[], None], *, waits_for_resume: bool = False) -> None:
        """Let something happen to a step later, unless it is over by then."""
        token, due = step.token, self.world.now + wait

        def then() -> None:
            if step.token != token:
                return
            if waits_for_resume and self.status == "paused":
                self.held.append((due, then))
                return
            happen()
            self.settle()

        self.world.at(due, then)

    # What follows from what is -------------------------------------------------------------------------------------

    def settle(self) -> None:
        while self.status == "running" and (
            self.look_at_ends() or self.look_at_joins() or self.close_a_list() or self.start_a_step()
        ):
            pass

    def look_at_ends(self) -> bool:
        if not self.fresh:
            return False
        step = self.fresh.pop(0)
        container = step.among.container
        if container is None:
            if step.unhandled and self.policy in ("fail-fast", "compensate"):
                self.fail(_with_step(step))
        elif container.status == "running" and container.body is not None and step.among in container.body.lists:
            mode = container.spec.get("mode", "all")
            if mode == "race" and step.status == "completed" and container.body.winner is None:
                container.body.winner = step
                self.complete_parallel(container, step.among)
            elif mode == "all" and step.unhandled:
                self.container_failed(container, child_failed(step))
        return True

    def look_at_joins(self) -> bool:
        for among in self.root.live():
            for step in among.steps:
                if step.status != "pending" or step.ready:
                    continue
                verdict = step.verdict()
                if verdict is False:
                    self.end(step, "skipped")
                    return True
                if verdict is True:
                    self.check_condition(step)
                    return True
        return False

    def check_condition(self, step: Step) -> None:
        try:
            holds = "condition" not in step.spec or self.ask(step.spec["condition"], self.names(step))
        except ExpressionError:
            self.end(step, "failed", error={"code": "expression_error"})
            return
        if holds:
            step.ready = True
            return
        step.output = {"condition_result": False, "executed": False} if step.type == "condition" else None
        self.end(step, "skipped")

    def close_a_list(self) -> bool:
        for among in self.root.live():
            if among.over and not among.closed:
                self.close(among)
                return True
            for step in among.steps:
                if step.type != "loop" or step.status != "running" or step.body is None:
                    continue
                if all(inner.closed for inner in step.body.lists) and self.go_on(step, step.body):
                    return True
        return False

    def close(self, among: StepList) -> None:
        container = among.container
        if container is None:
            self.close_execution()
            return
        among.closed = True
        assert container.body is not None
        if container.type == "parallel":
            self.complete_parallel(container, among)
            return
        result = None
        if among.first_failure() is None:
            try:
                result = self.iteration_result(container, among)
            except ExpressionError:
                among.closed = False
                self.container_failed(container, {"code": "expression_error"})
                return
        container.body.results[among.index or 0] = result
        self.fill(container, container.body)

    def close_execution(self) -> None:
        failure = self.root.first_failure()
        if failure is None:
            try:
                output = self.root.vars.now()
                if "output" in self.definition:
                    output = compile_template(self.definition["output"]).evaluate(self.names_of(self.root))
            except ExpressionError:
                self.fail({"code": "expression_error"})
                return
            self.output = output
            self.finish("completed", None)
        elif self.policy == "retry" and self.rounds < self.config.get("max_retries", 0):
            self.rounds += 1
            self.again()
        else:
            self.fail(_with_step(failure))

    def start_a_step(self) -> bool:
        in_flight = sum(step.in_flight for among in self.root.lists() for step in among.steps)
        slot_free = in_flight < self.config.get("parallel_limit", 50)
        ready = [step for among in self.root.live() for step in among.steps if step.ready]
        for step in sorted(ready, key=lambda step: step.place):
            container = step.among.container
            limit = (
                container.spec.get("parallel_limit") if container is not None and container.type == "parallel" else None
            )
            active = sum(other.status in ("running", "waiting", "retrying") for other in step.among.steps)
            if step.status == "pending" and limit is not None and active >= limit:
                continue
            if step.calls and not slot_free:
                continue
            step.ready = False
            self.begin(step)
            return True
        return False

    # Ends ----------------------------------------------------------------------------------------------------------

    def end(self, step: Step, status: str, *, error: dict[str, Any] | None = None) -> None:
        self.over(step)
        step.status, step.error, step.ready = status, error, False
        self.ends += 1
        step.number = self.ends
        self.fresh.append(step)

    def over(self, step: Step) -> None:
        """The step's attempt is over, however it came out."""
        step.token += 1
        step.in_flight = False
        if step in self.waits:
            self.waits.remove(step)

    def answered(self, step: Step, output: dict[str, Any]) -> None:
        merge = output
        if "output" in step.spec:
            try:
                merge = compile_template(step.spec["output"]).evaluate({**self.names(step), "output": output})
            except ExpressionError:
                self.attempt_failed(step, {"code": "expression_error"})
                return
        step.output = output
        step.among.vars.merged.append((step, merge))
        self.end(step, "completed")

    def attempt_failed(self, step: Step, error: dict[str, Any], retry_after: int = 0) -> None:
        retry = step.spec.get("retry", {})
        wait = wait_after(retry, step.attempts, error, step, default_attempts=3 if step.calls else 1)
        assert step.first_started is not None
        if wait is not None:
            wait = max(wait, retry_after)
            if "deadline" in retry and self.world.now + wait > step.first_started + parse_duration(retry["deadline"]):
                wait = None
        if wait is None:
            self.end(step, "failed", error=error)
            return
        self.over(step)
        step.status, step.error = "retrying", None
        step.last_error = error

        def due() -> None:
            step.ready = True

        self.after(wait, step, due, waits_for_resume=True)

    def cancel(self, among: StepList, *, compensate: bool) -> None:
        for step in among.steps:
            if not step.ended:
                self.abort(step, compensate=compensate)
                self.end(step, "cancelled")

    def abort(self, step: Step, *, compensate: bool) -> None:
        if step.body is not None:
            for inner in step.body.lists:
                self.cancel(inner, compensate=compensate)
        child = step.child
        if child is not None and step.spec.get("wait", True):
            step.child = None
            self.world.at(self.world.now, lambda: child.cancelled_by_parent(compensate))

    def fail(self, error: dict[str, Any]) -> None:
        undo = self.policy == "compensate"
        self.cancel(self.root, compensate=undo)
        self.finish_or_undo("failed", error, undo=undo)

    def finish_or_undo(self, status: str, error: dict[str, Any] | None, *, undo: bool) -> None:
        also_failed = self.config.get("compensation", "completed") == "all"
        wanted = {"completed", "failed"} if also_failed else {"completed"}
        steps = [step for among in self.root.lists() for step in among.steps]
        self.undo = [step for step in steps if "compensate" in step.spec and step.status in wanted] if undo else []
        if not self.undo:
            self.finish(status, error)
            return
        self.status, self.ending, self.undo_failed = "compensating", (status, error), False
        self.undo.sort(key=lambda step: step.number)
        self.undo_next()

    def finish(self, status: str, error: dict[str, Any] | None) -> None:
        self.status, self.error, self.ended_at = status, error, self.world.now
        self.token += 1
        self.started = self.started or self.world.now
        self.fresh.clear()
        self.held.clear()
        if self.tell_parent is not None:
            tell = self.tell_parent
            self.world.at(self.world.now, lambda: tell(self))

    def again(self, whole: set[Step] | None = None) -> None:
        self.status, self.error, self.output = "running", None, None
        self.attempt += 1
        self.fresh.clear()
        self.root.reset(whole)

    # From outside --------------------------------------------------------------------------------------------------

    def cancelled_by_parent(self, compensate: bool) -> None:
        if self.status in ("pending", "running", "paused"):
            self.cancel(self.root, compensate=compensate)
            self.finish_or_undo("cancelled", None, undo=compensate)

    def act(self, action: dict[str, Any]) -> bool:
        """Do what an operator wants; return False if it is refused."""
        deed = action["do"]
        allowed = {"pause": {"running"}, "resume": {"paused"}, "cancel": {"pending", "running", "paused"}}
        if deed == "signal":
            if self.ended:
                return False
            self.signal(action)
        elif self.status not in allowed.get(deed, UNSUCCESSFUL):
            return False
        elif deed == "pause":
            self.status = "paused"
        elif deed == "resume":
            self.resume()
        elif deed == "cancel":
            self.cancelled_by_parent(action.get("compensate", False))
        elif deed == "rerun" and action["step"] not in {step.spec["id"] for step in self.root.steps}:
            return False
        else:
            self.rounds = 0
            self.count_down()
            chosen = {step for step in self.root.steps if deed == "rerun" and step.spec["id"] == action["step"]}
            self.again(chosen)
        self.settle()
        return True

    def resume(self) -> None:
        self.status = "running"
        held, self.held = sorted(self.held, key=lambda each: each[0]), []
        waiting = self.settle
        self.settle = lambda: None  # type: ignore[method-assign]
        for _, then in held:
            then()
        self.settle = waiting  # type: ignore[method-assign]

    def signal(self, action: dict[str, Any]) -> None:
        value, by = action.get("value"), action.get("by")
        waiting = next((step for step in self.waits if step.spec.get("signal") == action["name"]), None)
        if waiting is None:
            self.signals.append((action["name"], value, by))
        else:
            self.answered(waiting, {"timed_out": False, "value": value, "by": by})

    def hear_event(self, event: dict[str, Any]) -> None:
        for step in [step for step in self.waits if step.spec.get("event") == event["topic"]]:
            try:
                matches = "match" not in step.spec or self.ask(step.spec["match"], {**self.names(step), "event": event})
            except ExpressionError:
                continue
            if matches:
                self.answered(step, {"timed_out": False, "value": event["payload"], "by": None})
        self.settle()

    # Names ---------------------------------------------------------------------------------------------------------

    def ask(self, source: str, names: dict[str, Any]) -> bool:
        told = compile_expression(source).evaluate(names)
        if not isinstance(told, bool):
            raise ExpressionError("no bool")
        return told

    def names(self, step: Step) -> dict[str, Any]:
        names = self.names_of(step.among)
        return {**names, "error": step.cause()} if step.knows_error else names

    def names_of(self, among: StepList) -> dict[str, Any]:
        container = among.container
        names: dict[str, Any] = {}
        if container is None:
            about = {"id": "?", "workflow": self.definition["id"], "revision": 1, "attempt": self.attempt}
            names = {"input": self.input, "execution": {**about, "started_at": format_instant(self.started)}}
        else:
            names = self.names(container)
            if among.index is not None:
                names["index"] = among.index
                if container.body is not None and "items" in container.spec:
                    names["item"] = (container.body.items or [])[among.index]
        return {**names, "vars": among.vars.now(), "steps": among.view()}


def _with_step(step: Step) -> dict[str, Any]:
    error = step.error or {}
    return {**error, "details": {**error.get("details", {}), "step": step.path}}
