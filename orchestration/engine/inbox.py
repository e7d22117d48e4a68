"""What executions are told, as it lies in their inboxes: facts as JSON, and the answers to actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from orchestration.domain.errors import Refused, StepError
from orchestration.domain.facts import (
    Answered,
    BusEvent,
    Cancel,
    ChildEnded,
    Fact,
    Failed,
    Pause,
    Rerun,
    Resume,
    Retry,
    ServiceBack,
    Signal,
)

ACTIONS = (Pause, Resume, Cancel, Retry, Rerun, Signal)


def dump_fact(fact: Fact) -> tuple[str, str]:
    """Return the kind and the payload of the row that carries `fact`."""
    match fact:
        case Answered(attempt, output):
            return "answered", _dump({"attempt": attempt, "output": output})
        case Failed(attempt, error, retry_after):
            told = {
                "code": error.code,
                "message": error.message,
                "retryable": error.retryable,
                "details": error.details,
            }
            return "failed", _dump({"attempt": attempt, "error": told, "retry_after": retry_after})
        case ChildEnded(attempt, execution_id, status, output, error):
            value = {
                "attempt": attempt,
                "execution_id": execution_id,
                "status": status,
                "output": output,
                "error": error,
            }
            return "child", _dump(value)
        case Cancel(compensate):
            return "cancel", _dump({"compensate": compensate})
        case Rerun(step):
            return "rerun", _dump({"step": step})
        case Signal(name, value, by):
            return "signal", _dump({"name": name, "value": value, "by": by})
        case ServiceBack(service):
            return "service_back", _dump({"service": service})
        case BusEvent(topic, payload, identity, published_at):
            return "event", _dump({"topic": topic, "payload": payload, "id": identity, "published_at": published_at})
        case Pause() | Resume() | Retry():
            return type(fact).__name__.lower(), "{}"
        case _:
            raise TypeError(f"{type(fact).__name__} is never put into an inbox")


def load_fact(kind: str, payload: str) -> Fact:
    """Return the fact that a row carries."""
    return _LOADERS[kind](orjson.loads(payload))


def done(status: str) -> str:
    """Return the outcome of an action that was carried out."""
    return _dump({"status": status})


def refused(error: Refused) -> str:
    """Return the outcome of an action that did not fit."""
    return _dump({"refused": error.message, "details": error.details})


def read_outcome(outcome: str) -> str:
    """Return the status that an action led to; raise Refused if it did not fit."""
    value = orjson.loads(outcome)
    if "refused" in value:
        raise Refused(value["refused"], **value["details"])
    return str(value["status"])


def _dump(value: Any) -> str:
    return orjson.dumps(value, default=dict).decode()


def _failed(value: dict[str, Any]) -> Failed:
    return Failed(value["attempt"], StepError(**value["error"]), value["retry_after"])


_LOADERS: dict[str, Callable[[dict[str, Any]], Fact]] = {
    "answered": lambda value: Answered(**value),
    "failed": _failed,
    "child": lambda value: ChildEnded(**value),
    "pause": lambda value: Pause(),
    "resume": lambda value: Resume(),
    "retry": lambda value: Retry(),
    "cancel": lambda value: Cancel(**value),
    "rerun": lambda value: Rerun(**value),
    "signal": lambda value: Signal(**value),
    "service_back": lambda value: ServiceBack(**value),
    "event": lambda value: BusEvent(**value),
}
