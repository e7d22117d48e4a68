"""The bounds of the language and of an execution, in one object that a shell fills from its settings."""

from __future__ import annotations

from dataclasses import dataclass

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a definition and an execution may not exceed. Sizes are bytes, lengths are characters."""

    definition_bytes: int = 256 * 1024
    steps: int = 2_000
    nesting: int = 8
    step_runs: int = 100_000
    payload_bytes: int = 1024 * 1024
    expression_length: int = 4 * 1024
    subflow_depth: int = 8
    document_depth: int = 64
    document_nodes: int = 50_000
    parallel_limit: int = 10_000
    max_iterations: int = 100_000


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a definition is silent. Durations are microseconds.

    The first entry of a journal says what an execution began with, so that a change never reaches one that runs.
    """

    step_timeout: int = 30 * MICROSECONDS
    execution_timeout: int = 3600 * MICROSECONDS
    retry_attempts: int = 3
    wait_timeout: int = 24 * 3600 * MICROSECONDS
    max_concurrent: int = 100
    postponed_first: int = MICROSECONDS
    postponed_most: int = 300 * MICROSECONDS
    postponed_busy_most: int = 15 * MICROSECONDS
    postponed_undo: int = 24 * 3600 * MICROSECONDS

    def as_json(self) -> dict[str, int]:
        """Return what an execution's journal keeps of them: all but how many may run at once."""
        return {
            "step_timeout": self.step_timeout,
            "execution_timeout": self.execution_timeout,
            "retry_attempts": self.retry_attempts,
            "wait_timeout": self.wait_timeout,
        }


LIMITS = Limits()
DEFAULTS = Defaults()
