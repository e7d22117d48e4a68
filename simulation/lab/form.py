"""A scenario as a form: fields that stand for places in its document.

The document stays the truth. A field has the path of its place, so that what is wrong there is said at the field; what
the form has no field for stays as it is in the file. A field counts only where it was changed against the text that
the form was made from, so that form and file may be changed at once.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboard.words.times import duration_words
from orchestration.domain.documents import path_from
from orchestration.domain.durations import parse_duration
from orchestration.domain.errors import Problem

from .presets import Preset, presets_of

NUMBER, DURATION = "number", "duration"
VARIANT = "variant:"
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A place in the document; `name` is its path, `value` what stands there, empty: nothing."""

    name: str
    place: Place
    label: str
    kind: str
    value: str
    unit: str = ""
    error: str = ""

    @property
    def id(self) -> str:
        """Return the id of its element."""
        return "f-" + "".join(each if each.isalnum() else "-" for each in self.name)


@dataclass(frozen=True, slots=True)
class ServiceFields:
    """A service: its fields, and its times in words where the form has none for them."""

    name: str
    times: tuple[Field, ...]
    told: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A change to compare with, ticked or not."""

    preset: Preset
    chosen: bool


@dataclass(frozen=True, slots=True)
class ScenarioForm:
    """The fields of a scenario in their groups. `others` are variants that only the file can change."""

    workloads: tuple[tuple[str, str, tuple[Field, ...]], ...]
    services: tuple[ServiceFields, ...]
    promises: tuple[Field, ...]
    run: tuple[Field, ...]
    choices: tuple[tuple[str, tuple[Choice, ...]], ...]
    others: tuple[str, ...]

    def fields(self) -> Iterator[Field]:
        """Yield all fields."""
        for _, _, fields in self.workloads:
            yield from fields
        for service in self.services:
            yield from (*service.times, *service.fields)
        yield from (*self.promises, *self.run)


_ARRIVALS: Mapping[str, tuple[tuple[Place, str, str, str], ...]] = {
    "poisson": ((("per_second",), "Executions a second", NUMBER, ""),),
    "batches": ((("per_second",), "Batches a second", NUMBER, ""), (("size",), "Executions in each", NUMBER, "")),
    "users": ((("users",), "Users", NUMBER, ""),),
    "trace": ((("speed",), "Times as fast", NUMBER, ""),),
}
_ARRIVAL_WORDS = {
    "poisson": "at random, independently",
    "piecewise": "a rate that changes by the clock",
    "modulated": "a rate that switches by chance",
    "batches": "several at once",
    "cron": "by a schedule",
    "users": "users who wait for the answer",
    "trace": "recorded instants",
}
_TIMES: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "fixed": (("time", "Always", DURATION),),
    "exponential": (("mean", "Mean", DURATION),),
    "gamma": (("mean", "Mean", DURATION), ("scv", "Variance / mean²", NUMBER)),
    "lognormal": (("p50", "Median", DURATION), ("p99", "99 % within", DURATION)),
    "hyper-exponential": (("mean", "Mean", DURATION), ("scv", "Variance / mean²", NUMBER)),
    "weibull": (("scale", "Scale", DURATION), ("shape", "Shape", NUMBER)),
}


def form_of(document: Any, problems: Sequence[Problem] = ()) -> ScenarioForm:
    """Return the form of a document, with problems at their fields; of one that is not whole, what can be shown."""
    document = document if isinstance(document, dict) else {}
    form = ScenarioForm(
        workloads=tuple(_workloads(document)),
        services=tuple(_services(document)),
        promises=tuple(_promises(document)),
        run=(
            _field(document, ("horizon",), "Simulated time", DURATION, "each replication"),
            _field(document, ("replications",), "Replications", NUMBER, "independent, each with other luck"),
            _field(document, ("until_sure", "within"), "Stop when within", NUMBER, "0.05: ±5 %; empty: not early"),
            _field(document, ("until_sure", "at_most"), "Then at most", NUMBER, "replications"),
        ),
        choices=_choices(document),
        others=_others(document),
    )
    return _with_errors(form, problems) if problems else form


def told_elsewhere(form: ScenarioForm, problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems that no field shows."""
    names = {field.name for field in form.fields()}
    return [each for each in problems if each.path not in names]


def changed(document: dict[str, Any], base: dict[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return the document with the fields laid over it that are not as in `base`, from which the form was made."""
    told = copy.deepcopy(document)
    was = form_of(base)
    for field in was.fields():
        value = given.get(field.name)
        if value is not None and value.strip() != field.value:
            # Where the file has another shape by now, the file counts.
            with contextlib.suppress(TypeError, ValueError, AttributeError, LookupError):
                _put(told, field.place, _read(field.kind, value.strip()))
    slos = told.get("slos")
    if isinstance(slos, list):
        told["slos"] = [each for each in slos if not isinstance(each, dict) or set(each) - {"workload"}]
    return _with_choices(told, was, given)


def _with_choices(document: dict[str, Any], was: ScenarioForm, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the document with the ticked changes as variants. They are made anew: the load may have changed."""
    variants = dict(document.get("variants") or {}) if isinstance(document.get("variants", {}), dict) else None
    if variants is None or f"{VARIANT}shown" not in given:
        return document
    offered = {choice.preset.name for _, choices in was.choices for choice in choices}
    ticked = {name for name in offered if given.get(f"{VARIANT}{name}")}
    patches = {each.name: each.patch for each in presets_of(document)}
    for name in offered - ticked:
        variants.pop(name, None)
    for name in (each for each in patches if each in ticked):
        variants[name] = patches[name]
    rest = {key: value for key, value in document.items() if key != "variants"}
    return {**rest, "variants": variants} if variants else rest


def _workloads(document: dict[str, Any]) -> Iterator[tuple[str, str, tuple[Field, ...]]]:
    for place, workload in enumerate(_list(document.get("workloads"))):
        arrivals = workload.get("arrivals") if isinstance(workload, dict) else None
        if not isinstance(arrivals, dict):
            continue
        kind = str(arrivals.get("kind"))
        above: Place = ("workloads", place, "arrivals")
        fields = [
            _field(document, (*above, *key), label, what, unit) for key, label, what, unit in _ARRIVALS.get(kind, ())
        ]
        yield str(workload.get("name", "")), _ARRIVAL_WORDS.get(kind, kind), tuple(fields)


def _services(document: dict[str, Any]) -> Iterator[ServiceFields]:
    services = document.get("services")
    for name, told in services.items() if isinstance(services, dict) else ():
        if not isinstance(told, dict):
            continue
        above: Place = ("services", str(name))
        given = told.get("times")
        times: dict[str, Any] = given if isinstance(given, dict) else {}
        kind = str(times.get("kind"))
        shown = [each for each in _TIMES.get(kind, ()) if kind != "lognormal" or "p50" in times]
        yield ServiceFields(
            name=str(name),
            times=tuple(_field(document, (*above, "times", key), label, what) for key, label, what in shown),
            told=_times_told(kind, times),
            fields=(
                _field(document, (*above, "instances"), "Instances", NUMBER, usual="1"),
                _field(document, (*above, "capacity"), "Calls each serves at once", NUMBER, usual="1"),
                _field(document, (*above, "failures", "share"), "Share that fails", NUMBER, usual="0"),
            ),
        )


def _times_told(kind: str, times: dict[str, Any]) -> str:
    values = times.get("values")
    if kind == "empirical" and isinstance(values, list) and values:
        with contextlib.suppress(TypeError, ValueError):
            told = sorted(map(parse_duration, values))
            least, middle, most = (duration_words(each) for each in (told[0], told[len(told) // 2], told[-1]))
            return f"{len(told)} recorded times, {least} to {most}, half within {middle}"
    return kind


def _promises(document: dict[str, Any]) -> Iterator[Field]:
    slos = _list(document.get("slos"))
    first = slos[0] if slos and isinstance(slos[0], dict) else {}
    workloads = _list(document.get("workloads"))
    name = first.get("workload") or (
        workloads[0].get("name", "") if workloads and isinstance(workloads[0], dict) else ""
    )
    for key, label in (("p50", "Half within"), ("p95", "95 % within"), ("p99", "99 % within")):
        yield _field(document, ("slos", 0, key), label, DURATION, str(name))
    yield _field(document, ("slos", 0, "completed"), "Share that completes", NUMBER, str(name))


def _choices(document: dict[str, Any]) -> tuple[tuple[str, tuple[Choice, ...]], ...]:
    variants = document.get("variants")
    known = set(variants) if isinstance(variants, dict) else set()
    groups: dict[str, list[Choice]] = {}
    for preset in presets_of(document):
        groups.setdefault(preset.group, []).append(Choice(preset, preset.name in known))
    return tuple((group, tuple(choices)) for group, choices in groups.items())


def _others(document: dict[str, Any]) -> tuple[str, ...]:
    offered = {each.name for each in presets_of(document)}
    variants = document.get("variants")
    return tuple(str(each) for each in variants if each not in offered) if isinstance(variants, dict) else ()


def _field(document: Any, place: Place, label: str, kind: str, unit: str = "", *, usual: str = "") -> Field:
    value = document
    for key in place:
        if isinstance(value, dict):
            value = value.get(str(key))
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            value = None
    shown = usual if value is None else str(value) if not isinstance(value, float) else f"{value:.12g}"
    return Field(path_from(place), place, label, kind, shown, unit)


def _with_errors(form: ScenarioForm, problems: Sequence[Problem]) -> ScenarioForm:
    told = {each.path: each.message for each in reversed(problems)}

    def marked(fields: tuple[Field, ...]) -> tuple[Field, ...]:
        return tuple(replace(each, error=told.get(each.name, "")) for each in fields)

    return replace(
        form,
        workloads=tuple((name, kind, marked(fields)) for name, kind, fields in form.workloads),
        services=tuple(replace(each, times=marked(each.times), fields=marked(each.fields)) for each in form.services),
        promises=marked(form.promises),
        run=marked(form.run),
    )


def _read(kind: str, value: str) -> Any:
    """Return what a field's text stands for; what cannot be read stays a text, of which the language says so."""
    if not value:
        return None
    if kind == NUMBER:
        for read in (int, float):
            try:
                return read(value)
            except ValueError:
                continue
    return value


def _put(document: dict[str, Any], place: Place, value: Any) -> None:
    """Put a value into its place, making what is missing on the way; None takes it out."""
    here: Any = document
    for key, after in itertools.pairwise(place):
        if isinstance(here, list):
            while isinstance(key, int) and len(here) <= key:
                here.append(_first_promise(document) if place[0] == "slos" else {})
            here = here[int(key)]
        else:
            if not isinstance(here.get(key), dict | list):
                here[key] = [] if isinstance(after, int) else {}
            here = here[key]
    if value is not None:
        here[place[-1]] = value
        return
    here.pop(place[-1], None)
    if place == ("until_sure", "within"):
        document.pop("until_sure", None)
    if place[-2:] == ("failures", "share"):
        document[str(place[0])][place[1]].pop("failures", None)


def _first_promise(document: dict[str, Any]) -> dict[str, Any]:
    workloads = _list(document.get("workloads"))
    return {"workload": workloads[0].get("name", "")} if workloads and isinstance(workloads[0], dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
