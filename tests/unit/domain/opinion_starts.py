"""The second opinion on how steps start. See opinion.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestration.domain.durations import format_duration, parse_duration
from orchestration.domain.errors import ExpressionError
from orchestration.domain.instants import from_datetime, parse_instant
from orchestration.domain.templates import compile_template
from orchestration.management.conformance.script import Answer, NoMethod, NoService
from tests.unit.domain.opinion_containers import OverLimit
from tests.unit.domain.opinion_steps import Step


class Starts:
    """How an execution begins its steps, and what it makes of their answers."""

    def begin(self, step: Step) -> None:
        retry = step.spec.get("retry", {})
        deadline = parse_duration(retry["deadline"]) if "deadline" in retry else None
        late = (
            deadline is not None and step.first_started is not None and self.world.now > step.first_started + deadline
        )
        if step.status == "retrying" and late:
            self.end(step, "failed", error=step.last_error)
            return
        try:
            begin = getattr(self, f"begin_{step.type}")(step)
        except ExpressionError:
            self.end(step, "failed", error={"code": "expression_error"})
            return
        except OverLimit:
            self.end(step, "failed", error={"code": "limit_exceeded"})
            return
        step.status = "running"
        step.attempts += 1
        if step.first_started is None:
            step.first_started = self.world.now
        self.set_timeout(step)
        begin()

    def set_timeout(self, step: Step) -> None:
        default = "30s" if step.calls else "24h" if step.type == "wait" else None
        timeout = step.spec.get("timeout", default)
        if timeout is not None:
            self.after(parse_duration(timeout), step, lambda: self.timed_out(step))

    def timed_out(self, step: Step) -> None:
        if step.type == "wait" and step.spec.get("on_timeout") == "continue":
            self.answered(step, {"timed_out": True, "value": None, "by": None})
        else:
            self.container_failed(step, {"code": "timeout"})

    def fixed_input(self, step: Step, template: Any) -> Any:
        if step.first_started is None:
            step.input = {} if template is None else compile_template(template).evaluate(self.names(step))
        return step.input

    def begin_service(self, step: Step) -> Callable[[], None]:
        given = self.fixed_input(step, step.spec.get("input"))
        return lambda: self.call(step, step.spec["service_name"], step.spec["method"], given)

    def begin_notification(self, step: Step) -> Callable[[], None]:
        parts = {key: step.spec[key] for key in ("to", "subject", "body", "input") if key in step.spec}
        given = self.fixed_input(step, parts)
        return lambda: self.call(step, "notify", step.spec["channel"], given)

    def call(self, step: Step, service: str, method: str, given: Any) -> None:
        step.in_flight = True
        try:
            answer = self.world.services.answer(service, method, given, notification=step.type == "notification")
        except (NoService, NoMethod) as error:
            code = "service_not_found" if isinstance(error, NoService) else "method_not_found"
            self.after(0, step, lambda: self.attempt_failed(step, {"code": code}))
            return
        self.world.calls.append(f"{service}.{method}")
        if answer.accepted is not None and step.spec.get("completion") != "callback":
            self.after(answer.accepted, step, lambda: self.answered(step, {}))
        elif not answer.hang:
            self.after(answer.after, step, lambda: self.hear(step, answer))

    def hear(self, step: Step, answer: Answer) -> None:
        if answer.error is None:
            output = {"notification_sent": True} if step.type == "notification" else answer.output or {}
            self.answered(step, output)
            return
        error = {"code": answer.error.code, "service_says": answer.error.retryable}
        self.attempt_failed(step, error, answer.error.retry_after or 0)

    def begin_condition(self, step: Step) -> Callable[[], None]:
        return lambda: self.answered(step, {"condition_result": True, "executed": True})

    def begin_delay(self, step: Step) -> Callable[[], None]:
        if "duration" in step.spec:
            wait = parse_duration(step.spec["duration"])
        else:
            moment = compile_template(step.spec["until"]).evaluate(self.names(step))
            if isinstance(moment, bool | int | float | list | dict) or moment is None:
                raise ExpressionError("no timestamp")
            try:
                instant = parse_instant(moment) if isinstance(moment, str) else from_datetime(moment)
            except ValueError as error:
                raise ExpressionError(str(error)) from None
            wait = max(0, instant - self.world.now)
        output = {"delay_duration": format_duration(wait)}
        if not wait:
            return lambda: self.answered(step, output)
        return lambda: self.after(wait, step, lambda: self.answered(step, output), waits_for_resume=True)

    def begin_wait(self, step: Step) -> Callable[[], None]:
        def wait() -> None:
            name = step.spec.get("signal")
            kept = next((signal for signal in self.signals if signal[0] == name), None)
            if kept is not None:
                self.signals.remove(kept)
                self.answered(step, {"timed_out": False, "value": kept[1], "by": kept[2]})
            else:
                step.status = "waiting"
                self.waits.append(step)

        return wait

    def begin_subflow(self, step: Step) -> Callable[[], None]:
        given = self.fixed_input(step, step.spec.get("input"))
        return lambda: self.start_child(step, given)

    def start_child(self, step: Step, given: dict[str, Any]) -> None:
        definition = self.world.definitions.get(step.spec["workflow"])
        if definition is None or self.depth >= 8:
            code = "workflow_not_found" if definition is None else "limit_exceeded"
            self.after(0, step, lambda: self.attempt_failed(step, {"code": code}))
            return
        child = type(self)(self.world, definition, given, depth=self.depth + 1)
        self.world.at(self.world.now, child.start)
        if not step.spec.get("wait", True):
            self.after(0, step, lambda: self.answered(step, {"execution_id": "?"}))
            return
        step.child, token = child, step.token

        def child_ended(child: Starts) -> None:
            if step.token != token:
                return
            step.child = None
            if child.status == "completed":
                self.answered(step, child.output)
            else:
                cause = child.error or {"code": child.status}
                self.attempt_failed(step, {"code": "child_failed", "details": {"cause": cause}})
            self.settle()

        child.tell_parent = child_ended
