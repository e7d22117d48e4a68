"""Amounts of resources, and quotas of them over periods."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.capacity.quotas import (
    Quota,
    Usage,
    granted,
    over_committed,
    remaining,
    returned,
    usage_at,
    window_ends,
    would_exceed,
)
from orchestration.domain.capacity.vector import Capacity, CapacityInvalid, parse_capacity
from orchestration.domain.errors import InvariantViolated
from orchestration.domain.instants import parse_instant

HOUR = 3_600_000_000
NOON = parse_instant("2026-03-01T12:00:00Z")
DAY = Quota("team", "shop", 24 * HOUR, {"cpu": 1000, "memory": 100})

amounts = st.builds(Capacity, st.integers(0, 10**12 - 1), *[st.integers(0, 10**15 - 1)] * 3)


def test_it_reads_and_writes_amounts_as_authors_do():
    found = parse_capacity({"cpu": "500m", "memory": "256Mi", "network": "10M"})
    assert found == Capacity(500, 256 * 2**20, 0, 10_000_000)
    assert parse_capacity(found.as_json()) == found
    assert str(found) == "cpu 500m, memory 256Mi, network 10000000"
    assert str(Capacity()) == "nothing"


@given(amounts)
def test_it_reads_what_it_writes(amount):
    assert parse_capacity(amount.as_json()) == amount


def test_it_tells_every_problem_with_its_path():
    with pytest.raises(CapacityInvalid) as caught:
        parse_capacity({"cpu": "much", "disk": 1, "memory": -1}, "nodes.a")
    assert {each.path: each.code for each in caught.value.problems} == {
        "nodes.a.cpu": "quantity.invalid",
        "nodes.a.disk": "key.unknown",
        "nodes.a.memory": "quantity.invalid",
    }
    with pytest.raises(CapacityInvalid, match="an object"):
        parse_capacity(5)


def test_it_counts_every_resource_by_itself():
    whole, part = Capacity(1000, 100, 10), Capacity(500, 80, 0)
    assert part + part == part * 2 == Capacity(1000, 160)
    assert whole - part == Capacity(500, 20, 10)
    assert part.fits(whole)
    assert not (part * 2).fits(whole)
    assert (part * 2).lacking(whole) == ("memory",)
    assert whole.free_of(part * 2) == Capacity(0, 0, 10)
    assert part.shares(whole) == {"cpu": 0.5, "memory": 0.8, "storage": 0.0, "network": 0.0}
    assert part.share(whole) == 0.8
    assert Capacity(network=1).share(whole) == float("inf")
    with pytest.raises(InvariantViolated):
        part - whole


def test_it_counts_what_is_granted_until_its_window_ends():
    usage = granted(DAY, Usage(usage_at(DAY, Usage(0), NOON).begins), Capacity(600), NOON)
    assert remaining(DAY, usage, NOON) == {"cpu": 400, "memory": 100}
    assert would_exceed(DAY, usage, Capacity(400), NOON) is None
    # Given back, it still counts today, and no longer tomorrow.
    usage = returned(DAY, usage, Capacity(600), NOON + HOUR)
    assert remaining(DAY, usage, NOON + HOUR)["cpu"] == 400
    assert remaining(DAY, usage, NOON + 12 * HOUR)["cpu"] == 1000


def test_it_says_what_would_be_exceeded_and_when_it_frees():
    usage = granted(DAY, Usage(0), Capacity(600), NOON)
    found = would_exceed(DAY, returned(DAY, usage, Capacity(500), NOON), Capacity(500), NOON)
    assert (found.code, found.resource, found.used, found.limit) == ("quota.exceeded", "cpu", 600, 1000)
    assert found.fits_at == window_ends(DAY.period, NOON) == parse_instant("2026-03-02T00:00:00Z")
    assert found.message == (
        "the quota of team shop is cpu 1 per period; 600m of it is used, 500m was asked for: "
        "it fits from 2026-03-02T00:00:00Z"
    )


def test_it_says_when_only_a_return_helps_and_when_nothing_does():
    usage = granted(DAY, Usage(0), Capacity(600), NOON)
    held = would_exceed(DAY, usage, Capacity(500), NOON)
    assert held.fits_at is None
    assert "when something that is held has been returned" in held.message
    never = would_exceed(DAY, usage, Capacity(1001, 101), NOON)
    assert not never.ever
    assert "never fits" in never.message


def test_it_carries_what_is_still_held_into_the_next_window():
    usage = granted(DAY, Usage(0), Capacity(600), NOON)
    tomorrow = NOON + 24 * HOUR
    assert remaining(DAY, usage, tomorrow)["cpu"] == 400
    usage = returned(DAY, usage, Capacity(600), tomorrow)
    assert remaining(DAY, usage, tomorrow)["cpu"] == 400
    with pytest.raises(InvariantViolated):
        usage_at(DAY, usage, NOON)
    with pytest.raises(InvariantViolated):
        returned(DAY, usage, Capacity(1), tomorrow)


def test_it_grants_nothing_new_while_a_lowered_limit_is_exceeded():
    usage = granted(DAY, Usage(0), Capacity(600), NOON)
    lowered = Quota("team", "shop", 24 * HOUR, {"cpu": 500})
    assert over_committed(lowered, usage, NOON) == {"cpu": 100}
    assert remaining(lowered, usage, NOON) == {"cpu": 0}
    assert would_exceed(lowered, usage, Capacity(1), NOON)
    # What it does not limit, and what is asked for none of, is never in the way.
    assert would_exceed(lowered, usage, Capacity(memory=2**40), NOON) is None


def test_it_refuses_quotas_that_cannot_be():
    for wrong in (
        ("person", "a", 1, {}),
        ("team", "a", 0, {}),
        ("team", "a", 1, {"disk": 1}),
        ("team", "a", 1, {"cpu": -1}),
    ):
        with pytest.raises(InvariantViolated):
            Quota(*wrong)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 400), st.booleans()), max_size=30))
def test_it_never_grants_more_than_the_limit_in_any_window(events):
    quota, usage, now, open_ones = Quota("service", "pay", HOUR, {"cpu": 1000}), Usage(0), 0, []
    spent = {}
    for minutes, amount, gives_back in events:
        now += minutes * 60_000_000
        asked = Capacity(amount)
        if gives_back and open_ones:
            usage = returned(quota, usage, open_ones.pop(), now)
        elif would_exceed(quota, usage, asked, now) is None:
            usage = granted(quota, usage, asked, now)
            open_ones.append(asked)
            spent[now // HOUR] = spent.get(now // HOUR, 0) + amount
        assert usage_at(quota, usage, now).used.cpu <= 1000
    assert all(each <= 1000 for each in spent.values())
