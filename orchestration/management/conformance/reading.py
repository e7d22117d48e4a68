"""Reading one object of a scenario key by key: every wrong value names its place, and no key is passed over."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from orchestration.domain.durations import parse_duration
from orchestration.domain.errors import DocumentInvalid, Problem

T = TypeVar("T")


class _Unsaid:
    """The one value of a key that a scenario leaves out, where `null` means something else."""

    def __repr__(self) -> str:
        return "unsaid"


UNSAID: Final = _Unsaid()


def refuse(path: str, message: str) -> DocumentInvalid:
    """Return the error for a scenario that cannot be played, naming the place and what is wrong there."""
    return DocumentInvalid(f"{path}: {message}" if path else message, [Problem(path, "scenario", message)])


class Reader:
    """One object of a scenario. Each key is taken once; `done` refuses those that nobody asked for.

    All methods raise DocumentInvalid with the path of what is wrong.
    """

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise refuse(path, f"must be an object, not {kind_of(value)}")
        self._rest = dict(value)
        self._known: list[str] = []
        self.path = path

    def at(self, key: str) -> str:
        """Return the path of one key."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Tell whether the key is there and has not been taken yet."""
        return key in self._rest

    def take(self, key: str, default: Any = None) -> Any:
        """Return the key's value as it stands, or `default` if it is left out."""
        self._known.append(key)
        return self._rest.pop(key, default)

    def text(self, key: str, default: str | None = None) -> str | None:
        """Return a text."""
        return self._typed(key, default, str, "a text")

    def needed_text(self, key: str) -> str:
        """Return a text that must be there."""
        text = self.text(key)
        if text is None:
            raise refuse(self.at(key), "is missing")
        return text

    def boolean(self, key: str, default: bool | None = False) -> bool | None:
        """Return true or false."""
        return self._typed(key, default, bool, "true or false")

    def count(self, key: str) -> int | None:
        """Return a whole number, 0 or more."""
        return as_count(self._rest.pop(key), self.at(key)) if self._seen(key) else None

    def duration(self, key: str, default: int | None = None) -> int | None:
        """Return a duration in microseconds."""
        return as_duration(self._rest.pop(key), self.at(key)) if self._seen(key) else default

    def sequence(self, key: str) -> list[Any] | None:
        """Return a list."""
        return self._typed(key, None, list, "a list")

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return a list of texts."""
        return self.each(key, as_text)

    def each(self, key: str, read: Callable[[Any, str], T]) -> tuple[T, ...] | None:
        """Return a list whose members are read by `read(value, path)`."""
        members = self.sequence(key)
        if members is None:
            return None
        return tuple(read(member, f"{self.at(key)}[{place}]") for place, member in enumerate(members))

    def mapping(self, key: str, read: Callable[[Any, str], T]) -> dict[str, T] | None:
        """Return an object whose values are read by `read(value, path)`."""
        members = self._typed(key, None, dict, "an object")
        if members is None:
            return None
        return {name: read(member, f"{self.at(key)}.{name}") for name, member in members.items()}

    def done(self) -> None:
        """Refuse the keys that nobody asked for."""
        for key in self._rest:
            near = difflib.get_close_matches(key, self._known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(self._known))}"
            raise refuse(self.at(key), f"unknown key{hint}")

    def _seen(self, key: str) -> bool:
        self._known.append(key)
        return key in self._rest

    def _typed(self, key: str, default: Any, kind: type, what: str) -> Any:
        if not self._seen(key):
            return default
        value = self._rest.pop(key)
        if not isinstance(value, kind):
            raise refuse(self.at(key), f"must be {what}, not {kind_of(value)}")
        return value


def as_text(value: Any, path: str) -> str:
    """Return `value`, which must be a text."""
    if not isinstance(value, str):
        raise refuse(path, f"must be a text, not {kind_of(value)}")
    return value


def as_count(value: Any, path: str) -> int:
    """Return `value`, which must be a whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise refuse(path, "must be a whole number, 0 or more")
    return value


def as_duration(value: Any, path: str) -> int:
    """Return the microseconds of `value`, which must be a duration."""
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"must be a duration, not {kind_of(value)}")
        return parse_duration(value)
    except ValueError as error:
        raise refuse(path, str(error)) from error


def as_pair(value: Any, path: str) -> Sequence[Any]:
    """Return `value`, which must be a list of two."""
    if not isinstance(value, list) or len(value) != 2:
        raise refuse(path, "must be a list of two")
    return value


def kind_of(value: Any) -> str:
    """Return what JSON calls this kind of value."""
    if value is None:
        return "null"
    kinds: dict[type, str] = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list"}
    return kinds.get(type(value), "an object")
