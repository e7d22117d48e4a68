"""What is wrong with a question, and where."""

from __future__ import annotations

from orchestration.domain.errors import Problem
from simulation.scenarios.language import ScenarioInvalid


class ExperimentInvalid(ScenarioInvalid):
    """A question that cannot be asked of the scenario, with all that is wrong with it."""

    code = "experiment_invalid"


def unfit(path: str, message: str, code: str = "value.range") -> ExperimentInvalid:
    """Return the error that something at `path` is unfit."""
    return ExperimentInvalid(f"{path}: {message}", [Problem(path, code, message)])
