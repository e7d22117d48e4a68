"""The second opinion on containers. See opinion.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestration.domain.errors import ExpressionError
from orchestration.domain.templates import compile_template
from tests.unit.domain.opinion_steps import Body, Step, StepList, Vars
from tests.unit.domain.opinion_undoing import wait_after


class OverLimit(Exception):
    """A loop has more to do than it may."""


def child_failed(step: Step) -> dict[str, Any]:
    return {"code": "child_failed", "details": {"step": step.path, "cause": step.error}}


class Containers:
    """What an execution does with its parallel and loop steps."""

    def begin_parallel(self, step: Step) -> Callable[[], None]:
        return lambda: self.open_parallel(step)

    def open_parallel(self, step: Step) -> None:
        if step.body is None:
            step.body = Body(step.among.vars.now())
            step.body.lists.append(StepList(step.spec["steps"], Vars(step.body.base), step))
        else:
            step.body.winner = None
            step.body.lists[0].reset()
            step.body.lists[0].closed = False

    def complete_parallel(self, step: Step, among: StepList) -> None:
        race, body = step.spec.get("mode") == "race", step.body
        assert body is not None
        among.closed = True
        if race:
            self.cancel(among, compensate=False)
            if body.winner is None:
                self.attempt_failed(step, {"code": "all_failed"})
                return
        try:
            results = {each.spec["id"]: each.output for each in among.steps if each.status == "completed"}
            if "result" in step.spec:
                results = compile_template(step.spec["result"]).evaluate(self.names_of(among))
        except ExpressionError:
            self.attempt_failed(step, {"code": "expression_error"})
            return
        errors = {each.spec["id"]: each.error for each in among.steps if each.status == "failed"}
        done = sum(each.status == "completed" for each in among.steps)
        winner = body.winner.spec["id"] if race and body.winner is not None else None
        counts = {"succeeded": done, "failed": len(errors), "winner": winner}
        self.answered(step, {"results": results, "errors": errors, **counts})

    def container_failed(self, step: Step, error: dict[str, Any]) -> None:
        self.abort(step, compensate=self.reaches_the_top(step, error))
        self.attempt_failed(step, error)

    def reaches_the_top(self, step: Step, error: dict[str, Any]) -> bool:
        """Tell whether this failure ends an execution that then compensates."""
        if self.policy != "compensate":
            return False
        again = wait_after(step.spec.get("retry", {}), step.attempts, error, step, default_attempts=1) is not None
        if again or step.spec.get("on_failure") or step.optional:
            return False
        container = step.among.container
        if container is None:
            return True
        return container.spec.get("mode", "all") == "all" and self.reaches_the_top(container, {"code": "child_failed"})

    def begin_loop(self, step: Step) -> Callable[[], None]:
        if step.body is not None:
            return lambda: self.reopen_loop(step)
        spec, items = step.spec, None
        if "items" in spec:
            items = compile_template(spec["items"]).evaluate(self.names(step))
            if not isinstance(items, list):
                raise ExpressionError("no list")
            if len(items) > spec.get("max_iterations", 1000):
                raise OverLimit
        elif not self.ask(spec["while"], {**self.names(step), "index": 0}):
            items = []
        return lambda: self.open_loop(step, items)

    def open_loop(self, step: Step, items: list[Any] | None) -> None:
        step.body = Body(step.among.vars.now(), items)
        if items is None:
            self.begin_iteration(step, step.body)
        else:
            self.fill(step, step.body)

    def reopen_loop(self, step: Step) -> None:
        assert step.body is not None
        for inner in step.body.lists:
            inner.reset()
        self.fill(step, step.body)

    def fill(self, step: Step, body: Body) -> None:
        limit = step.spec.get("parallel_limit", 1)
        while body.items is not None and len(body.lists) < len(body.items):
            if sum(not inner.closed for inner in body.lists) >= limit:
                return
            self.begin_iteration(step, body)

    def begin_iteration(self, step: Step, body: Body) -> None:
        variables = Vars(body.base) if body.items is not None else body.shared
        body.lists.append(StepList(step.spec["steps"], variables, step, len(body.lists)))

    def iteration_result(self, container: Step, among: StepList) -> Any:
        if "result" in container.spec:
            return compile_template(container.spec["result"]).evaluate(self.names_of(among))
        if len(among.steps) == 1:
            return among.steps[0].output if among.steps[0].status == "completed" else None
        return {each.spec["id"]: each.output for each in among.steps if each.status == "completed"}

    def go_on(self, step: Step, body: Body) -> bool:
        """All iterations that began are over: begin the next, or complete the loop."""
        if body.items is not None:
            if len(body.lists) < len(body.items):
                self.fill(step, body)
            else:
                self.complete_loop(step, body)
            return True
        index = len(body.lists)
        try:
            more = self.ask(step.spec["while"], {**self.names(step), "vars": body.shared.now(), "index": index})
        except ExpressionError:
            self.container_failed(step, {"code": "expression_error"})
            return True
        if not more:
            self.complete_loop(step, body)
        elif index >= step.spec.get("max_iterations", 1000):
            self.container_failed(step, {"code": "limit_exceeded"})
        else:
            self.begin_iteration(step, body)
        return True

    def complete_loop(self, step: Step, body: Body) -> None:
        failures = [(index, inner.first_failure()) for index, inner in enumerate(body.lists)]
        errors = [{"index": index, "error": failure.error} for index, failure in failures if failure is not None]
        count = len(body.lists)
        results = [body.results.get(index) for index in range(count)]
        counts = {"succeeded": count - len(errors), "failed": len(errors), "iterations": count}
        self.answered(step, {"results": results, "errors": errors, **counts})
