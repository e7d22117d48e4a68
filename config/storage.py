"""Where things are kept, as Django, Channels and django-q2 want to be told."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path
from typing import Any

import environ

from config.podium import PodiumSettings

LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
# Worker processes of the housekeeping cluster: a pass of probes takes up to twenty seconds, and a canary has to pass.
# Those that simulate come on top: they never take a place from these.
HOUSEKEEPERS = 3
SQLITE_PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-65536;"


def database(podium: PodiumSettings, url: str) -> dict[str, Any]:
    """Return the database of `url`; without one SQLite in the data directory, which is made if it is missing."""
    if url:
        return _server_database(podium, url)
    podium.data_dir.mkdir(parents=True, exist_ok=True)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": podium.data_dir.absolute() / "podium.sqlite3",
        # Without IMMEDIATE two transactions that both read and then write lock each other out at once.
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": SQLITE_PRAGMAS},
    }


def _server_database(podium: PodiumSettings, url: str) -> dict[str, Any]:
    config: dict[str, Any] = environ.Env.db_url_config(url)
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["OPTIONS"] = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": SQLITE_PRAGMAS}
        return config
    if config["ENGINE"] == "django.db.backends.postgresql":
        config["ENGINE"] = "config.postgresql"
    config["CONN_HEALTH_CHECKS"] = True
    config["CONN_MAX_AGE"] = 0
    from orchestration.lines import KEEPALIVE, WebConnection

    config["OPTIONS"] = {**config.get("OPTIONS", {}), **KEEPALIVE, "connect_timeout": 5, "application_name": "podium"}
    if podium.web_pool:
        config["OPTIONS"]["connect_timeout"] = 2
        config["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": podium.web_pool,
            "timeout": WebConnection.answer_seconds,
            "connection_class": WebConnection,
        }
    return config


def cache(podium: PodiumSettings, redis_url: str) -> dict[str, Any]:
    """Return the cache: Redis where there is one, otherwise this process's memory."""
    if redis_url:
        redis = "django.core.cache.backends.redis.RedisCache"
        return {"BACKEND": redis, "LOCATION": redis_url, "KEY_PREFIX": podium.site}
    return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


def channel_layer(podium: PodiumSettings, redis_url: str) -> dict[str, Any]:
    """Return the channel layer: Redis where there is one, otherwise this process's memory."""
    if redis_url:
        config = {"hosts": [redis_url], "prefix": podium.site}
        return {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}
    return {"BACKEND": "channels.layers.InMemoryChannelLayer"}


def task_queue(podium: PodiumSettings, redis_url: str) -> dict[str, Any]:
    """Return django-q2's configuration: a cluster for shifts and one for housekeeping.

    A shift ends by itself well before `timeout`, which ends whatever else hangs; `retry` lies above `timeout`, so
    that no task is handed out twice while it runs.
    """
    timeout = round(podium.shift_seconds) + 15
    queue: dict[str, Any] = {
        "name": podium.site,
        # One more than may be in shifts: for canaries, and for executions that must be driven alone.
        "workers": podium.workers + 1,
        "timeout": timeout,
        "retry": timeout + 30,
        "recycle": 5000,
        "save_limit": -1,
        "ack_failures": True,
        "max_attempts": 1,
        "catch_up": False,
        "scheduler": False,
        # What lies in a cluster's own hands is lost with it.
        "queue_limit": podium.workers + 1,
        "bulk": 1,
        "label": "Task queue",
        "log_level": podium.log_level,
        "ALT_CLUSTERS": {f"{podium.site}-housekeeping": {"workers": HOUSEKEEPERS + podium.simulation_workers}},
    }
    if redis_url:
        queue.update(broker_class="orchestration.engine.brokers.RedisBroker", redis=redis_url)
    else:
        queue.update(broker_class="orchestration.engine.brokers.OrmBroker", orm="default", poll=0.05)
    return queue


def static_storages(podium: PodiumSettings) -> dict[str, Any]:
    """Return where static files come from: hashed and compressed in production, as they lie otherwise."""
    files = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    return {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": files if podium.production else plain},
    }


def allowed_hosts(podium: PodiumSettings, text: str) -> list[str]:
    """Return the hosts that this site answers for; in development loopback, if nothing is said."""
    named = [host.strip() for host in text.split(",") if host.strip()]
    return named if named or podium.production else list(LOOPBACK_HOSTS)


def local_secret_key(podium: PodiumSettings) -> str:
    """Return the key in the data directory, which is made once (mode 0600). In production return nothing."""
    if podium.production:
        return ""
    path = podium.data_dir / "secret-key"
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return _make_secret_key(path)


def derived_key(secret_key: str, purpose: str) -> str:
    """Return a key for one purpose, from which neither the site's key nor one for another purpose can be found."""
    return hmac.digest(secret_key.encode(), f"podium: {purpose}".encode(), "sha256").hex()


def _make_secret_key(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"secret-key.{secrets.token_hex(8)}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
    try:
        # A link is made whole or not at all, so that of two processes that start at once both read one key.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text(encoding="ascii")
