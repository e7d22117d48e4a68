"""The second opinion on compensation, and on when something that failed is tried again. See opinion.py."""

from __future__ import annotations

from typing import Any

from orchestration.domain.durations import parse_duration
from orchestration.domain.errors import ExpressionError
from orchestration.domain.templates import compile_template
from orchestration.management.conformance.script import NoMethod, NoService
from tests.unit.domain.opinion_steps import Step

RETRYABLE = frozenset({"timeout", "connection", "http_408", "http_425", "http_429", "no_healthy_instance"})
"""Of the codes that are retried by default those that a scenario gives; and every `http_5xx`."""


class Undoing:
    """What an execution does to undo what it did."""

    def undo_next(self) -> None:
        if not self.undo:
            status, error = self.ending
            counts = self.undo_failed and self.config.get("compensation") != "best-effort"
            self.finish("compensation_failed" if counts else status, error)
            return
        step = self.undo.pop()
        names = {**self.names(step), "output": step.output if step.status == "completed" else {}}
        step.status, step.undo_attempts, step.undo_started = "compensating", 0, self.world.now
        try:
            template = step.spec["compensate"].get("input")
            step.undo_input = {} if template is None else compile_template(template).evaluate(names)
        except ExpressionError:
            self.undone(step, "compensation_failed")
            return
        self.undo_attempt(step)

    def undo_attempt(self, step: Step) -> None:
        spec = step.spec["compensate"]
        step.undo_attempts += 1
        self.after(parse_duration(spec.get("timeout", "30s")), step, lambda: self.undo_error(step, {"code": "timeout"}))
        try:
            answer = self.world.services.answer(spec["service_name"], spec["method"], step.undo_input)
        except (NoService, NoMethod):
            self.after(0, step, lambda: self.undone(step, "compensation_failed"))
            return
        self.world.calls.append(f"{spec['service_name']}.{spec['method']}")
        error = answer.error
        if answer.hang:
            return
        if error is None:
            self.after(answer.after, step, lambda: self.undone(step, "compensated"))
            return
        told = {"code": error.code, "service_says": error.retryable}
        self.after(answer.after, step, lambda: self.undo_error(step, told, error.retry_after or 0))

    def undo_error(self, step: Step, error: dict[str, Any], retry_after: int = 0) -> None:
        retry = step.spec["compensate"].get("retry", {})
        wait = wait_after(retry, step.undo_attempts, error, None, default_attempts=3)
        step.token += 1
        if wait is not None:
            wait = max(wait, retry_after)
            if "deadline" in retry and self.world.now + wait > step.undo_started + parse_duration(retry["deadline"]):
                wait = None
        if wait is None:
            self.undone(step, "compensation_failed")
        else:
            self.after(wait, step, lambda: self.undo_attempt(step))

    def undone(self, step: Step, status: str) -> None:
        step.token += 1
        step.status = status
        self.undo_failed = self.undo_failed or status == "compensation_failed"
        self.undo_next()


def wait_after(
    retry: dict[str, Any], failed_attempt: int, error: dict[str, Any], step: Step | None, *, default_attempts: int
) -> int | None:
    """Return how long to wait after a failed attempt, None if it is not made again. Without jitter."""
    code, says = error["code"], error.get("service_says")
    if code in retry.get("never", ()) or failed_attempt >= retry.get("max_attempts", default_attempts):
        return None
    perhaps_done = (
        step is not None and step.spec.get("delivery") == "at-most-once" and code in ("timeout", "connection")
    )
    by_default = (code in RETRYABLE or code.startswith("http_5")) and not perhaps_done
    if not (code in retry["on"] if "on" in retry else by_default if says is None else says):
        return None
    delay = parse_duration(retry.get("delay", "1s"))
    match retry.get("backoff", "exponential"):
        case "linear":
            delay *= failed_attempt
        case "exponential":
            delay = round(delay * retry.get("multiplier", 2) ** (failed_attempt - 1))
    return min(delay, parse_duration(retry.get("max_delay", "5m")))
