"""The parts of the scenario language about what was recorded: light, for pages read scenarios and never simulate."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Measured = Annotated[float, Field(ge=0)]


class RecordedOf(BaseModel):
    """What really happened to a workload: executions that ended, a second; percentiles of their times (seconds)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    count: Annotated[int, Field(ge=0)]
    per_second: Measured
    p50: Measured
    p95: Measured
    completed: Measured


class StandingOf(BaseModel):
    """The name of a file (JSON) beside the scenario, with what is under way when it begins."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    file: str
