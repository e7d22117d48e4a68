"""Processes that only serve pages, and workers until they simulate, do without what simulates."""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.tree import ROOT

SCRIPT = """
import sys
import django
django.setup()
import config.urls
print([name for name in ("numpy", "scipy", "simpy") if name in sys.modules])
"""


def test_it_starts_without_the_simulator():
    found = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "[]", found.stderr
