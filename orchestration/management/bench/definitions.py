"""The workflows of the benchmark."""

from __future__ import annotations

from typing import Any

from orchestration.management.bench.services import SERVICE

HTTP_SERVICE = "bench-http"
PAYLOAD_BYTES = 200
WRITTEN_DOWN = 1_900
UNBOUNDED = 10_000


def chain(*, steps: int, http: bool) -> dict[str, Any]:
    """Return steps one after another."""
    names = [f"s{number}" for number in range(1, steps + 1)]
    listed = [_step(name, http=http) for name in names]
    for step, before in zip(listed[1:], names, strict=False):
        step["dependencies"] = [before]
    return _workflow(f"bench-chain-{'http-' if http else ''}{steps}", listed)


def fanout(*, steps: int, http: bool) -> dict[str, Any]:
    """Return steps beside one another and a join: written down one by one, or a loop where they are too many."""
    name = f"bench-fanout-{'http-' if http else ''}{steps}"
    join = _step("join", http=http)
    if steps > WRITTEN_DOWN:
        loop = {
            "id": "fan",
            "type": "loop",
            "items": "${input.items}",
            "parallel_limit": UNBOUNDED,
            "max_iterations": steps,
            "steps": [_step("one", http=http)],
            "output": {},
        }
        return _workflow(name, [loop, {**join, "dependencies": ["fan"]}])
    fan = [_step(f"s{number}", http=http) for number in range(1, steps + 1)]
    return _workflow(name, [*fan, {**join, "dependencies": [step["id"] for step in fan]}])


def start() -> dict[str, Any]:
    """Return a single step that tells when it was called."""
    return _workflow("bench-start", [{**_step("first", http=False), "method": "stamp"}])


def _step(name: str, *, http: bool) -> dict[str, Any]:
    if not http:
        return {"id": name, "type": "service", "service_name": SERVICE, "method": "noop"}
    text = "x" * (PAYLOAD_BYTES - len('{"text":""}'))
    return {"id": name, "type": "service", "service_name": HTTP_SERVICE, "method": "echo", "input": {"text": text}}


def _workflow(name: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    config = {"parallel_limit": UNBOUNDED, "max_concurrent": 1_000_000}
    return {"id": name, "config": config, "steps": steps, "output": {}}
