"""A service's side of the registry: it registers, says that it lives, and leaves in good order. For any Python program.

    with Agent("https://podium.example", key=KEY, name="inventory", address="http://10.0.0.7:8080"):
        serve()

This file needs Python's own library alone: it can be imported without Django, or copied.

A thread sends a heartbeat every third of `ttl`. The platform may be away, at the start too: the agent goes on trying,
later each time and never later than a third of `ttl`, and registers anew as soon as the platform does not know its
instance any more. What cannot become right by trying again (a wrong address, a wrong key) is raised by `start`; after
that it is logged, and tried on. Leaving means: drain, so that nothing new comes; let what runs end, for `linger`
seconds; deregister. An instance that leaves without a word is missed after `ttl`.
"""

from __future__ import annotations

import http.client
import json
import logging
import random
import ssl
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.5
ANSWER_BYTES = 1024 * 1024
NOT_FOUND, TOO_MANY = 404, 429


class Refused(Exception):
    """The platform does not accept what the agent asked: its status, its code and what it said."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code


class Unreachable(Exception):
    """The platform does not answer, or not just now."""


class Agent:
    """One instance of a service, as the registry knows it. `platform` is the address of the site."""

    def __init__(
        self,
        platform: str,
        *,
        key: str,
        name: str,
        address: str,
        ttl: float = 30.0,
        linger: float = 0.0,
        timeout: float = TIMEOUT_SECONDS,
        tls: ssl.SSLContext | None = None,
        version: str = "",
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        dependencies: Sequence[str] = (),
        locality: str = "",
        health_path: str | None = None,
    ) -> None:
        parts = urlsplit(platform)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"the platform's address is {platform!r}, which is no http(s) address")
        self._platform = parts
        self._headers = {"Authorization": f"Bearer {key}", "Accept": "application/json", "User-Agent": "Podium-Agent"}
        self._tls, self._timeout, self._ttl, self._linger = tls, timeout, ttl, linger
        self._registration = {
            "name": name,
            "address": address,
            "ttl": ttl,
            "version": version,
            "tags": list(tags),
            "metadata": dict(metadata or {}),
            "dependencies": list(dependencies),
            "locality": locality,
            "health_path": health_path,
        }
        self._leaving = threading.Event()
        self._known = threading.Event()
        self._thread: threading.Thread | None = None
        self.instance_id: str | None = None
        """The instance's id, None while it was never registered."""

    def start(self) -> Agent:
        """Register, and go on saying that the instance lives. Raises Refused where trying again would not help."""
        try:
            self._register()
        except Unreachable as error:
            log.warning("the registry does not answer yet: %s", error)
        self._leaving.clear()
        self._thread = threading.Thread(target=self._keep_up, name="registry-agent", daemon=True)
        self._thread.start()
        return self

    def wait_until_registered(self, timeout: float | None = None) -> bool:
        """Wait until the platform knows the instance, at most `timeout` seconds, and say whether it does."""
        return self._known.wait(timeout)

    def drain(self) -> None:
        """Ask for nothing new. Raises Refused and Unreachable."""
        if self.instance_id is not None:
            self._ask("POST", f"/{self.instance_id}/drain")

    def stop(self) -> None:
        """Leave: drain, let what runs end, deregister. Never raises: whoever leaves cannot be helped."""
        if self._thread is None:
            return
        if self.instance_id is not None:
            self._try(self.drain, "drained")
            # It goes on saying that it lives meanwhile.
            threading.Event().wait(self._linger)
        self._leaving.set()
        self._thread.join(self._timeout + 1)
        self._thread = None
        instance, self.instance_id = self.instance_id, None
        self._known.clear()
        if instance is not None:
            self._try(lambda: self._ask("DELETE", f"/{instance}"), "deregistered")

    def __enter__(self) -> Agent:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _keep_up(self) -> None:
        """Say that the instance lives until it leaves; after a failure sooner, then later each time."""
        usual = self._ttl / 3
        pause = usual if self._known.is_set() else FIRST_PAUSE_SECONDS
        failures = 0
        while not self._leaving.wait(pause * (0.9 + 0.2 * random.random())):
            try:
                self._beat()
            except (Unreachable, Refused) as error:
                failures += 1
                log.warning("the registry was not told that this instance lives: %s", error)
            except Exception:
                failures += 1
                log.exception("the registry was not told that this instance lives")
            else:
                failures = 0
            pause = min(usual, FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 10)) if failures else usual

    def _beat(self) -> None:
        if self.instance_id is None:
            self._register()
            return
        try:
            self._ask("PUT", f"/{self.instance_id}/heartbeat")
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            # It was taken out, or the platform began anew.
            self._register()

    def _register(self) -> None:
        answer = self._ask("POST", "", self._registration)
        self.instance_id = str(answer["id"])
        self._known.set()
        log.info("registered as %s", self.instance_id)

    def _try(self, act: Any, done: str) -> None:
        try:
            act()
        except (Unreachable, Refused) as error:
            log.warning("this instance could not be %s: %s", done, error)

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask the registry; return its answer. Raises Refused, and Unreachable where it may be tried again."""
        connection = self._connect()
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers if data is None else {**self._headers, "Content-Type": "application/json"}
        try:
            connection.request(method, f"{self._platform.path.rstrip('/')}/api/v1/services{path}", data, headers)
            response = connection.getresponse()
            status, text = response.status, response.read(ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()
        if status >= 500 or status == TOO_MANY or 300 <= status < 400:
            raise Unreachable(f"it answers {status}")
        document = _document(text)
        if status >= 400:
            raise Refused(status, str(document.get("code", "")), str(document.get("detail", "")))
        return document

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._platform.hostname or "", self._platform.port
        if self._platform.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._tls)
        return http.client.HTTPConnection(host, port, timeout=self._timeout)


def _document(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text) if text else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
