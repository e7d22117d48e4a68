from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from pytest_django.fixtures import Settings

from orchestration.api.rates import BUCKETS, CALLERS_KEPT, Buckets
from tests.api.client import Caller


@pytest.fixture
def slow(settings: Settings):
    settings.PODIUM = replace(settings.PODIUM, api_rate=0.001, api_burst=3)
    BUCKETS.clear()
    yield
    BUCKETS.clear()


def test_it_refuses_a_caller_who_asks_too_often(slow: None, program: Caller, stranger: Caller):
    statuses = [program.get("workflows").status for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    answer = program.get("workflows")
    assert answer.code == "rate.limited"
    assert int(answer.headers["Retry-After"]) >= 900
    assert stranger.get("workflows").status == 200


def test_heartbeats_have_a_rate_of_their_own(slow: None, program: Caller, settings: Settings):
    settings.PODIUM = replace(settings.PODIUM, api_heartbeat_rate=0.001, api_heartbeat_burst=4)
    path = f"services/{uuid.uuid4()}/heartbeat"

    assert [program.ask("PUT", path).status for _ in range(5)] == [404] * 4 + [429]
    answer = program.ask("PUT", path)
    assert answer.code == "rate.limited"
    assert int(answer.headers["Retry-After"]) >= 900
    # Neither takes from the other.
    assert [program.get("workflows").status for _ in range(4)] == [200, 200, 200, 429]


def test_it_knows_no_limit_at_a_rate_of_zero(program: Caller, settings: Settings):
    settings.PODIUM = replace(settings.PODIUM, api_rate=0, api_burst=1)

    assert [program.get("workflows").status for _ in range(5)] == [200] * 5


def test_a_bucket_fills_up_again():
    buckets = Buckets()

    assert [buckets.take("a", rate=2, burst=2, now=0.0) for _ in range(3)] == [0, 0, 0.5]
    assert buckets.take("a", rate=2, burst=2, now=0.25) == 0.25
    assert buckets.take("a", rate=2, burst=2, now=0.5) == 0
    assert [buckets.take("a", rate=2, burst=2, now=100.0) for _ in range(3)] == [0, 0, 0.5]


def test_a_bucket_is_each_callers_own():
    buckets = Buckets()
    buckets.take("a", rate=1, burst=1, now=0.0)

    assert buckets.take("a", rate=1, burst=1, now=0.0) == 1
    assert buckets.take("b", rate=1, burst=1, now=0.0) == 0


def test_no_more_buckets_are_kept_than_the_limit():
    buckets = Buckets()
    for number in range(CALLERS_KEPT + 10):
        buckets.take(str(number), rate=1, burst=1, now=0.0)

    assert len(buckets) == CALLERS_KEPT
