"""Settings that cannot work together are refused at the start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestration.checks import check_settings


def _ids() -> set[str]:
    return {message.id for message in check_settings(None)}


def test_it_finds_nothing_wrong_with_the_defaults():
    assert _ids() == set()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"workers": 0}, "podium.E001"),
        ({"sweep_seconds": 0}, "podium.E002"),
        ({"heartbeat_seconds": 4.0}, "podium.E010"),
        ({"sweep_seconds": 6.0}, "podium.E011"),
        ({"shift_linger_seconds": 45.0}, "podium.E012"),
        ({"claim_batch": 501}, "podium.E013"),
        ({"shift_seconds": 50.0}, "podium.E020"),
        ({"probe_timeout_seconds": 30.0}, "podium.E030"),
        ({"service_connect_seconds": 31.0}, "podium.E031"),
        ({"max_concurrent": 10_000_001}, "podium.E050"),
        ({"execution_timeout_seconds": 0.5}, "podium.E050"),
        ({"service_back_batch": 0}, "podium.E001"),
        ({"postponed_max_seconds": 0.5}, "podium.E032"),
        ({"postponed_busy_max_seconds": 0.5}, "podium.E032"),
        ({"postponed_busy_max_seconds": 301.0}, "podium.E033"),
        ({"env": "staging"}, "podium.E040"),
        ({"log_level": "LOUD"}, "podium.E041"),
        ({"outbound_allow": ("everywhere",)}, "podium.E042"),
        ({"env": "production"}, "podium.E044"),
        ({"base_url": "ftp://example.org"}, "podium.E043"),
    ],
)
def test_it_refuses(settings, changes: dict, code: str):
    settings.PODIUM = replace(settings.PODIUM, **changes)
    assert code in _ids()


def test_it_refuses_a_queue_that_hands_a_task_out_twice(settings):
    settings.Q_CLUSTER = settings.Q_CLUSTER | {"retry": settings.Q_CLUSTER["timeout"]}
    assert _ids() == {"podium.E021"}


def test_it_refuses_limits_below_one(settings):
    settings.PODIUM = replace(settings.PODIUM, limits=replace(settings.PODIUM.limits, steps=0))
    assert _ids() == {"podium.E003"}
