"""The scenario language about kinds of executions: what they are given, answered and refused. Light, as the rest is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from orchestration.domain.errors import Problem

MOST_CASES = 1000
"""Cases that a workload may have."""

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Status = Annotated[int, Field(ge=100, le=599)]
Place = Annotated[int, Field(ge=0, le=1_000_000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FailingOf(_Part):
    """Calls that fail with `code` come what may: the `first` ones of a step run; without it all of them.

    `status` is the HTTP status of a service's own code, which `http_503` names already.
    """

    code: str = "http_422"
    status: Status | None = None
    retryable: bool | None = None
    first: Count | None = None


class CaseOf(_Part):
    """A kind of execution; `count` says how many it stands for. `answers` are places in the workload's `answers`.

    `input` is laid over the workload's, answers over the service's `output`, both key by key; calls take `pace` times
    as long. `children` are the cases of executions that a step starts.
    """

    count: Count = 1
    input: dict[str, Any] = Field(default_factory=dict)
    answers: dict[str, Place] = Field(default_factory=dict)
    fails: dict[str, FailingOf] = Field(default_factory=dict)
    pace: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    children: dict[str, CaseOf] = Field(default_factory=dict)


def case_problems(cases: tuple[CaseOf, ...], answers: tuple[Mapping[str, Any], ...], path: str) -> Iterator[Problem]:
    """Yield what is wrong with a workload's cases: too many, or answers that are not there."""
    if len(cases) > MOST_CASES:
        said = f"there are {len(cases)} cases; a workload has {MOST_CASES} at most"
        yield Problem(f"{path}.cases", "value.range", said)
        return
    for place, each in enumerate(cases):
        yield from _unanswered(each, len(answers), f"{path}.cases[{place}]")


def _unanswered(case: CaseOf, count: int, path: str) -> Iterator[Problem]:
    for step, place in case.answers.items():
        if place >= count:
            said = f"there is no answer {place}; there are {count}, counted from 0"
            yield Problem(f"{path}.answers.{step}", "reference.unknown", said)
    for step, child in case.children.items():
        yield from _unanswered(child, count, f"{path}.children.{step}")
