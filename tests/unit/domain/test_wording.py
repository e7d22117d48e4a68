"""What is said of bad documents is said in our own words, whatever is put wherever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.domain.calling.policy import parse_policy
from orchestration.domain.definition import parse_definition
from orchestration.domain.errors import DocumentInvalid
from tests.unit.domain.misfits import BAD, foreign_words, places, put

DEFINITION: dict[str, Any] = {
    "id": "a",
    "input_schema": {"type": "object"},
    "config": {"timeout": "1h", "parallel_limit": 5, "failure_policy": "retry", "priority": 2},
    "triggers": [
        {"type": "schedule", "schedule": "* * * * *", "timezone": "UTC", "overlap": "skip", "enabled": True},
        {"type": "event", "event": "a.b", "condition": "true"},
    ],
    "steps": [
        {
            "id": "s",
            "type": "service",
            "service_name": "x",
            "method": "m",
            "input": {"a": 1},
            "delivery": "at-most-once",
            "on_success": ["w"],
            "timeout": "5s",
            "retry": {"max_attempts": 2, "delay": "1s", "backoff": "fixed", "jitter": 0.2, "on": ["timeout"]},
            "compensate": {"service_name": "y", "method": "z", "timeout": "3s"},
            "resources": {"cpu": "500m", "memory": "1Gi"},
        },
        {"id": "p", "type": "parallel", "mode": "all", "steps": [{"id": "d", "type": "delay", "duration": "1s"}]},
        {"id": "w", "type": "wait", "signal": "go", "on_timeout": "continue", "assignees": ["a"]},
    ],
}
POLICY: dict[str, Any] = {
    "balance": "weighted",
    "timeout": "2s",
    "select": {"tags": ["a"], "version": "1"},
    "callers": ["a"],
    "concurrency": {"limit": 5},
    "rate": {"per_second": 3, "burst": 2},
    "breaker": {"enabled": True, "failures": 0.5, "window": "10s"},
    "probe": {"interval": "30s", "timeout": "5s", "rise": 2},
    "tls": {"ca": "a.pem", "certificate": "c.pem", "key": "k.pem", "server_name": "x.y"},
}


@pytest.mark.parametrize(("parse", "document"), [(parse_definition, DEFINITION), (parse_policy, POLICY)])
def test_it_speaks_our_own_words_wherever_a_value_does_not_fit(parse: Callable[[Any], Any], document: dict[str, Any]):
    parse(document)
    foreign = set()
    refused = 0
    for place in places(document):
        for bad in BAD:
            try:
                parse(put(document, place, bad))
            except DocumentInvalid as error:
                refused += 1
                foreign |= {(each.path, each.message) for each in error.problems if foreign_words(each.message)}
    assert foreign == set()
    assert refused > 100


@pytest.mark.parametrize(
    ("policy", "path", "code", "message"),
    [
        ({"select": {"tags": ["a"] * 33}}, "select.tags", "list.length", "has 33 entries; at most 32 are allowed"),
        ({"callers": ["a"] * 101}, "callers", "list.length", "has 101 entries; at most 100 are allowed"),
        ({"select": {"version": "1" * 65}}, "select.version", "text.length", "must have at most 64 characters"),
        (
            {"tls": {"ca": "../ca.pem"}},
            "tls.ca",
            "text.format",
            "must be the name of a file, without a folder: 1 to 100 of A-Z, a-z, 0-9, ., _ and -, "
            "a letter or digit first",
        ),
        ({"tls": []}, "tls", "value.type", "must be an object"),
        ({"timeout": 1e308}, "timeout", "duration.invalid", "a duration is at most 365250d"),
    ],
)
def test_a_policy_says_what_would_be_allowed(policy: dict[str, Any], path: str, code: str, message: str):
    with pytest.raises(DocumentInvalid) as caught:
        parse_policy(policy)
    assert [(each.path, each.code, each.message) for each in caught.value.problems] == [(path, code, message)]


@pytest.mark.parametrize(
    ("key", "value", "code", "message"),
    [
        ("id", "Ümlaut", "text.format", "must be 1 to 63 of a-z, 0-9 and -, a letter first"),
        ("input_schema.type", "nope", "schema.invalid", "must be one of array, boolean"),
        ("config.timeout", 1e300, "duration.invalid", "a duration is at most 365250d"),
    ],
)
def test_a_definition_says_what_would_be_allowed(key: str, value: Any, code: str, message: str):
    with pytest.raises(DocumentInvalid) as caught:
        parse_definition(put(DEFINITION, tuple(key.split(".")), value))
    (problem,) = caught.value.problems
    assert (problem.path, problem.code) == (key, code)
    assert problem.message.startswith(message)
