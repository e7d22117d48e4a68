"""Scripted services: lists of answers, used in order, the last one for ever.

`Script` is one method's file entry and never changes; `Services` counts, for one run of a scenario, how far each list
has been used. What an answer means on the wire is up to the shell: the virtual one turns it into what the engine's
client would make of it (`virtual.py`), the live one lets the client find out by itself (`live.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.domain.documents import check_value
from orchestration.domain.postponement import REASONS

from .comparing import equal
from .reading import Reader, refuse

DEFAULT_AFTER = 10_000
BULK = "text"


@dataclass(frozen=True, slots=True)
class ScriptedError:
    """The error that a service answers with. `retryable` is its own word, if it gave one; `retry_after` is in µs."""

    code: str
    message: str
    retryable: bool | None
    retry_after: int | None
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScriptedPostponement:
    """The call is not made: for `reason`, and it makes sense to ask again `after` so many microseconds."""

    reason: str
    message: str
    after: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a script. `after` and `accepted` are microseconds from the call.

    `hang`: never answers. `accepted`: answers 202 then, and `after` is when the result is posted (never, with `hang`).
    `postponed`: there is no call to be answered, and nothing else counts.
    """

    after: int = DEFAULT_AFTER
    output: Any = None
    error: ScriptedError | None = None
    hang: bool = False
    output_bytes: int | None = None
    accepted: int | None = None
    postponed: ScriptedPostponement | None = None

    def value(self) -> Any:
        """Return what the service answers: its output as it stands in the script, or an object of the size asked."""
        return self.output if self.output_bytes is None else {BULK: "x" * self.output_bytes}


AT_ONCE = Answer(after=0)
"""What a notification comes to that has no script."""


@dataclass(slots=True)
class _List:
    """The answers to one kind of call; `when` None is every call that nothing else fits."""

    when: Mapping[str, Any] | None
    answers: list[Answer]

    def fits(self, given: Any) -> bool:
        if self.when is None:
            return True
        return isinstance(given, Mapping) and all(
            name in given and equal(given[name], value) for name, value in self.when.items()
        )


@dataclass(frozen=True, slots=True)
class Script:
    """The answers of one method, in lists by their `when`, those without one last."""

    lists: tuple[_List, ...]

    def choose(self, given: Any) -> int | None:
        """Return which list serves a call with the input `given`, None if none does."""
        return next((place for place, each in enumerate(self.lists) if each.fits(given)), None)


class NoAnswer(Exception):
    """A call that none of its method's answers is for: the scenario's own fault."""


class NoService(Exception):
    """A call of a service that the scenario does not have."""


class NoMethod(Exception):
    """A call of a method that its service does not have."""


class Services:
    """The services of one run of a scenario. A service exists if one of its methods is scripted."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self._scripts = scripts
        self._used: dict[tuple[str, int], int] = {}

    def answer(self, service: str, method: str, given: Any, *, notification: bool = False) -> Answer:
        """Return the answer to one more call of the method with the input `given`, and count it as used.

        Raises NoService, NoMethod, or NoAnswer if the script has no answer for such an input.
        """
        name = f"{service}.{method}"
        script = self._scripts.get(name)
        if script is None:
            if notification:
                return AT_ONCE
            if any(other.startswith(f"{service}.") for other in self._scripts):
                raise NoMethod(name)
            raise NoService(service)
        chosen = script.choose(given)
        if chosen is None:
            raise NoAnswer(f"services.{name} has no answer for a call with the input {given!r}")
        answer = self._next(script, name, chosen)
        self._used[name, chosen] = self._used.get((name, chosen), 0) + 1
        return answer

    def postponement(self, service: str, method: str, given: Any) -> ScriptedPostponement | None:
        """Return why one more call may not be made, and count that as used; None, with nothing used, if it may."""
        name = f"{service}.{method}"
        script = self._scripts.get(name)
        chosen = None if script is None else script.choose(given)
        if script is None or chosen is None or self._next(script, name, chosen).postponed is None:
            return None
        return self.answer(service, method, given).postponed

    def _next(self, script: Script, name: str, chosen: int) -> Answer:
        answers = script.lists[chosen].answers
        return answers[min(self._used.get((name, chosen), 0), len(answers) - 1)]


def read_script(value: Any, path: str) -> Script:
    """Read the answers of one method.

    Raises DocumentInvalid with the path of what is wrong.
    """
    if not isinstance(value, list) or not value:
        raise refuse(path, "must be a list of at least one answer")
    lists: list[_List] = []
    rest = _List(None, [])
    for place, member in enumerate(value):
        when, answer = _read_answer(member, f"{path}[{place}]")
        if when is None:
            rest.answers.append(answer)
            continue
        for each in lists:
            if equal(each.when, when):
                each.answers.append(answer)
                break
        else:
            lists.append(_List(when, [answer]))
    return Script((*lists, rest) if rest.answers else tuple(lists))


def _read_answer(value: Any, path: str) -> tuple[Mapping[str, Any] | None, Answer]:
    reader = Reader(value, path)
    when = reader.mapping("when", lambda member, _: member)
    answer = Answer(
        after=reader.duration("after", DEFAULT_AFTER) or 0,
        output=reader.take("output"),
        error=_read_error(reader.take("error"), reader.at("error")) if reader.has("error") else None,
        hang=bool(reader.boolean("hang")),
        output_bytes=reader.count("output_bytes"),
        accepted=reader.duration("accepted"),
        postponed=_read_postponement(reader.take("postponed"), reader.at("postponed"))
        if reader.has("postponed")
        else None,
    )
    reader.done()
    return when, answer


def _read_postponement(value: Any, path: str) -> ScriptedPostponement:
    reader = Reader(value, path)
    reason = reader.needed_text("reason")
    if reason not in REASONS:
        raise refuse(reader.at("reason"), f"must be one of {', '.join(sorted(REASONS))}")
    postponed = ScriptedPostponement(reason, reader.text("message") or "", reader.duration("after"))
    reader.done()
    return postponed


def _read_error(value: Any, path: str) -> ScriptedError:
    unfit = check_value(value, path)
    if unfit:
        raise refuse(unfit[0].path, unfit[0].message)
    reader = Reader(value, path)
    code = reader.needed_text("code")
    error = ScriptedError(
        code=code,
        message=reader.text("message") or code,
        retryable=reader.boolean("retryable", None),
        retry_after=reader.duration("retry_after"),
        details=reader.mapping("details", lambda detail, _: detail) or {},
    )
    reader.done()
    return error
