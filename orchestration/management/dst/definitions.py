"""Random workflows: what the engine has a protocol for, in every combination, small enough to be over in seconds.

The domain's own tests draw more of the language (joins, conditions, expressions); here it is calls and their retries,
at-most-once, callbacks, delays, waits, containers, loops, compensations, subflows, priorities and admission.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

SERVICE = "outside"
SIGNALS = ("go", "stop")
TOPICS = ("order.paid", "order.lost")
CHILD, PROBE = "child", "probe"
MOST_STEPS, DEEPEST = 6, 2
RETRYABLE = ["http_503", "timeout", "connection", "worker_lost"]


class Writer:
    """Writes definitions down step by step."""

    def __init__(self, luck: Random) -> None:
        self._luck = luck
        self._may_call_child = False

    def definition(self, slug: str, *, child: bool) -> dict[str, Any]:
        """Return a workflow; with `child` one that may start the workflow `child`."""
        self._may_call_child = child
        return {"id": slug, "config": self._config(), "steps": self._steps(0 if child else DEEPEST)}

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "failure_policy": self._one_of(["fail-fast", "continue", "retry", "compensate", "compensate"]),
            "priority": self._luck.randint(0, 9),
            "timeout": self._one_of(["40s", "120s", "300s"]),
        }
        if config["failure_policy"] == "retry":
            config["max_retries"] = self._luck.randint(1, 2)
        for key, values in (
            ("compensation", ["completed", "all", "best-effort"]),
            ("parallel_limit", [1, 2, 3]),
            ("max_concurrent", [1, 1, 2]),
        ):
            if self._chance(30):
                config[key] = self._one_of(values)
        return config

    # Luck

    def _chance(self, percent: int) -> bool:
        return self._luck.random() * 100 < percent

    def _one_of(self, values: Sequence[T]) -> T:
        return self._luck.choice(values)

    def _duration(self, most: float) -> str:
        return f"{round(self._luck.uniform(0.01, self._one_of([0.1, 1.5, most])) * 1000)}ms"

    # Steps

    def _steps(self, depth: int) -> list[dict[str, Any]]:
        count = self._luck.randint(1, MOST_STEPS if depth == 0 else 3)
        ids = [f"{'abcd'[depth]}{place}" for place in range(count)]
        steps = []
        for place, step_id in enumerate(ids):
            step = {"id": step_id, **self._step(depth)}
            if place and self._chance(60):
                step["dependencies"] = self._luck.sample(ids[:place], min(place, self._luck.randint(1, 2)))
            if ids[place + 1 :] and self._chance(15):
                step["on_failure"] = [self._one_of(ids[place + 1 :])]
            steps.append(step)
        return steps

    def _step(self, depth: int) -> dict[str, Any]:
        kinds = ["service"] * 6 + ["delay", "delay", "wait", "wait", "notification"]
        if depth < DEEPEST:
            kinds += ["parallel", "loop"]
        if self._may_call_child:
            kinds += ["subflow"] * 2
        kind = self._one_of(kinds)
        step: dict[str, Any] = {"type": kind, **getattr(self, f"_{kind}")(depth)}
        if self._chance(15):
            step["optional"] = True
        return step

    def _retry(self) -> dict[str, Any]:
        retry: dict[str, Any] = {"delay": self._duration(3), "max_attempts": self._luck.randint(1, 4)}
        if self._chance(25):
            retry["deadline"] = "20s"
        if self._chance(25):
            retry["jitter"] = 0
        return retry

    def _call(self, prefix: str) -> dict[str, Any]:
        call: dict[str, Any] = {
            "service_name": SERVICE,
            "method": f"{prefix}{self._luck.randint(0, 9)}",
            "retry": self._retry(),
        }
        if self._chance(30):
            call["timeout"] = self._one_of(["2s", "10s"])
        return call

    def _service(self, depth: int) -> dict[str, Any]:
        step = self._call("do")
        if self._chance(20):
            step["completion"] = "callback"
            step["timeout"] = self._one_of(["5s", "30s"])
        if self._chance(25):
            step["delivery"] = "at-most-once"
            step["method"] = step["method"].replace("do", "once")
        return {**step, **self._compensation()}

    def _compensation(self) -> dict[str, Any]:
        return {"compensate": self._call("undo")} if self._chance(50) else {}

    def _delay(self, depth: int) -> dict[str, Any]:
        return {"duration": self._duration(15)}

    def _wait(self, depth: int) -> dict[str, Any]:
        step: dict[str, Any] = {"timeout": self._duration(40), "on_timeout": self._one_of(["fail", "continue"])}
        if self._chance(60):
            return {**step, "signal": self._one_of(SIGNALS)}
        return {**step, "event": self._one_of(TOPICS)}

    def _notification(self, depth: int) -> dict[str, Any]:
        return {"channel": "log", "body": "told", "retry": self._retry()}

    def _subflow(self, depth: int) -> dict[str, Any]:
        step: dict[str, Any] = {"workflow": CHILD, "wait": self._chance(80)}
        if self._chance(20):
            step["timeout"] = self._duration(30)
        if self._chance(30):
            step["retry"] = {**self._retry(), "on": ["child_failed", "timeout"]}
        return step

    def _parallel(self, depth: int) -> dict[str, Any]:
        step: dict[str, Any] = {"mode": self._one_of(["all", "best-effort", "race"])}
        if self._chance(30):
            step["parallel_limit"] = self._luck.randint(1, 2)
        return {**step, **self._compensation(), "steps": self._steps(depth + 1)}

    def _loop(self, depth: int) -> dict[str, Any]:
        step: dict[str, Any] = {"mode": self._one_of(["all", "best-effort"])}
        if self._chance(30):
            step |= {"while": "index < 2", "max_iterations": 4}
        else:
            step |= {"items": list(range(self._luck.randint(0, 3))), "parallel_limit": self._luck.randint(1, 3)}
        return {**step, "steps": self._steps(depth + 1)}


def probe() -> dict[str, Any]:
    """Return the workflow that is started when the faults are over: it has to end soon."""
    return {
        "id": PROBE,
        "config": {"priority": 0},
        "steps": [
            {"id": "a", "type": "service", "service_name": SERVICE, "method": "probe"},
            {"id": "b", "type": "delay", "duration": "1500ms", "dependencies": ["a"]},
            {"id": "c", "type": "service", "service_name": SERVICE, "method": "probe", "dependencies": ["b"]},
        ],
    }
