"""From cases in a scenario to cases in a world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestration.domain.errors import StepError
from simulation.world.cases import Case, Failing
from simulation.world.models import details_of

from .case_language import CaseOf, FailingOf


def case_of(given: CaseOf, answers: tuple[Mapping[str, Any], ...]) -> Case:
    """Return a case, with the answers that it names."""
    return Case(
        input=given.input,
        answers={path: answers[place] for path, place in given.answers.items()},
        fails={path: Failing(_error_of(each), each.first) for path, each in given.fails.items()},
        pace=given.pace,
        children={path: case_of(each, answers) for path, each in given.children.items()},
        count=given.count,
    )


def _error_of(given: FailingOf) -> StepError:
    details = details_of(given.code, given.status)
    return StepError(given.code, "the service refused this execution", given.retryable, details)
