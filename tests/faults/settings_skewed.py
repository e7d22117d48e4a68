"""The site's settings, in a process whose wall clock is wrong by `FAULTS_SKEW` seconds.

Only orchestration/clock.py reads a clock, so it is enough to give that file another one; what nobody sets (`monotonic`)
stays as it is. `FAULTS_SKEW_FILE` names a file with more seconds, read at every look: a clock that steps.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from config.settings import *  # noqa: F403 - every setting
from orchestration import clock


class SkewedTime:
    """What orchestration/clock.py uses of `time`."""

    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def time_ns() -> int:
        """Return the wrong time."""
        file = os.environ.get("FAULTS_SKEW_FILE")
        step = float(Path(file).read_text() or 0) if file else 0.0
        return time.time_ns() + round((float(os.environ["FAULTS_SKEW"]) + step) * 1e9)


clock.time = SkewedTime
