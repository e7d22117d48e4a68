"""Many seeds one after the other, and what is said of them."""

from __future__ import annotations

import gc
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from orchestration import clock

from .world import Outcome, simulate

# What a seed leaves behind dies by reference; looking for more after every few objects is dear.
GC_THRESHOLD = 100_000


@dataclass(slots=True)
class Report:
    """What came of a series of seeds. `seconds` are real, `virtual_seconds` those of the worlds."""

    seeds: int = 0
    seconds: float = 0.0
    virtual_seconds: float = 0.0
    turns: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one seed in."""
        self.seeds += 1
        self.virtual_seconds += outcome.seconds
        self.turns += outcome.turns
        self.faults += outcome.faults
        self.digests.append(outcome.digest)
        if outcome.broken:
            self.failed.append(outcome)

    def as_json(self) -> dict[str, Any]:
        """Return the report as one object; `digest` is the same wherever the same seeds are run."""
        return {
            "seeds": self.seeds,
            "seconds": round(self.seconds, 3),
            "seeds_per_s": round(self.seeds / max(self.seconds, 1e-9), 1),
            "virtual_seconds": round(self.virtual_seconds, 3),
            "speed_up": round(self.virtual_seconds / max(self.seconds, 1e-9)),
            "callbacks": self.turns,
            "faults": dict(sorted(self.faults.items())),
            "digest": hashlib.blake2b("\n".join(self.digests).encode(), digest_size=16).hexdigest(),
            "failed": [
                {"seed": each.seed, "broken": each.broken, "replay": replay_of(each.seed)} for each in self.failed
            ],
        }

    def lines(self) -> Iterable[str]:
        """Yield the report in words."""
        said = self.as_json()
        yield (
            f"{self.seeds} seeds in {self.seconds:.1f} s ({said['seeds_per_s']} seeds/s), "
            f"{self.virtual_seconds:,.0f} virtual seconds ({said['speed_up']:,} times real time)"
        )
        faults = ", ".join(f"{kind} {count}" for kind, count in said["faults"].items())
        yield f"{sum(self.faults.values()):,} faults: {faults or 'none'}"
        yield f"{self.seeds - len(self.failed)} passed, {len(self.failed)} failed (digest {said['digest']})"


def replay_of(seed: int) -> str:
    """Return the command that runs a seed again."""
    return f"python manage.py dst --seed {seed}"


def run_seeds(seeds: Iterable[int], told: Callable[[Outcome], None]) -> Report:
    """Run seeds, telling of each as it ends."""
    report = Report()
    before = gc.get_threshold()
    gc.set_threshold(GC_THRESHOLD, 50, 50)
    began = clock.monotonic()
    try:
        for seed in seeds:
            outcome = simulate(seed)
            report.add(outcome)
            told(outcome)
    finally:
        gc.set_threshold(*before)
    report.seconds = clock.monotonic() - began
    return report
