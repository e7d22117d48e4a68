"""The scenario language about chance: how long calls take, and when executions start.

Durations are texts like `250ms` (or numbers of seconds) in a file and microseconds here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestration.domain.definition.values import Duration

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1e9)]
Whole = Annotated[int, Field(ge=1, le=1_000_000)]


class Part(BaseModel):
    """A part of a scenario file: read strictly, and never changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FixedTimes(Part):
    """Always the same time."""

    kind: Literal["fixed"]
    time: Duration


class ExponentialTimes(Part):
    """Times without memory."""

    kind: Literal["exponential"]
    mean: Duration


class LognormalTimes(Part):
    """Given by `mean` and `scv` (variance / mean²), or by `p50` and `p99`."""

    kind: Literal["lognormal"]
    mean: Duration | None = None
    scv: Positive | None = None
    p50: Duration | None = None
    p99: Duration | None = None


class GammaTimes(Part):
    """Given by mean and scv; with scv 1/k Erlang's with k phases."""

    kind: Literal["gamma"]
    mean: Duration
    scv: Positive


class WeibullTimes(Part):
    """Given by shape and scale."""

    kind: Literal["weibull"]
    shape: Positive
    scale: Duration


class HyperExponentialTimes(Part):
    """Two kinds of exponential times: half of the work each (`mean`, `scv`), or `share` of mean `one`, else `other`."""

    kind: Literal["hyper-exponential"]
    mean: Duration | None = None
    scv: Annotated[float, Field(ge=1, le=1000)] | None = None
    share: Share | None = None
    one: Duration | None = None
    other: Duration | None = None


class EmpiricalTimes(Part):
    """Measured times, each as likely as the other; with `tail` a Pareto tail above their 95th percentile."""

    kind: Literal["empirical"]
    values: tuple[Duration, ...] = Field(strict=False)
    tail: bool = False


Times = Annotated[
    FixedTimes | ExponentialTimes | LognormalTimes | GammaTimes | WeibullTimes | HyperExponentialTimes | EmpiricalTimes,
    Field(discriminator="kind"),
]


class PoissonArrivals(Part):
    """Arrivals that know nothing of one another."""

    kind: Literal["poisson"]
    per_second: Positive


class RateStep(Part):
    """From `at` on, so many a second."""

    at: Duration
    per_second: Annotated[float, Field(ge=0, le=1e6)]


class PiecewiseArrivals(Part):
    """Poisson arrivals whose rate changes; the first step is at 0. With `period` the pattern repeats."""

    kind: Literal["piecewise"]
    steps: tuple[RateStep, ...] = Field(strict=False)
    period: Duration | None = None


class ModulatedState(Part):
    """A rate, and how long it stays on average."""

    per_second: Annotated[float, Field(ge=0, le=1e6)]
    stays: Duration


class ModulatedArrivals(Part):
    """A Markov-modulated Poisson process: in turn each state's rate, for exponential times."""

    kind: Literal["modulated"]
    states: tuple[ModulatedState, ...] = Field(strict=False)


class BatchArrivals(Part):
    """Groups that arrive as Poisson's do: `size` at once, exactly or (`fixed: false`) on average."""

    kind: Literal["batches"]
    per_second: Positive
    size: Whole
    fixed: bool = True


class CronArrivals(Part):
    """`each` arrivals at every instant of a cron schedule; the simulation begins at `begin`."""

    kind: Literal["cron"]
    schedule: str
    begin: str
    each: Whole = 1


class UserArrivals(Part):
    """Closed users: each thinks, starts an execution, and waits for its end."""

    kind: Literal["users"]
    users: Whole
    think: Times


class TraceArrivals(Part):
    """Recorded instants (seconds), or the name of a CSV file of them beside the scenario; `speed` times as fast."""

    kind: Literal["trace"]
    times: tuple[float, ...] | None = Field(default=None, strict=False)
    file: str | None = None
    column: str = "TIMESTAMP"
    speed: Positive = 1.0


ArrivalsOf = Annotated[
    PoissonArrivals
    | PiecewiseArrivals
    | ModulatedArrivals
    | BatchArrivals
    | CronArrivals
    | UserArrivals
    | TraceArrivals,
    Field(discriminator="kind"),
]
