"""The words of the lab's rows: states of runs and batches, and the groups of worlds that a run consists of."""

from __future__ import annotations

QUEUED, RUNNING, DONE, CANCELLED, FAILED = "queued", "running", "done", "cancelled", "failed"
ACTIVE = (QUEUED, RUNNING)
STATES = (QUEUED, RUNNING, DONE, CANCELLED, FAILED)

WAITING, HELD, FINISHED = "waiting", "held", "finished"

COMPARE, LOAD = "compare", "load"
"""The scenario and its variants; the scenario at multiples of its load."""

ASK, TRY = "ask", "try"
"""Of an experiment: asking it with all that is known, and a replication of a set-up that it wants to know."""
