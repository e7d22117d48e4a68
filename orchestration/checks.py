"""System checks: how the settings must relate, checked at every start.

A rescue that may come before what it rescues could have ended is refused at start, not warned about.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from orchestration.domain.live_settings import CATALOGUE, shown, value_of_field

SHIFT_MARGIN_SECONDS = 10
NETWORK_WORDS = frozenset({"loopback", "private", "public", "link-local"})
LOG_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR"})


@register()
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Return an error for every setting that cannot work as it is."""
    return [
        Error(message, hint=f"Set {hint}.", id=f"podium.{code}")
        for code, message, hint in (*_ranges(), *_leases(), *_queue(), *_health(), *_postponing(), *_words(), *_live())
    ]


def _ranges() -> Iterator[tuple[str, str, str]]:
    podium = settings.PODIUM
    least_one = (
        "shift_concurrency",
        "shift_calls",
        "claim_batch",
        "claims_without_progress",
        "journal_batch",
        "vacuum_dead_rows",
        "journal_queue",
        "backlog_max",
        "inbox_max",
        "service_back_batch",
        "service_back_max",
        "workers",
        "retry_attempts",
        "max_concurrent",
        "service_connections",
        "calling_line",
        "service_answer_bytes",
        "probe_rise",
        "probe_fall",
        "probe_parallel",
        "probe_per_host",
        "probe_doubt_least",
        "expiry_doubt_least",
        "health_changes_kept",
        "python_threads",
        "instances_per_team",
        "registry_events_kept",
        "watch_interval_ms",
        "feed_interval_ms",
        "request_bytes",
        "api_burst",
        "api_heartbeat_burst",
        "settings_changes_kept",
        "api_steps",
        "simulation_replications",
        "simulation_executions",
        "simulation_runs_per_team",
        "simulation_runs_kept",
        "simulation_scenarios_per_team",
    )
    for name in least_one:
        if getattr(podium, name) < 1:
            yield "E001", f"{name} is {getattr(podium, name)}; it must be at least 1", f"PODIUM_{name.upper()}"
    for name in sorted(type(podium).__dataclass_fields__):
        if name.endswith("_seconds") and not getattr(podium, name) > 0:
            yield "E002", f"{name} is {getattr(podium, name)}; it must be more than 0", f"PODIUM_{name.upper()}"
    for name in ("api_rate", "api_heartbeat_rate", "api_waiters", "registry_watchers", "simulation_workers"):
        if getattr(podium, name) < 0:
            yield "E004", f"{name} is {getattr(podium, name)}; it cannot be negative", f"PODIUM_{name.upper()}"
    for name in type(podium.limits).__dataclass_fields__:
        if getattr(podium.limits, name) < 1:
            yield "E003", f"the limit {name} must be at least 1", f"PODIUM_LIMIT_{name.upper()}"


def _leases() -> Iterator[tuple[str, str, str]]:
    podium = settings.PODIUM
    if podium.heartbeat_seconds * 3 > podium.lease_seconds:
        yield (
            "E010",
            f"a heartbeat every {podium.heartbeat_seconds} s is too rare for a lease of {podium.lease_seconds} s: "
            "two lost ones end the lease of a shift that lives",
            "PODIUM_HEARTBEAT_SECONDS to at most a third of PODIUM_LEASE_SECONDS",
        )
    if podium.sweep_seconds >= podium.lease_seconds:
        yield "E011", "the sweep is rarer than the lease", "PODIUM_SWEEP_SECONDS below PODIUM_LEASE_SECONDS"
    if podium.stall_seconds <= 2 * podium.heartbeat_seconds:
        yield (
            "E014",
            "a loop is found to stand still by heartbeats, which are too rare for that",
            "PODIUM_STALL_SECONDS above twice PODIUM_HEARTBEAT_SECONDS",
        )
    if podium.shift_linger_seconds >= podium.shift_seconds:
        yield "E012", "a shift lingers longer than it works", "PODIUM_SHIFT_LINGER_SECONDS below PODIUM_SHIFT_SECONDS"
    if podium.claim_batch > podium.shift_concurrency:
        yield (
            "E013",
            "one claim takes more executions than a shift may hold",
            "PODIUM_CLAIM_BATCH to at most PODIUM_SHIFT_CONCURRENCY",
        )


def _queue() -> Iterator[tuple[str, str, str]]:
    queue, podium = settings.Q_CLUSTER, settings.PODIUM
    if podium.shift_seconds + SHIFT_MARGIN_SECONDS >= queue["timeout"]:
        yield (
            "E020",
            f"the task queue ends a task after {queue['timeout']} s, which may hit a shift of {podium.shift_seconds} s "
            f"and the {SHIFT_MARGIN_SECONDS} s in which it hands over",
            f"Q_CLUSTER timeout above PODIUM_SHIFT_SECONDS + {SHIFT_MARGIN_SECONDS}",
        )
    if queue["timeout"] >= queue["retry"]:
        yield (
            "E021",
            f"the task queue hands a task out again after {queue['retry']} s, and it may run {queue['timeout']} s",
            "Q_CLUSTER retry above its timeout",
        )


def _health() -> Iterator[tuple[str, str, str]]:
    podium = settings.PODIUM
    if podium.probe_timeout_seconds >= podium.probe_seconds:
        yield (
            "E030",
            "a probe may take longer than the time between two probes",
            "PODIUM_PROBE_TIMEOUT_SECONDS below PODIUM_PROBE_SECONDS",
        )
    if podium.service_connect_seconds > podium.service_timeout_seconds:
        yield (
            "E031",
            "a connection may take longer than the whole call",
            "PODIUM_SERVICE_CONNECT_SECONDS to at most PODIUM_SERVICE_TIMEOUT_SECONDS",
        )


def _postponing() -> Iterator[tuple[str, str, str]]:
    podium = settings.PODIUM
    for name in ("postponed_busy_max_seconds", "postponed_max_seconds"):
        if getattr(podium, name) < podium.postponed_seconds:
            yield (
                "E032",
                f"a postponed call waits {podium.postponed_seconds} s at first, and {name} is less",
                f"PODIUM_{name.upper()} to at least PODIUM_POSTPONED_SECONDS",
            )
    if podium.postponed_busy_max_seconds > podium.postponed_max_seconds:
        yield (
            "E033",
            "a busy service is asked for more rarely than one that is away",
            "PODIUM_POSTPONED_BUSY_MAX_SECONDS to at most PODIUM_POSTPONED_MAX_SECONDS",
        )


def _words() -> Iterator[tuple[str, str, str]]:
    podium = settings.PODIUM
    if podium.env not in {"development", "production"}:
        yield "E040", f"there is no environment {podium.env!r}", "PODIUM_ENV to development or production"
    if podium.log_level not in LOG_LEVELS:
        yield "E041", f"there is no log level {podium.log_level!r}", f"PODIUM_LOG_LEVEL to one of {sorted(LOG_LEVELS)}"
    for word in podium.outbound_allow:
        if word not in NETWORK_WORDS and not _is_network(word):
            yield "E042", f"{word!r} is no kind of address and no network", "PODIUM_OUTBOUND_ALLOW"
    if podium.production and "loopback" in podium.outbound_allow:
        yield (
            "E044",
            "calls may go to loopback, where the site's own database, broker and administration listen",
            "PODIUM_OUTBOUND_ALLOW without loopback; a network like 127.0.0.2/32 opens one address",
        )
    for name in ("base_url", "callback_base_url"):
        url = getattr(podium, name)
        if url and (urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname):
            yield "E043", f"{name} is {url!r}, which is no http(s) address", f"PODIUM_{name.upper()}"


def _live() -> Iterator[tuple[str, str, str]]:
    """Hold the environment's defaults of live settings to what somebody who sets them is held to."""
    values = {
        each.name: value_of_field(each, getattr(settings.PODIUM, each.field)) if each.field else each.default
        for each in CATALOGUE.values()
    }
    for name, value in values.items():
        setting = CATALOGUE[name]
        if setting.field and not setting.least <= int(value) <= setting.most:
            bounds = f"{shown(setting, setting.least)} to {shown(setting, setting.most)}"
            yield "E050", f"the default of {name} lies outside {bounds}", f"PODIUM_{setting.field.upper()}"


def _is_network(word: str) -> bool:
    try:
        ipaddress.ip_network(word)
    except ValueError:
        return False
    return True
