"""The demo's API key: made once, kept in a file that only its owner can read."""

from __future__ import annotations

import os
from pathlib import Path

from orchestration.teams.operations import create_key, default_team
from orchestration.teams.queries import principal_for_key


def write_demo_key(path: Path) -> None:
    """Leave a key in `path` (mode 0600) that opens the default team and may change the live settings.

    It is the one that is there, or a new one.
    """
    kept = path.read_text(encoding="ascii").strip() if path.exists() else ""
    principal = principal_for_key(key=kept) if kept else None
    if principal is not None and principal.may_configure:
        return
    team = default_team()
    _view, key = create_key(team_id=team.id, name="demo", by="demo", may_configure=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(key + "\n")
    draft.replace(path)
