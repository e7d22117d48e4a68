"""What a service's policy may say, and what holds where it says nothing."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.calling.policy import (
    DEFAULT_POLICY,
    Concurrency,
    PolicyInvalid,
    Rate,
    ServicePolicy,
    Tls,
    parse_policy,
    policy_document,
    policy_schema,
    policy_schema_text,
)

SECOND = 1_000_000
SCHEMA = jsonschema_rs.Draft202012Validator(policy_schema())


def problems_of(document: Any, path: str = "") -> list[tuple[str, str]]:
    with pytest.raises(PolicyInvalid) as refused:
        parse_policy(document, path)
    return [(problem.path, problem.code) for problem in refused.value.problems]


def test_it_has_a_sane_default_for_everything():
    policy = parse_policy({})
    assert policy == DEFAULT_POLICY == ServicePolicy()
    assert (policy.retry_budget.enabled, policy.breaker.enabled) == (True, True)
    probe = policy.probe
    assert (probe.interval, probe.timeout, probe.rise, probe.fall) == (30 * SECOND, 10 * SECOND, 2, 3)
    assert (policy.concurrency, policy.rate, policy.timeout, policy.tls) == (None, None, None, None)


def test_it_reads_every_section():
    policy = parse_policy(
        {
            "balance": "weighted",
            "timeout": "2s",
            "concurrency": {"limit": 7},
            "rate": {"per_second": 2.5, "burst": 5},
            "ramp": {"over": 0},
            "select": {"tags": ["blue"], "version": "2"},
            "tls": {"ca": "authority.pem", "certificate": "client.pem", "server_name": "pay.internal"},
        }
    )
    assert (policy.balance, policy.timeout, policy.ramp.over) == ("weighted", 2 * SECOND, 0)
    assert (policy.concurrency, policy.rate) == (Concurrency(7), Rate(2.5, 5))
    assert (policy.select.tags, policy.select.version) == (("blue",), "2")
    assert policy.tls == Tls(ca="authority.pem", certificate="client.pem", server_name="pay.internal")


@pytest.mark.parametrize("document", [[], "x", 1, None])
def test_it_refuses_what_is_no_object(document: Any):
    assert problems_of(document, "policy") == [("policy", "value.type")]


def test_it_tells_all_that_is_wrong_at_once_and_where():
    document = {
        "balance": "dice",
        "breaker": {"failures": 2, "windows": "1s", "window": "soon"},
        "concurrency": {},
        "rate": 5,
        "retries": 3,
        "retry_budget": None,
        "select": {"tags": [1]},
        "tls": {"ca": "../../etc/passwd"},
    }
    assert sorted(problems_of(document, "policy")) == [
        ("policy.balance", "value.choice"),
        ("policy.breaker.failures", "value.range"),
        ("policy.breaker.window", "duration.invalid"),
        ("policy.breaker.windows", "key.unknown"),
        ("policy.concurrency.limit", "key.missing"),
        ("policy.rate", "value.type"),
        ("policy.retries", "key.unknown"),
        ("policy.retry_budget", "value.type"),
        ("policy.select.tags[0]", "value.type"),
        ("policy.tls.ca", "text.format"),
    ]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"breaker": {"open_for": "2m"}}, ("breaker.open_at_most", "value.range")),
        ({"breaker": {"window": 0}}, ("breaker.window", "duration.range")),
        ({"probe": {"interval": "5s"}}, ("probe.timeout", "value.range")),
        ({"timeout": 0}, ("timeout", "duration.range")),
        ({"tls": {"key": "client.key"}}, ("tls.certificate", "key.missing")),
        ({"concurrency": {"limit": True}}, ("concurrency.limit", "value.type")),
        ({"concurrency": {"limit": 0}}, ("concurrency.limit", "value.range")),
        ({"rate": {"per_second": float("nan")}}, ("rate.per_second", "document.not_finite")),
        ({"select": {"tags": ["a"] * 33}}, ("select.tags", "list.length")),
        ({"rate": {"per_second": "5"}}, ("rate.per_second", "value.type")),
    ],
)
def test_it_refuses_what_contradicts_itself_or_means_nothing(document: dict[str, Any], expected: tuple[str, str]):
    assert problems_of(document) == [expected]


numbers = st.floats(1, 1000).map(lambda number: round(number, 3))
durations = st.integers(1_000, 3600 * SECOND).map(lambda microseconds: f"{microseconds}us")
documents = st.fixed_dictionaries(
    {},
    optional={
        "balance": st.sampled_from(["round-robin", "least-connections", "weighted"]),
        "timeout": durations,
        "concurrency": st.fixed_dictionaries({"limit": st.integers(1, 1000)}),
        "rate": st.fixed_dictionaries({"per_second": numbers}, optional={"burst": st.integers(1, 50)}),
        "retry_budget": st.fixed_dictionaries({}, optional={"cap": numbers, "enabled": st.booleans()}),
        "ramp": st.fixed_dictionaries({"over": durations}),
        "heartbeat": st.fixed_dictionaries({"ttl": durations}),
        "tls": st.fixed_dictionaries({"ca": st.just("ca.pem")}),
    },
)


@given(documents)
def test_it_writes_down_what_it_reads_back(document: dict[str, Any]):
    policy = parse_policy(document)
    written = policy_document(policy)
    assert parse_policy(written) == policy
    assert SCHEMA.is_valid(document)
    assert SCHEMA.is_valid(written)


def test_its_schema_says_what_each_key_is_for():
    properties = policy_schema()["$defs"]["Breaker"]["properties"]
    assert {name for name, said in properties.items() if not said.get("description")} == set()
    assert properties["open_for"]["default"] == "5s"


def test_its_page_carries_the_schema():
    page = Path(__file__).parents[4] / "docs/reference/service-policy.schema.json"
    assert page.read_text(encoding="utf-8") == policy_schema_text()


def test_it_is_made_of_frozen_parts():
    parts = [DEFAULT_POLICY, *(getattr(DEFAULT_POLICY, each.name) for each in fields(DEFAULT_POLICY))]
    assert all(part.__dataclass_params__.frozen for part in parts if is_dataclass(part))
