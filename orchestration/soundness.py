"""Whether the embedded database can be worked on: asked by worker and web before they start.

SQLite makes a new, empty file where there is none, and tells of a broken one only when the broken part is read. Both
look like a site that lost everything, or lose it for good: so whoever starts looks first, and refuses.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from django.db import connection

MAGIC = b"SQLite format 3\x00"
# Reading all of a larger file would take longer than a start may.
READ_WHOLE_BYTES = 256 * 1024 * 1024
LOOK_SECONDS = 20.0


def why_unsound() -> str:
    """Return why the database cannot be worked on, as a sentence for a person; empty if nothing speaks against it.

    A server that does not answer is no reason: it may come back, and whoever starts waits for it.
    """
    if connection.vendor != "sqlite":
        return ""
    path = Path(str(connection.settings_dict["NAME"]))
    if not path.exists():
        return f"there is no database at {path}: `manage.py migrate` makes a new one, a backup brings the old one back"
    reason = _broken(path)
    if reason:
        return f"the database at {path} is broken ({reason}): bring it back from a backup"
    return ""


def _broken(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(100)
    if size and not head.startswith(MAGIC):
        return "it is no SQLite file"
    log = Path(f"{path}-wal")
    # While a log waits to be moved in, the file may rightly be shorter than it says.
    if size and not (log.exists() and log.stat().st_size):
        page = int.from_bytes(head[16:18], "big")
        whole = (65536 if page == 1 else page) * int.from_bytes(head[28:32], "big")
        if size < whole:
            return f"it has {size} bytes of {whole}"
    return _unreadable(path, whole=size <= READ_WHOLE_BYTES)


def _unreadable(path: Path, *, whole: bool) -> str:
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=LOOK_SECONDS)) as look:
            said = look.execute("PRAGMA quick_check(1)").fetchone()[0] if whole else "ok"
            tables = look.execute("SELECT count(*) FROM sqlite_master WHERE name = 'podium_execution'").fetchone()[0]
    except sqlite3.OperationalError:
        # Locked, or no more room: not broken for that.
        return ""
    except sqlite3.DatabaseError as error:
        return str(error)
    if said != "ok":
        return str(said)
    return "" if tables else "it has none of the platform's tables: `manage.py migrate` makes them"
