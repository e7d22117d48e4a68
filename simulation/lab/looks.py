"""How runs and verdicts look: a shape, a word, a hue."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.words.states import Look, look

PASS, FAIL, CANNOT_TELL = "pass", "fail", "cannot tell yet"
VERDICTS: Mapping[str, Look] = {
    PASS: Look("completed", "Pass", "good"),
    FAIL: Look("failed", "Fail", "bad"),
    CANNOT_TELL: Look("unknown", "Cannot tell yet", "attention"),
    "stable": Look("completed", "Stable", "good"),
    "vulnerable": Look("retrying", "Vulnerable", "attention"),
    "metastable": Look("failed", "Metastable", "bad"),
    "impossible": Look("failed", "Impossible", "bad"),
}
STATES: Mapping[str, Look] = {
    "queued": Look("pending", "Queued", "neutral"),
    "running": look("running"),
    "done": Look("completed", "Done", "neutral"),
    "cancelled": look("cancelled"),
    "failed": look("failed"),
}
