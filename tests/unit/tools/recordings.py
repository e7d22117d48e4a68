"""The recorded workflows that tests read in place; they are not part of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "outside" / "wfinstances"
FILES = sorted(FOLDER.glob("*.json"))
NAMES = [file.stem for file in FILES]

needs_recordings = pytest.mark.skipif(not FILES, reason="there are no recorded workflows in shared/outside/wfinstances")
