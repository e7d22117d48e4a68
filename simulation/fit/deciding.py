"""Which parts of inputs and answers decide how an execution goes, by the definition that reads them.

Conditions, loops, waits, limits and the inputs of other workflows decide, and what they read; what is only handed to a
service or given back at the end does not. A name is kept if it stands in any text that may decide: rather one too
many than one too few, and what nothing reads is never copied into a scenario.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_EXPRESSION = re.compile(r"\$\{(.*?)\}", re.DOTALL)
_WHOLE = re.compile(r"\b(?:input|vars|output|steps)\b(?!\s*[.\[])")
_TOLD_ONLY = frozenset({"id", "name", "description", "method", "service_name", "type", "dependencies"})
_HANDED_ON = frozenset({"service", "notification"})
_BARE = frozenset({"condition", "while", "until", "match", "items"})
"""Keys whose texts are expressions without `${…}`."""


@dataclass(frozen=True, slots=True)
class Deciding:
    """The texts of definitions that may decide; `everything` where one of them reads a whole object."""

    text: str
    everything: bool

    def part_of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what of an input or an answer may decide."""
        return {name: value for name, value in values.items() if self.everything or name in self.text}


def deciding(definitions: Mapping[str, Mapping[str, Any]]) -> Deciding:
    """Return what decides in definitions, by their ids."""
    named: list[tuple[str, Any]] = []
    texts = [text for each in definitions.values() for text in _steps(each.get("steps"), named)]
    while True:
        # What a step names in its `output` decides only if that name is read by what decides.
        text = "\n".join(texts)
        read = [each for each in named if each[0] in text]
        if not read:
            return Deciding(text, any(_WHOLE.search(each) for each in texts))
        named = [each for each in named if each[0] not in text]
        texts += [found for _, value in read for found in _expressions(value, bare=False)]


def _steps(steps: Any, named: list[tuple[str, Any]]) -> Iterator[str]:
    """Yield the texts of steps that decide; what they name in their outputs is put with `named`."""
    for step in steps if isinstance(steps, list | tuple) else ():
        for key, value in step.items():
            if key == "steps":
                yield from _steps(value, named)
            elif key == "output" and isinstance(value, Mapping):
                named += value.items()
            elif key in _TOLD_ONLY or key == "compensate" or (key == "input" and step.get("type") in _HANDED_ON):
                continue
            else:
                yield from _expressions(value, bare=key in _BARE)


def _expressions(value: Any, *, bare: bool) -> Iterator[str]:
    if isinstance(value, str):
        yield from [value] if bare else _EXPRESSION.findall(value)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _expressions(each, bare=bare or key in _BARE)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _expressions(each, bare=bare)
