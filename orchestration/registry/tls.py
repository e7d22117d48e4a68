"""What https calls show and what they trust: contexts made from a policy's files.

Files lie in the folder of the service's team below the site's `tls_dir`; a policy names them and nothing else, so that
no team can use another's key. A context is made anew when one of its files changed, so that a renewed certificate is
used for the next connection.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from orchestration.domain.calling.policy import Tls


@dataclass(frozen=True, slots=True)
class Secured:
    """How an https connection is secured; True: by the system's authorities and the host's own name."""

    context: ssl.SSLContext | bool = True
    server_name: str | None = None


BY_DEFAULT = Secured()


class TlsUnusable(Exception):
    """Files of a policy that are not there or not what they should be; the message names them."""


class TlsContexts:
    """The contexts of one process. `context_for` reads files: call it from a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, Tls], tuple[tuple[int, ...], ssl.SSLContext]] = {}

    def context_for(self, team: str, tls: Tls) -> ssl.SSLContext:
        """Return the context of a team's (slug) policy. Raises TlsUnusable."""
        folder = self._folder / team
        try:
            stamps = tuple((folder / name).stat().st_mtime_ns for name in (tls.ca, tls.certificate, tls.key) if name)
            made = self._made.get((team, tls))
            if made is None or made[0] != stamps:
                made = self._made[team, tls] = (stamps, _context(folder, tls))
        except (OSError, ssl.SSLError, ValueError) as error:
            names = ", ".join(name for name in (tls.ca, tls.certificate, tls.key) if name)
            raise TlsUnusable(f"the policy's files ({names}) cannot be used: {_reason(error)}") from error
        return made[1]


def _context(folder: Path, tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / tls.ca if tls.ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.certificate:
        # An empty password: a key that needs one is refused rather than asked for at the terminal.
        context.load_cert_chain(folder / tls.certificate, folder / tls.key if tls.key else None, password=lambda: "")
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, ssl.SSLError):
        return error.reason or "they are no certificates"
    return type(error).__name__
