"""Random workflows for Hypothesis: valid definitions, scripts for the services they call, and an operator's actions.

`scenarios()` draws documents in the form of the conformance scenarios, without expectations. Everything that can be
said in a definition may come up: all step types, joins, arrows, retries, limits, nesting, policies, compensations.
Times are 10 to 99 ms, so that things happen close together and in every order; some scripts fail, hang or answer 202.

A scenario is written from one drawn seed, evenly: drawing each of its parts makes nearly all workflows trivial, because
what is drawn leans to the simple, and takes minutes to make a failing one smaller. The seed is the bug report.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

MOST_STEPS = 7
DEEPEST = 2
CODES = ("http_503", "http_400", "timeout", "connection", "busy", "http_404")
JOINS = ("all_success", "none_failed", "any_success", "first_success", "all_done")
SIGNALS = ("go", "stop")
TOPICS = ("order.paid", "order.lost")
CHILD = "child"
UNEVALUABLE = ("vars.missing == 1", "input.n")

T = TypeVar("T")


class Writer:
    """Writes one definition down step by step; every method that is called gets a script as it goes."""

    def __init__(self, luck: random.Random, services: dict[str, Any], *, child: bool) -> None:
        self.luck = luck
        self.services = services
        self.child = child

    def chance(self, percent: int) -> bool:
        return self.luck.randrange(100) < percent

    def number(self, low: int, high: int) -> int:
        return self.luck.randint(low, high)

    def one_of(self, values: Sequence[T]) -> T:
        return self.luck.choice(values)

    def duration(self) -> str:
        return f"{self.number(10, 99)}ms"

    def method(self, prefix: str) -> str:
        """Return a new method, with a script of one to three answers."""
        name = f"{prefix}{len(self.services)}"
        count = self.number(1, 3)
        self.services[f"s.{name}"] = [self.answer() for _ in range(count)]
        return name

    def answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"after": self.duration()}
        kind = self.number(0, 99)
        if kind < 65:
            answer["output"] = {f"v{self.number(0, 3)}": self.number(0, 3)}
        elif kind < 92:
            answer["error"] = {"code": self.one_of(CODES)}
            if self.chance(20):
                answer["error"]["retry_after"] = self.duration()
        elif kind < 97:
            answer = {"hang": True}
        return answer

    # Expressions: some hold, some do not, some cannot be evaluated

    def test(self, ids: list[str], *, looping: bool) -> str:
        if self.chance(8):
            return self.one_of(UNEVALUABLE)
        tests = ["true", "true", "input.n < 3", "input.n > 2", "has(vars.v1)", "vars.v0 == 1"]
        tests += [f'steps["{step}"].status == "completed"' for step in ids]
        if looping:
            tests.append("index < 1")
        return self.one_of(tests)

    def value(self, ids: list[str], *, looping: bool) -> Any:
        values = [
            "${input.n}",
            "${vars.v0}",
            "v${has(vars.v1)}",
            7,
            "${execution.attempt}",
            {"deep": ["${input.n}"]},
            "x",
        ]
        if self.chance(8):
            return f'${{steps["{self.one_of(ids)}"].output}}' if ids else "${vars.missing}"
        if looping:
            values.append("${index}")
        return self.one_of(values)

    # Steps

    def steps(self, depth: int, *, looping: bool = False) -> list[dict[str, Any]]:
        """Return one list of steps. Arrows lead forward, so that there is no circle."""
        count = self.number(1, MOST_STEPS if depth == 0 else 3)
        ids = [f"{'abcd'[depth]}{place}" for place in range(count)]
        steps = []
        for place, step_id in enumerate(ids):
            step = self.step(depth, ids[:place], looping=looping)
            steps.append({"id": step_id, **step, **self.arrows(ids, place)})
        return steps

    def arrows(self, ids: list[str], place: int) -> dict[str, Any]:
        arrows: dict[str, Any] = {}
        for key, targets, percent in (
            ("dependencies", ids[:place], 60),
            ("on_success", ids[place + 1 :], 15),
            ("on_failure", ids[place + 1 :], 15),
        ):
            if targets and self.chance(percent):
                arrows[key] = self.luck.sample(targets, min(len(targets), self.number(1, 2)))
        if self.chance(30):
            arrows["join"] = self.one_of(JOINS)
        return arrows

    def step(self, depth: int, ids: list[str], *, looping: bool) -> dict[str, Any]:
        kinds = ["service"] * 8 + ["condition", "delay", "wait", "notification"]
        if depth < DEEPEST:
            kinds += ["parallel", "loop"] * 2
        if self.child:
            kinds.append("subflow")
        kind = self.one_of(kinds)
        step: dict[str, Any] = {"type": kind, **getattr(self, kind)(depth, ids, looping)}
        if kind != "condition" and self.chance(15):
            step["condition"] = self.test(ids, looping=looping)
        if self.chance(20):
            step["optional"] = True
        if self.chance(15):
            step["output"] = self.one_of([{}, {"w": "${output}"}, {"v1": "${vars.v0}"}, {"v1": "${output.v0}"}])
        return step

    def retry(self) -> dict[str, Any]:
        retry: dict[str, Any] = {"delay": self.duration(), "jitter": self.one_of([0, 0, 0.2, "full"])}
        for key, values in (
            ("max_attempts", [1, 2, 3]),
            ("backoff", ["fixed", "linear", "exponential"]),
            ("deadline", ["100ms"]),
            ("max_delay", ["40ms"]),
            ("on", [["http_400", "child_failed"], ["busy", "timeout"]]),
            ("never", [["http_503"]]),
        ):
            if self.chance(25):
                retry[key] = self.one_of(values)
        return retry

    def call(self, prefix: str) -> dict[str, Any]:
        call: dict[str, Any] = {"service_name": "s", "method": self.method(prefix), "retry": self.retry()}
        if self.chance(20):
            call["timeout"] = self.one_of(["45ms", "90ms", "120ms"])
        return call

    def service(self, depth: int, ids: list[str], looping: bool) -> dict[str, Any]:
        step = self.call("m")
        if self.chance(40):
            step["input"] = {"x": self.value(ids, looping=looping)}
        if self.chance(15):
            step["completion"] = "callback"
            for answer in self.services[f"s.{step['method']}"]:
                answer["accepted"] = self.duration()
        if self.chance(15):
            step["delivery"] = "at-most-once"
        return {**step, **self.compensation()}

    def compensation(self) -> dict[str, Any]:
        if not self.chance(50):
            return {}
        undo = self.call("u")
        if self.chance(50):
            undo["input"] = {"was": self.one_of(["${output}", "${output}", "${input.n}", "${output.v0}"])}
        return {"compensate": undo}

    def condition(self, depth: int, ids: list[str], looping: bool) -> dict[str, Any]:
        return {"condition": self.test(ids, looping=looping)}

    def delay(self, depth: int, ids: list[str], looping: bool) -> dict[str, Any]:
        if self.chance(20):
            return {"until": self.one_of(["2001-01-01T00:00:00Z", "${timestamp(execution.started_at)}", "${vars.v0}"])}
        return {"duration": self.duration()}

    def wait(self, depth: int, ids: list[str], looping: bool) -> dict[str, Any]:
        step: dict[str, Any] = {
            "timeout": self.one_of(["60ms", "300ms"]),
            "on_timeout": self.one_of(["fail", "continue"]),
        }
        if self.chance(60):
            return {**step, "signal": self.one_of(SIGNALS)}
        step["event"] = self.one_of(TOPICS)
        if self.chance(50):
            step["match"] = self.one_of(["event.payload.n == input.n", "event.payload.missing == 1"])
        return step

    def notification(self, depth: int, ids: list[str], looping: bool) -> dict[str, Any]:
        body = self.one_of(["done", "${input.n}", "${vars.v0} of 3"])
        return {"channel": self.one_of(["email", "log"]), "body": body, "retry": self.retry()}

    def subflow(self, depth: int, ids: list[str], looping: bool) -> dict[str, Any]:
        step = {"workflow": self.one_of([CHILD, CHILD, "nobody"]), "wait": self.chance(80)}
        return {**step, **({"timeout": self.duration()} if self.chance(20) else {})}

    def container(self) -> dict[str, Any]:
        step: dict[str, Any] = self.compensation() if self.chance(30) else {}
        if self.chance(30):
            step["retry"] = {**self.retry(), "on": ["child_failed", "all_failed", "timeout"], "max_attempts": 2}
        if self.chance(15):
            step["timeout"] = self.one_of(["50ms", "150ms"])
        return step

    def parallel(self, depth: int, ids: list[str], looping: bool) -> dict[str, Any]:
        step = {**self.container(), "mode": self.one_of(["all", "best-effort", "race"])}
        if self.chance(30):
            step["parallel_limit"] = self.number(1, 2)
        return {**step, "steps": self.steps(depth + 1, looping=looping)}

    def loop(self, depth: int, ids: list[str], looping: bool) -> dict[str, Any]:
        step = {**self.container(), "mode": self.one_of(["all", "best-effort"])}
        if self.chance(30):
            step["while"] = self.one_of(
                ["index < 2", "index < 1 || has(vars.v1)", "false", "vars.v0 < index", "index < 3"]
            )
            step["max_iterations"] = 4
        else:
            step["items"] = self.one_of(
                [[], [1], [1, 2], [1, 2], [1, 2, 3], [1, 2, 3], "${[input.n, 2]}", "${vars.v0}"]
            )
            if self.chance(50):
                step["parallel_limit"] = self.number(1, 3)
            if self.chance(20):
                step["max_iterations"] = 2
        if self.chance(20):
            step["result"] = self.one_of(["${index}", "${index}", "${vars.v1}"])
        return {**step, "steps": self.steps(depth + 1, looping=True)}

    # The whole

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "failure_policy": self.one_of(["fail-fast", *["continue", "retry", "compensate"] * 2])
        }
        if config["failure_policy"] == "retry":
            config["max_retries"] = self.number(0, 2)
        for key, values in (
            ("compensation", ["completed", "all", "best-effort"]),
            ("parallel_limit", [1, 2, 3]),
            ("timeout", ["300ms", "600ms"]),
        ):
            if self.chance(30):
                config[key] = self.one_of(values)
        return config

    def definition(self, workflow: str) -> dict[str, Any]:
        return {
            "id": workflow,
            "variables": {"v0": self.number(0, 2)},
            "config": self.config(),
            "steps": self.steps(0 if self.child else DEEPEST),
            **({"output": {"told": self.one_of(["${vars}", "${vars}", "${vars.v1}"])}} if self.chance(20) else {}),
        }

    def actions(self) -> list[dict[str, Any]]:
        """Return what an operator and the bus do, in order of time."""
        count = self.number(0, 5)
        times = sorted(self.luck.sample(range(1, 400), count))
        return [{"at": f"{at}ms", **self.deed()} for at in times]

    def deed(self) -> dict[str, Any]:
        kind = self.one_of(["pause", "resume", "cancel", "retry", "rerun", "signal", "signal", "event", "event"])
        deed: dict[str, Any] = {"do": kind}
        if kind == "cancel":
            deed["compensate"] = self.chance(50)
        elif kind == "rerun":
            deed["step"] = self.one_of(["a0", "a1", "nobody"])
        elif kind == "signal":
            deed |= {"name": self.one_of(SIGNALS), "value": {"n": 1}, "by": "ana"}
        elif kind == "event":
            deed |= {"topic": self.one_of(TOPICS), "payload": {"n": self.number(1, 3)}}
        return deed


def write_scenario(seed: int) -> dict[str, Any]:
    """Return the scenario of a seed: a definition, a child, the services that they call, an input and actions."""
    luck = random.Random(seed)
    services: dict[str, Any] = {}
    parent = Writer(luck, services, child=True)
    child = Writer(luck, services, child=False)
    scenario = {
        "scenario": f"random-{seed}",
        "definition": parent.definition("parent"),
        "children": [child.definition(CHILD)],
        "input": {"n": parent.number(1, 3)},
        "services": services,
        "actions": parent.actions() if parent.chance(50) else [],
    }
    if parent.chance(50):
        services["notify.email"] = [parent.answer(), parent.answer()]
    return scenario


def scenarios() -> st.SearchStrategy[dict[str, Any]]:
    """Draw a scenario."""
    return st.integers(min_value=0, max_value=2**32).map(lambda drawn: write_scenario(drawn * 2_654_435_761 % 2**32))


def exact(scenario: dict[str, Any]) -> dict[str, Any]:
    """Return the scenario without chance and with few ties: no jitter, and every time a little longer than any other.

    A condition that cannot be evaluated fails its step in the moment in which others are skipped or start.
    """
    luck = random.Random(scenario["scenario"])

    def changed(key: str, value: Any) -> Any:
        if key == "jitter":
            return 0
        if key == "condition" and value in UNEVALUABLE:
            return "false"
        if key in TIMES and isinstance(value, str) and value.endswith("ms"):
            return f"{value}{luck.randrange(1, 1000)}us"
        if isinstance(value, dict):
            return {inner: changed(inner, part) for inner, part in value.items()}
        if isinstance(value, list):
            return [changed(key, part) for part in value]
        return value

    without_ties: dict[str, Any] = changed("", scenario)
    return without_ties


TIMES = frozenset({"after", "accepted", "timeout", "duration", "delay", "deadline", "max_delay", "at", "retry_after"})
