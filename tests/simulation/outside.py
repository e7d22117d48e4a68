"""Data that nobody here wrote: recorded arrivals and workflows, read where they lie, or the test is left out."""

from __future__ import annotations

import csv
import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from tests.architecture.tree import ROOT

FOLDER = Path(os.environ.get("PODIUM_OUTSIDE_DATA", ROOT.parent / "shared" / "outside"))


def azure_trace(name):
    """Return the recorded arrivals of a production service (seconds), ascending."""
    file = FOLDER / "azure-llm" / f"{name}.csv"
    if not file.is_file():
        pytest.skip(f"the recorded arrivals {file} are not here (PODIUM_OUTSIDE_DATA names their folder)")
    with file.open(encoding="utf-8", newline="") as lines:
        # The recording counts in tenths of microseconds, one digit more than dates have.
        stamps = [datetime.fromisoformat(row["TIMESTAMP"][:26] + "+00:00") for row in csv.DictReader(lines)]
    return np.sort(np.array([stamp.timestamp() for stamp in stamps]))
