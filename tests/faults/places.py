"""The crash points of the source, by name: whoever adds one has it tried without more code."""

from __future__ import annotations

import re

from tests.faults.processes import ROOT

NAMES = sorted(
    {
        name
        for path in (ROOT / "orchestration").rglob("*.py")
        for name in re.findall(r'\bcrash_point\("(\w+)"\)', path.read_text(encoding="utf-8"))
    }
)
