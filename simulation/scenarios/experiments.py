"""Experiments as a scenario file asks them; `simulation.experiments` answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestration.domain.definition.values import Duration

Values = str | Annotated[tuple[Any, ...], Field(strict=False)]
"""Values of a place: a list of them, or a text: `1..6`, `10..50:10`, `5,10,20`."""

Names = Annotated[tuple[str, ...], Field(strict=False)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    variants: Names = ()
    replications: Annotated[int, Field(ge=2, le=1000)] | None = None


class SweepOf(_Asked):
    """The scenario at every value of one place or two."""

    kind: Literal["sweep"]
    places: dict[str, Values]


class CompareOf(_Asked):
    """All variants against one of them (left out: against what is written)."""

    kind: Literal["compare"]
    against: str | None = None


class SensitivityOf(_Asked):
    """Each place (left out: all that may be turned) by itself, 10 and 20 % less and more."""

    kind: Literal["sensitivity"]
    places: Names = ()


class ScreeningOf(_Asked):
    """All places together, by Morris' ways through their levels."""

    kind: Literal["screening"]
    places: Names = ()


class CheapestOf(_Asked):
    """The cheapest numbers at the places, of which more is never worse, that keep all promises."""

    kind: Literal["cheapest"]
    places: dict[str, Values]


class StormOf(_Asked):
    """Does it come back from a fault: loads as shares of the capacity of `service` (left out: of the busiest)."""

    kind: Literal["storm"]
    service: str | None = None
    loads: tuple[Annotated[float, Field(gt=0, le=10)], ...] | None = Field(default=None, strict=False, min_length=1)
    triggers: tuple[Duration, ...] | None = Field(default=None, strict=False, min_length=1)
    capacity: Annotated[float, Field(ge=0, lt=1)] = 0.1


class LongRunOf(_Asked):
    """One long replication instead of many: intervals by batch means."""

    kind: Literal["long-run"]


ExperimentOf = Annotated[
    SweepOf | CompareOf | SensitivityOf | ScreeningOf | CheapestOf | StormOf | LongRunOf, Field(discriminator="kind")
]
