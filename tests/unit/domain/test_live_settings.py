"""The live settings: what they may be, how they are written, and what is true of them together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain import live_settings as live
from orchestration.domain.limits import DEFAULTS

SECOND = 1_000_000
AS_THE_DESIGN_HAS_THEM = {
    "registry.heartbeat_interval": "30s",
    "registry.health_check_timeout": "10s",
    "registry.cleanup_interval": "5m",
    "workflows.max_concurrent": 100,
    "workflows.default_timeout": "1h",
    "workflows.retry_attempts": 3,
    "resources.allocation_timeout": "30s",
    "resources.quota_period": "1d",
    "resources.rebalance_interval": "5m",
    "messaging.max_message_size": "1MB",
    "messaging.dead_letter_ttl": "1d",
    "messaging.retry_backoff": "exponential",
}
BUILT_IN = {name: setting.default for name, setting in live.CATALOGUE.items()}


def read(name: str, value: object) -> live.Value:
    values, problems = live.read_values({name: value})
    assert not problems, problems
    return values[name]


def code_of(name: str, value: object) -> str:
    values, [problem] = live.read_values({name: value})
    assert not values
    assert problem.path == name
    return problem.code


def test_it_has_these_settings_with_these_defaults() -> None:
    assert {
        name: live.shown(setting, setting.default) for name, setting in live.CATALOGUE.items()
    } == AS_THE_DESIGN_HAS_THEM


def test_its_defaults_are_allowed_and_go_together() -> None:
    written = {name: live.shown(setting, setting.default) for name, setting in live.CATALOGUE.items()}
    assert live.read_values(written) == (BUILT_IN, [])
    assert not list(live.relation_problems(BUILT_IN))


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        (live.HEARTBEAT_INTERVAL, "1m30s", 90 * SECOND),
        (live.HEARTBEAT_INTERVAL, 2.5, 2_500_000),
        (live.MAX_MESSAGE_SIZE, "1MB", 10**6),
        (live.MAX_MESSAGE_SIZE, "1MiB", 2**20),
        (live.MAX_MESSAGE_SIZE, "64Ki", 2**16),
        (live.MAX_MESSAGE_SIZE, 5000, 5000),
        (live.MAX_CONCURRENT, "7", 7),
        (live.RETRY_BACKOFF, "linear", "linear"),
    ],
)
def test_it_reads_what_people_write(name: str, given: object, value: object) -> None:
    assert read(name, given) == value


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("workflows.max_concurent", 5, "key.unknown"),
        (live.HEARTBEAT_INTERVAL, "30", "duration.invalid"),
        (live.HEARTBEAT_INTERVAL, True, "duration.invalid"),
        (live.HEARTBEAT_INTERVAL, [30], "duration.invalid"),
        (live.HEARTBEAT_INTERVAL, "0s", "value.range"),
        (live.HEARTBEAT_INTERVAL, "2h", "value.range"),
        (live.MAX_MESSAGE_SIZE, "1 MB", "size.invalid"),
        (live.MAX_MESSAGE_SIZE, "", "size.invalid"),
        (live.MAX_MESSAGE_SIZE, float("nan"), "size.invalid"),
        (live.MAX_MESSAGE_SIZE, "1GB", "value.range"),
        (live.MAX_CONCURRENT, 0, "value.range"),
        (live.MAX_CONCURRENT, 1.0, "value.type"),
        (live.MAX_CONCURRENT, True, "value.type"),
        (live.MAX_CONCURRENT, "-1", "value.type"),
        (live.RETRY_BACKOFF, "random", "value.choice"),
        (live.RETRY_BACKOFF, ["linear"], "value.choice"),
    ],
)
def test_it_refuses_each_wrong_value_with_its_code(name: str, given: object, code: str) -> None:
    assert code_of(name, given) == code


def test_it_says_everything_that_is_wrong_at_once() -> None:
    values, problems = live.read_values({"a": 1, live.RETRY_ATTEMPTS: 0, live.MAX_CONCURRENT: 5})
    assert values == {live.MAX_CONCURRENT: 5}
    assert [each.code for each in problems] == ["key.unknown", "value.range"]


def test_it_names_the_setting_that_was_meant() -> None:
    _, [problem] = live.read_values({"workflows.max_concurent": 5})
    assert "Did you mean workflows.max_concurrent?" in problem.message


@pytest.mark.parametrize(("shorter", "longer"), [(each[0], each[1]) for each in live.RELATIONS])
def test_it_refuses_what_does_not_go_together(shorter: str, longer: str) -> None:
    values = {**BUILT_IN, shorter: int(BUILT_IN[longer]) + 1}
    problem = next(live.relation_problems(values))
    assert (problem.path, problem.code) == (shorter, "value.relation")
    assert longer in problem.message
    assert not list(live.relation_problems({**BUILT_IN, shorter: BUILT_IN[longer]} | _rest(shorter, longer)))


def _rest(shorter: str, longer: str) -> dict[str, live.Value]:
    """Return what keeps the other relations while this one is at its limit."""
    return {live.CLEANUP_INTERVAL: 3600 * SECOND} if live.CLEANUP_INTERVAL not in (shorter, longer) else {}


@given(st.sampled_from(list(live.CATALOGUE.values())), st.data())
def test_what_it_shows_reads_as_the_same_value(setting: live.LiveSetting, data: st.DataObject) -> None:
    if setting.choices:
        value: live.Value = data.draw(st.sampled_from(setting.choices))
    else:
        value = data.draw(st.integers(setting.least, setting.most))
    assert live.read_value(setting, live.shown(setting, value)) == value


def test_it_gives_the_engine_its_defaults_and_leaves_the_rest() -> None:
    values = {**BUILT_IN, live.MAX_CONCURRENT: 7, live.DEFAULT_TIMEOUT: 5 * SECOND, live.RETRY_ATTEMPTS: 1}
    made = live.defaults_with(values, DEFAULTS)
    assert (made.max_concurrent, made.execution_timeout, made.retry_attempts) == (7, 5 * SECOND, 1)
    assert (made.step_timeout, made.wait_timeout) == (DEFAULTS.step_timeout, DEFAULTS.wait_timeout)
