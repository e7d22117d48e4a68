"""The platform's settings, as they are read from an environment."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from config.podium import PodiumSettings, SettingUnreadable


def test_it_has_a_default_for_everything():
    settings = PodiumSettings.from_environment({})
    assert settings.lease_seconds == 6
    assert settings.limits.steps == 2000
    assert not settings.production


def test_it_reads_every_kind_of_value():
    settings = PodiumSettings.from_environment(
        {
            "PODIUM_DATA_DIR": "here/there",
            "PODIUM_SHIFT_CONCURRENCY": "7",
            "PODIUM_LEASE_SECONDS": "1.5",
            "PODIUM_DEMO": "Yes",
            "PODIUM_PYTHON_SERVICES": "one.two, three",
            "PODIUM_LIMIT_STEPS": "12",
            "PODIUM_ENV": "production",
        }
    )
    assert settings.data_dir == Path("here/there")
    assert settings.shift_concurrency == 7
    assert settings.lease_seconds == 1.5
    assert settings.demo is True
    assert settings.python_services == ("one.two", "three")
    assert settings.limits.steps == 12
    assert settings.production


def test_it_calls_nothing_in_its_own_network_in_production_unless_it_is_said():
    production = {"PODIUM_ENV": "production"}
    assert PodiumSettings.from_environment(production).outbound_allow == ("public",)
    said = production | {"PODIUM_OUTBOUND_ALLOW": "public,10.1.0.0/16"}
    assert PodiumSettings.from_environment(said).outbound_allow == ("public", "10.1.0.0/16")
    assert "loopback" in PodiumSettings.from_environment({}).outbound_allow


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PODIUM_WORKERS", "many"),
        ("PODIUM_LEASE_SECONDS", "6s"),
        ("PODIUM_DEMO", "perhaps"),
        ("PODIUM_LIMIT_STEPS", ""),
    ],
)
def test_it_names_the_variable_that_it_cannot_read(name: str, text: str):
    with pytest.raises(SettingUnreadable, match=name):
        PodiumSettings.from_environment({name: text})


def test_it_gives_the_domain_its_defaults_in_microseconds():
    defaults = PodiumSettings.from_environment({"PODIUM_SERVICE_TIMEOUT_SECONDS": "1.5"}).defaults
    assert defaults.step_timeout == 1_500_000
    assert defaults.wait_timeout == 86_400_000_000


def test_it_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        PodiumSettings().workers = 3  # type: ignore[misc]
