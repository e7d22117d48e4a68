"""What may be asked of a scenario, as the form shows it and takes it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestration.domain.errors import DocumentInvalid, Problem

from .document import document_of
from .presets import MOST_SERVICES

LONGEST = 4_000
"""Characters of a field that are read."""

LOADS, TRIGGERS = "20 %, 40 %, 60 %, 80 %", "5s, 15s"
FEWEST_UPWARDS, TIMES_UPWARDS = 8, 4
"""A search begins with up to so many instances of a service, or up to so many times as many as there are."""

KINDS: Mapping[str, tuple[str, str]] = {
    "": ("How does it do?", "times, promises, the curve of latency against load; what is ticked is compared"),
    "sensitivity": ("What does it depend on?", "each number by itself, 10 and 20 % less and more"),
    "screening": ("Which numbers matter at all?", "many numbers together, coarsely"),
    "cheapest": ("What is the cheapest that keeps the promises?", "a search, with the cheaper neighbours and why not"),
    "storm": ("Does it come back from a fault?", "stable, vulnerable or metastable, at each load"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in the words of the form; what is empty is as usual."""

    kind: str = ""
    places: str = ""
    numbers: str = ""
    service: str = ""
    loads: str = ""
    triggers: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """The question's part of the form: the kinds with their words, what is chosen, and the services."""

    kinds: tuple[tuple[str, str, str, bool], ...]
    question: Question
    services: tuple[str, ...]
    promised: bool


def question_of(given: Mapping[str, Any]) -> Question:
    """Return the question that was posted."""
    read = {
        name: str(given.get(f"ask-{name}", "")).replace("\r\n", "\n")[:LONGEST].strip()
        for name in ("kind", "places", "numbers", "service", "loads", "triggers")
    }
    return Question(**read)


def asking_of(question: Question, text: str) -> Asking:
    """Return the question's part of the form of a scenario (its text); of one that is not whole, what can be told."""
    try:
        document = document_of(text)
    except DocumentInvalid:
        document = {}
    services = document.get("services")
    names = tuple(map(str, services)) if isinstance(services, dict) else ()
    shown = replace(
        question,
        numbers=question.numbers or numbers_of(document),
        loads=question.loads or LOADS,
        triggers=question.triggers or TRIGGERS,
    )
    kinds = tuple((kind, *words, kind == question.kind) for kind, words in KINDS.items())
    return Asking(kinds, shown, names, bool(document.get("slos")))


def numbers_of(document: Mapping[str, Any]) -> str:
    """Return what a search may change to begin with: how many instances there are of each service."""
    services = document.get("services")
    lines = []
    for name, told in list(services.items())[:MOST_SERVICES] if isinstance(services, dict) else ():
        number = told.get("instances", 1) if isinstance(told, dict) else 1
        if isinstance(number, int):
            most = max(FEWEST_UPWARDS, TIMES_UPWARDS * number)
            lines.append(f"services.{name}.instances = 1..{most}")
    return "\n".join(lines)


def experiment_from(question: Question, text: str) -> dict[str, Any] | None:
    """Return the experiment as scenario files write it, None for a comparison. `text` is the scenario's.

    Raises DocumentInvalid with paths.
    """
    match question.kind:
        case "":
            return None
        case "sensitivity" | "screening":
            places = question.places.replace("\n", ",").split(",")
            return {"kind": question.kind, "places": [each.strip() for each in places if each.strip()]}
        case "cheapest":
            numbers = question.numbers or numbers_of(document_of(text))
            lines = [each for each in numbers.split("\n") if each.strip()]
            return {"kind": "cheapest", "places": dict(map(_number, lines))}
        case "storm":
            storm: dict[str, Any] = {"kind": "storm", "service": question.service or None}
            storm["loads"] = [_share(each) for each in _several(question.loads or LOADS)]
            storm["triggers"] = list(_several(question.triggers or TRIGGERS))
            return storm
    raise _unfit("ask-kind", f"there is no such question; there are: {', '.join(filter(None, KINDS))}")


def _several(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _number(line: str) -> tuple[str, str]:
    place, sign, values = line.partition("=")
    if not sign or not values.strip():
        raise _unfit("ask-numbers", f"{line.strip()!r}: say PLACE = VALUES, like services.payment.instances = 1..8")
    return place.strip(), values.strip()


def _share(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise _unfit("ask-loads", f"{text!r} is no share of the capacity; say 60 % or 0.6") from None


def _unfit(path: str, said: str) -> DocumentInvalid:
    return DocumentInvalid(f"{path}: {said}", [Problem(path, "value.range", said)])
