"""The settings that people change while the platform runs: names, kinds, defaults and bounds, and how they relate.

A value is a whole number (microseconds, bytes, a count) or a word; people write and read it as text with a unit: `30s`,
`1MB`. What is true of them all at once (a health check is over before the next heartbeat) is checked here as well,
so that whoever writes a value, the API or the admin, is told the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from .durations import format_duration, parse_duration
from .errors import Problem
from .limits import MICROSECONDS, Defaults
from .quantities import parse_size

Value = int | str
DURATION, SIZE, COUNT, CHOICE = "duration", "size", "count", "choice"

HEARTBEAT_INTERVAL = "registry.heartbeat_interval"
HEALTH_CHECK_TIMEOUT = "registry.health_check_timeout"
CLEANUP_INTERVAL = "registry.cleanup_interval"
MAX_CONCURRENT = "workflows.max_concurrent"
DEFAULT_TIMEOUT = "workflows.default_timeout"
RETRY_ATTEMPTS = "workflows.retry_attempts"
ALLOCATION_TIMEOUT = "resources.allocation_timeout"
QUOTA_PERIOD = "resources.quota_period"
REBALANCE_INTERVAL = "resources.rebalance_interval"
MAX_MESSAGE_SIZE = "messaging.max_message_size"
DEAD_LETTER_TTL = "messaging.dead_letter_ttl"
RETRY_BACKOFF = "messaging.retry_backoff"

_DECIMAL = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
_BINARY = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


@dataclass(frozen=True, slots=True)
class LiveSetting:
    """One setting: what it is and may be. `least` and `most` bound a number, `choices` are the words of a choice.

    `field` names the field of the site's settings, read from the environment, that gives its default (a duration in
    seconds), where there is one.
    """

    name: str
    kind: Literal["duration", "size", "count", "choice"]
    default: Value
    says: str
    least: int = 0
    most: int = 0
    choices: tuple[str, ...] = ()
    field: str = ""

    @property
    def area(self) -> str:
        """Return the first part of its name: what it belongs to."""
        return self.name.partition(".")[0]


def _duration(name: str, default: str, least: str, most: str, says: str, field: str = "") -> LiveSetting:
    bounds = [parse_duration(each) for each in (default, least, most)]
    return LiveSetting(name, "duration", bounds[0], says, bounds[1], bounds[2], field=field)


def _count(name: str, default: int, most: int, says: str, field: str) -> LiveSetting:
    return LiveSetting(name, "count", default, says, 1, most, field=field)


_ALL = (
    _duration(
        HEARTBEAT_INTERVAL,
        "30s",
        "1s",
        "1h",
        "how often an instance is asked for its health, or says that it is there, where its service does not say",
        "probe_seconds",
    ),
    _duration(
        HEALTH_CHECK_TIMEOUT,
        "10s",
        "100ms",
        "5m",
        "how long the answer to a health check may take, where the service does not say",
        "probe_timeout_seconds",
    ),
    _duration(CLEANUP_INTERVAL, "5m", "5s", "1d", "how often instances that have long been silent are cleared away"),
    _count(
        MAX_CONCURRENT, 100, 10_000_000, "executions of one workflow at once, where it does not say", "max_concurrent"
    ),
    _duration(
        DEFAULT_TIMEOUT,
        "1h",
        "1s",
        "365d",
        "an execution's time, where its workflow does not say",
        "execution_timeout_seconds",
    ),
    _count(RETRY_ATTEMPTS, 3, 1_000, "calls of a step in all, where its workflow does not say", "retry_attempts"),
    _duration(ALLOCATION_TIMEOUT, "30s", "1s", "1h", "how long an allocation waits for room"),
    _duration(QUOTA_PERIOD, "24h", "1m", "366d", "the time over which quotas are counted"),
    _duration(REBALANCE_INTERVAL, "5m", "10s", "1d", "how often it is looked whether load should move between nodes"),
    LiveSetting(MAX_MESSAGE_SIZE, "size", 10**6, "the longest message that is taken on", 10**3, 64 * 2**20),
    _duration(DEAD_LETTER_TTL, "24h", "1m", "365d", "how long a message that could not be delivered is kept"),
    LiveSetting(
        RETRY_BACKOFF,
        "choice",
        "exponential",
        "how the pauses between deliveries of a message grow",
        choices=("fixed", "linear", "exponential"),
    ),
)
CATALOGUE: Mapping[str, LiveSetting] = {each.name: each for each in _ALL}

# (what may not be longer, than what, why)
RELATIONS = (
    (HEALTH_CHECK_TIMEOUT, HEARTBEAT_INTERVAL, "a health check is to be over before the next heartbeat is due"),
    (HEARTBEAT_INTERVAL, CLEANUP_INTERVAL, "an instance is to be heard of before the silent ones are cleared away"),
    (ALLOCATION_TIMEOUT, QUOTA_PERIOD, "an allocation may not wait for longer than quotas are counted"),
)


def read_value(setting: LiveSetting, given: Any) -> Value:
    """Return the value that `given` stands for: a text with a unit, a number (seconds, bytes, a count), or a word.

    Raises ValueRefused, with a stable code, for what is none or does not lie within the setting's bounds.
    """
    if setting.kind == CHOICE:
        if given not in setting.choices or not isinstance(given, str):
            raise ValueRefused("value.choice", f"{setting.name} is one of {', '.join(setting.choices)}")
        return given
    value = _read_number(setting, given)
    if not setting.least <= value <= setting.most:
        least, most = shown(setting, setting.least), shown(setting, setting.most)
        raise ValueRefused("value.range", f"{setting.name} lies in {least} to {most}, not at {shown(setting, value)}")
    return value


class ValueRefused(ValueError):
    """A value that its setting does not take."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _read_number(setting: LiveSetting, given: Any) -> int:
    if setting.kind == COUNT:
        if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 19:
            return int(given)
        if isinstance(given, bool) or not isinstance(given, int):
            raise ValueRefused("value.type", f"{setting.name} is a whole number")
        return given
    try:
        if setting.kind == DURATION:
            return parse_duration(given)
        return parse_size(given.removesuffix("B") if isinstance(given, str) else given)
    except ValueError as error:
        raise ValueRefused(f"{setting.kind}.invalid", f"{setting.name}: {error}") from None


def shown(setting: LiveSetting, value: Value) -> Value:
    """Return a value as it is written: a text with a unit, a whole number for a count, a word for a choice."""
    if isinstance(value, str) or setting.kind == COUNT:
        return value
    return format_duration(value) if setting.kind == DURATION else format_bytes(value)


def format_bytes(amount: int) -> str:
    """Return a number of bytes with the largest unit that divides it: `1MB`, `1MiB`, `1500B`."""
    found = [(factor, unit) for unit, factor in (*_DECIMAL, *_BINARY) if amount and amount % factor == 0]
    factor, unit = max(found, default=(1, "B"))
    return f"{amount // factor}{unit}"


def read_values(given: Mapping[str, Any]) -> tuple[dict[str, Value], list[Problem]]:
    """Return the values by name, and everything that is wrong with them: names that are none, values refused."""
    values: dict[str, Value] = {}
    problems: list[Problem] = []
    for name, value in given.items():
        setting = CATALOGUE.get(name)
        if setting is None:
            problems.append(_unknown(name))
            continue
        try:
            values[name] = read_value(setting, value)
        except ValueRefused as error:
            problems.append(Problem(name, error.code, f"{error}."))
    return values, problems


def _unknown(name: str) -> Problem:
    near = difflib.get_close_matches(name[:100], CATALOGUE, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(CATALOGUE)}."
    return Problem(name[:100], "key.unknown", f"There is no setting {name[:60]!r}. {hint}")


def relation_problems(values: Mapping[str, Value]) -> Iterator[Problem]:
    """Yield what is wrong with all values (one for each setting) taken together."""
    for shorter, longer, why in RELATIONS:
        if int(values[shorter]) > int(values[longer]):
            texts = [shown(CATALOGUE[name], values[name]) for name in (shorter, longer)]
            message = f"{shorter} ({texts[0]}) is longer than {longer} ({texts[1]}): {why}."
            yield Problem(shorter, "value.relation", message)


def value_of_field(setting: LiveSetting, given: float) -> Value:
    """Return the value that the site's settings give by the setting's field (durations there are seconds)."""
    return round(given * MICROSECONDS) if setting.kind == DURATION else round(given)


def defaults_with(values: Mapping[str, Value], base: Defaults) -> Defaults:
    """Return what holds where a definition is silent, with what the settings say of it."""
    return replace(
        base,
        execution_timeout=int(values[DEFAULT_TIMEOUT]),
        retry_attempts=int(values[RETRY_ATTEMPTS]),
        max_concurrent=int(values[MAX_CONCURRENT]),
    )
