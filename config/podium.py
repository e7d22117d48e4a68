"""The platform's own settings: every interval, size and bound in one frozen object, read from the environment.

A field `lease_seconds` is set by `PODIUM_LEASE_SECONDS`. The bounds of the language (`limits`) are set one by one,
`PODIUM_LIMIT_STEPS` for `limits.steps`. `python -m config.podium` writes the table into
docs/operations/settings.md, and that of the settings that may change meanwhile into docs/reference/live-settings.md;
orchestration/checks.py checks how the values relate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from orchestration.domain.limits import MICROSECONDS, Defaults, Limits
from orchestration.domain.live_settings import CATALOGUE, shown

TRUE = frozenset({"1", "true", "yes", "on"})
TABLE_BEGINS, TABLE_ENDS = "<!-- settings -->", "<!-- end of settings -->"
LIVE_BEGINS, LIVE_ENDS = "<!-- live settings -->", "<!-- end of live settings -->"
FALSE = frozenset({"", "0", "false", "no", "off"})


class SettingUnreadable(ValueError):
    """A variable of the environment that cannot be read as what it should be."""


def setting(default: Any, says: str) -> Any:
    """Declare a setting: its default and the sentence that stands in the settings table."""
    return field(default=default, metadata={"says": says})


@dataclass(frozen=True, slots=True, kw_only=True)
class PodiumSettings:
    """Every interval, size and bound of the platform. Seconds unless the name says otherwise."""

    env: str = setting("development", "`development` or `production`; production refuses to start when it is not safe")
    data_dir: Path = setting(Path(".podium"), "where the embedded database, the logs and the demo key lie")
    site: str = setting("podium", "the name of its queues, sockets and cache in Redis; sites that share one need two")
    base_url: str = setting("http://127.0.0.1:8000", "where this site is reached; links and callbacks start with it")
    demo: bool = setting(False, "the demo is loaded: the login demo/demo is open, on loopback only")
    compiled: bool = setting(True, "modules are loaded compiled where `make compile` made them of these very files")
    log_level: str = setting("INFO", "`DEBUG`, `INFO`, `WARNING` or `ERROR`")
    log_format: str = setting("console", "`console` for people, `json` for programs")

    # Shifts: engine/shift.py, engine/driver.py
    lease_seconds: float = setting(6, "a shift that has not been heard of for so long is dead")
    heartbeat_seconds: float = setting(2, "how often a shift writes that it lives; at most a third of the lease")
    stall_seconds: float = setting(15, "a worker whose event loop stands still for so long is ended, as if it had died")
    shift_concurrency: int = setting(500, "executions that one shift drives at once")
    shift_calls: int = setting(10_000, "a shift with so many calls under way takes no more executions")
    shift_seconds: float = setting(45, "how long a shift works before it hands over")
    shift_linger_seconds: float = setting(2, "how long a shift without work waits for more")
    claim_batch: int = setting(100, "executions taken by one claim")
    claims_without_progress: int = setting(3, "claims without progress after which an execution is quarantined")
    park_after_seconds: float = setting(1, "an execution that only waits for longer than this is put down")
    journal_batch: int = setting(1000, "journal entries in one commit")
    journal_queue: int = setting(10_000, "a shift with so many units waiting to be written takes no more executions")

    # The supervisor: management/commands/worker.py
    workers: int = setting(2, "shifts that one `manage.py worker` runs at once; it has a worker process more")
    worker_memory_bytes: int = setting(
        4 * 1024**3, "memory that one worker process may take; a call that asks for more fails (Linux; 0: any)"
    )
    sweep_seconds: float = setting(1, "how often the supervisor looks for due work, timers and dead shifts")
    canary_seconds: float = setting(
        5, "how often a canary goes through each cluster; one that is not back 6 s later has it started anew"
    )

    vacuum_dead_rows: int = setting(
        20_000, "dead rows of a table through which work passes, after which housekeeping clears them (PostgreSQL)"
    )

    # Executions
    retry_attempts: int = setting(3, "calls of a step in all, where the workflow does not say")
    max_concurrent: int = setting(100, "executions of one workflow at once, where the workflow does not say")
    backlog_max: int = setting(
        100_000, "executions of one team that may wait to begin; a start beyond is refused (429), children never are"
    )
    inbox_max: int = setting(1_000, "unheard actions and signals of one execution; one more is refused (429)")
    overload_retry_seconds: float = setting(5, "what `Retry-After` says where something is refused for too much work")
    execution_timeout_seconds: float = setting(3600, "an execution's time, where the workflow does not say")
    wait_timeout_seconds: float = setting(86400, "how long a wait step waits, where the workflow does not say")

    # Calls that may not be made just now: domain/postponement.py, engine/service_back.py
    postponed_seconds: float = setting(1, "how long a call that may not be made just now waits; doubled each time")
    postponed_max_seconds: float = setting(300, "the longest such wait where no instance is there")
    postponed_busy_max_seconds: float = setting(15, "the longest such wait where the service is there, and busy")
    postponed_undo_seconds: float = setting(86400, "how long a compensation waits in all before it is given up")
    service_back_batch: int = setting(
        10, "executions that are told in the first sweep that their service is back; the number doubles each sweep"
    )
    service_back_max: int = setting(100, "executions that are told so in one sweep at most, for one service")

    # Calls of services: registry/client.py
    service_timeout_seconds: float = setting(30, "one attempt, where neither the step nor the service says")
    service_connect_seconds: float = setting(5, "how long a connection may take")
    service_connections: int = setting(200, "open connections of one worker process to one address")
    service_answer_bytes: int = setting(1024 * 1024, "the longest answer of a service that is read")
    retry_after_max_seconds: float = setting(900, "the longest `Retry-After` that is obeyed")
    callback_base_url: str = setting("", "where services post the results of callbacks; empty: `base_url`")
    outbound_allow: tuple[str, ...] = setting(
        ("loopback", "private", "public"),
        "kinds of addresses (`loopback`, `private`, `public`, `link-local`) or networks (CIDR) that calls may go to; "
        "in production only `public` where nothing is said, and never `loopback`",
    )
    python_services: tuple[str, ...] = setting((), "modules whose import registers `python` services")
    python_threads: int = setting(32, "`python` functions declared blocking that one worker process runs at once")
    discovery_seconds: float = setting(
        1, "how often a worker asks what changed: instances, policies, circuits that others opened"
    )
    calling_line_seconds: float = setting(
        0.5, "how long a call waits for a place or a token of a limit before it is put off"
    )
    calling_line: int = setting(
        1_000, "calls of one service that may wait so in one process; one more is put off at once"
    )
    calling_lease_seconds: float = setting(
        6,
        "how long a worker holds places of a concurrency limit without renewing them, which it does three times in it",
    )
    locality: str = setting("", "where this process is; instances of the same locality are called first")
    tls_dir: str = setting(
        "", "where certificates and keys of policies lie, in one folder per team; empty: `tls` in `data_dir`"
    )
    instances_per_team: int = setting(10_000, "instances that one team may register")

    # Following the registry: registry/events.py, registry/watching.py
    registry_events_kept: int = setting(100_000, "changes of services that are kept for followers that were away")
    registry_watchers: int = setting(1_000, "followers of services that wait in one web process; one more is refused")
    watch_interval_ms: int = setting(
        250, "how often a process with followers asks for changes of services (milliseconds)"
    )
    watch_seconds: float = setting(55, "how long a stream of changes lasts before its caller shows its key again")

    # Health: registry/probes.py
    probe_seconds: float = setting(
        30, "how often an instance's health address is asked, where its service does not say"
    )
    probe_timeout_seconds: float = setting(10, "how long the answer may take")
    probe_rise: int = setting(2, "good answers after which an instance counts as healthy")
    probe_fall: int = setting(3, "bad answers after which an instance counts as unhealthy")
    probe_parallel: int = setting(100, "health addresses that one pass asks at once")
    probe_per_host: int = setting(50, "health addresses of one host that one pass asks at once")
    probe_doubt_least: int = setting(
        10, "so many instances at least, and more than half, fail at once where the registry distrusts its probes"
    )

    # Silence: registry/heartbeats.py, registry/expiry.py
    heartbeat_write_seconds: float = setting(1, "how often a web process writes down the instances that it has heard")
    expiry_seconds: float = setting(5, "how often it is looked for instances that send no heartbeats any more")
    expiry_doubt_least: int = setting(
        3, "so many instances at least, and more than half, are silent at once where the registry distrusts its ears"
    )
    health_changes_kept: int = setting(200, "changes of its health that are kept of one instance")

    # Live settings: configuration/operations.py
    settings_changes_kept: int = setting(
        200, "changes that are kept of each live setting; a version is kept as long as one of its changes is"
    )

    # Web
    web_pool: int = setting(0, "PostgreSQL connections that a process keeps; web processes set 10 for themselves")
    feed_interval_ms: int = setting(100, "the shortest time between two frames of a live page (milliseconds)")
    request_bytes: int = setting(2 * 1024 * 1024, "the longest request body that is read")
    wait_max_seconds: float = setting(60, "the longest `?wait=` that a request may ask for")

    # The API: orchestration/api
    api_rate: float = setting(1000, "requests a second that one caller may make, in one web process; 0: any number")
    api_burst: int = setting(2000, "requests that one caller may make at once")
    api_heartbeat_rate: float = setting(
        10_000, "heartbeats a second that one caller may send, in one web process, beside its `api_rate`; 0: any number"
    )
    api_heartbeat_burst: int = setting(20_000, "heartbeats that one caller may send at once")
    api_waiters: int = setting(50, "requests with `?wait=` that wait in one web process; one more is answered at once")
    api_action_seconds: float = setting(5, "how long a pause, cancel or the like waits for its execution's word")
    api_steps: int = setting(10_000, "steps that are listed with an execution, where the request does not say")

    # The capacity lab: simulation/lab
    simulation_workers: int = setting(
        1, "batches of simulations that one `manage.py worker` runs at once; 0: none, another host does them"
    )
    simulation_seconds: float = setting(
        600, "the longest time of one simulation; it ends then with what its replications have told so far"
    )
    simulation_replications: int = setting(
        400, "replications of one simulation at most, those of all variants and of its curve together"
    )
    simulation_experiment_replications: int = setting(
        3_000, "replications of one experiment at most, those of all set-ups that it tries together"
    )
    simulation_recorded: int = setting(
        300, "recorded executions whose journals are read to fill a scenario in; more are exacter, and slower"
    )
    simulation_executions: int = setting(
        5_000_000, "executions that one simulation may come to, by its load: replications × horizon × rate"
    )
    simulation_runs_per_team: int = setting(
        2, "simulations of one team at once; one more is refused (429) until one has ended"
    )
    simulation_runs_kept: int = setting(200, "ended simulations that are kept of one team, the newest ones")
    simulation_scenarios_per_team: int = setting(500, "scenarios that one team may save")
    simulation_lease_seconds: float = setting(
        30, "a worker that has not said for so long that it simulates is dead; another takes its batch up"
    )

    limits: Limits = field(default=Limits())

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> PodiumSettings:
        """Read the settings from `environ`.

        Raises SettingUnreadable, naming the variable, for a value that is not what it should be.
        """
        values: dict[str, Any] = {}
        hints = get_type_hints(cls)
        for each in fields(cls):
            name = variable(each.name)
            if each.name != "limits" and name in environ:
                values[each.name] = _read(name, environ[name], hints[each.name])
        if values.get("env") == "production":
            # What lies in the site's own network is opened by name, never by default.
            values.setdefault("outbound_allow", ("public",))
        return cls(limits=_limits(environ), **values)

    @property
    def production(self) -> bool:
        """Say whether this is a production site."""
        return self.env == "production"

    @property
    def defaults(self) -> Defaults:
        """Return what holds where a definition is silent, as the domain takes it (microseconds)."""
        return Defaults(
            step_timeout=_microseconds(self.service_timeout_seconds),
            execution_timeout=_microseconds(self.execution_timeout_seconds),
            retry_attempts=self.retry_attempts,
            wait_timeout=_microseconds(self.wait_timeout_seconds),
            max_concurrent=self.max_concurrent,
            postponed_first=_microseconds(self.postponed_seconds),
            postponed_most=_microseconds(self.postponed_max_seconds),
            postponed_busy_most=_microseconds(self.postponed_busy_max_seconds),
            postponed_undo=_microseconds(self.postponed_undo_seconds),
        )

    @property
    def tls_folder(self) -> Path:
        """Return where certificates and keys of policies lie."""
        return Path(self.tls_dir) if self.tls_dir else self.data_dir / "tls"

    @property
    def callback_url(self) -> str:
        """Return the address that callbacks start with, without a slash at its end."""
        return (self.callback_base_url or self.base_url).rstrip("/")


def variable(name: str) -> str:
    """Return the variable of the environment that sets the field `name`."""
    return f"PODIUM_{name.upper()}"


def settings_table() -> str:
    """Return the settings as a Markdown table: variable, default, meaning."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    rows.extend(
        f"| `{variable(each.name)}` | {_shown(each.default)} | {each.metadata['says']} |"
        for each in fields(PodiumSettings)
        if each.name != "limits"
    )
    rows.extend(
        f"| `PODIUM_LIMIT_{each.name.upper()}` | {_shown(each.default)} | the language's limit `{each.name}` |"
        for each in fields(Limits)
    )
    return "\n".join(rows) + "\n"


def live_settings_table() -> str:
    """Return the live settings as a Markdown table: name, default, bounds, variable, meaning."""
    rows = ["| setting | default | may be | variable of its default | meaning |", "|---|---|---|---|---|"]
    for each in CATALOGUE.values():
        bounds = ", ".join(f"`{word}`" for word in each.choices)
        if not bounds:
            bounds = f"`{shown(each, each.least)}` to `{shown(each, each.most)}`"
        default = f"`{shown(each, each.default)}`"
        name = f"`{variable(each.field)}`" if each.field else ""
        rows.append(f"| `{each.name}` | {default} | {bounds} | {name} | {each.says} |")
    return "\n".join(rows) + "\n"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        value = ",".join(value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if text else "(empty)"


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def _limits(environ: Mapping[str, str]) -> Limits:
    values: dict[str, Any] = {}
    for each in fields(Limits):
        name = f"PODIUM_LIMIT_{each.name.upper()}"
        if name in environ:
            values[each.name] = _read(name, environ[name], int)
    return replace(Limits(), **values)


def _read(name: str, text: str, kind: Any) -> Any:
    try:
        if kind is bool:
            return _read_bool(text)
        if kind == tuple[str, ...]:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return kind(text)
    except ValueError as error:
        raise SettingUnreadable(f"{name}={text!r} cannot be read as {_kind(kind)}") from error


def _kind(kind: Any) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number of seconds"}.get(kind, str(kind))


def _read_bool(text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE | FALSE:
        raise ValueError(word)
    return word in TRUE


def write_settings_page(path: Path, begins: str, ends: str, table: str) -> None:
    """Put a table into the page `path`, between its two marks."""
    before, mark, rest = path.read_text(encoding="utf-8").partition(f"{begins}\n")
    _old, end, after = rest.partition(ends)
    if not mark or not end:
        raise SystemExit(f"{path} lacks the marks {begins} and {ends}")
    path.write_text(before + mark + table + end + after, encoding="utf-8")


if __name__ == "__main__":
    write_settings_page(Path("docs/operations/settings.md"), TABLE_BEGINS, TABLE_ENDS, settings_table())
    write_settings_page(Path("docs/reference/live-settings.md"), LIVE_BEGINS, LIVE_ENDS, live_settings_table())
