"""From what was measured to what is said: medians over the runs, and how far the runs lie apart."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run measured. None: this workload does not say. Latencies in milliseconds."""

    steps_per_s: float | None = None
    executions_per_s: float | None = None
    starts_per_s: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    seconds: float | None = None
    cpu_s_per_1000_steps: float | None = None
    workers_cpu_s_per_1000_steps: float | None = None
    service_cpu_s_per_1000_steps: float | None = None
    asleep_p50_ms: float | None = None
    asleep_p99_ms: float | None = None
    peak_memory_mb: float | None = None


def summary(*, runs: Sequence[Figures]) -> dict[str, Any]:
    """Return the median of every figure, `spread` (largest less smallest, over the median) and the runs."""
    medians: dict[str, Any] = {}
    spread: dict[str, float] = {}
    for field in fields(Figures):
        values = [value for run in runs if (value := getattr(run, field.name)) is not None]
        medians[field.name] = rounded(statistics.median(values)) if values else None
        if values and (middle := statistics.median(values)):
            spread[field.name] = round((max(values) - min(values)) / middle, 3)
    each = [{name: rounded(value) for name, value in asdict(run).items() if value is not None} for run in runs]
    return {**medians, "spread": spread, "runs": each}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def rounded(value: float) -> float:
    """Return the value with four significant digits."""
    return float(f"{value:.4g}")
