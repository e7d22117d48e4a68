"""Probes go by the live settings where their service's policy is silent."""

from __future__ import annotations

import pytest

from orchestration.configuration import operations, watching
from orchestration.registry.probe_rows import terms_of

SECOND = 1_000_000

pytestmark = pytest.mark.django_db


def test_they_hold_where_the_policy_is_silent():
    assert (terms_of({}).interval, terms_of({}).timeout) == (30 * SECOND, 10 * SECOND)
    operations.change_settings(
        values={"registry.heartbeat_interval": "20s", "registry.health_check_timeout": "2s"}, by="ana"
    )
    watching.watch().look()
    assert (terms_of({}).interval, terms_of({}).timeout) == (20 * SECOND, 2 * SECOND)
    said = terms_of({"probe": {"interval": "1m"}})
    assert (said.interval, said.timeout) == (60 * SECOND, 2 * SECOND)
