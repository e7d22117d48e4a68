"""From what is asked, in a scenario file or on the command line, to the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulation.scenarios import experiments as asked
from simulation.scenarios.building import AS_WRITTEN, seconds
from simulation.scenarios.language import parse_scenario

from .answers import Answer
from .axes import Axis, axis_of
from .cheapest_answer import cheapest
from .comparing import compare
from .documents import document_of
from .long_run import long_run
from .problems import unfit
from .screening import screening
from .sensitivity import sensitivity
from .storm import LOADS, TRIGGERS, Question, probe
from .sweep import sweep
from .trials import Progress, Trials


def answer(
    document: dict[str, Any],
    experiment: asked.ExperimentOf,
    *,
    folder: Path,
    seed: int,
    replications: int | None = None,
    jobs: int = 1,
    progress: Progress = lambda done, of: None,
) -> Answer:
    """Return the answer to an experiment on a scenario. The same document and seed give the same bytes.

    Raises ScenarioInvalid (ExperimentInvalid among them) with paths for what cannot be simulated or asked.
    """
    parse_scenario(document)
    with Trials(folder, seed, jobs, progress) as trials:
        return answer_by(trials, document, experiment, replications)


def answer_by(
    trials: Trials, document: dict[str, Any], experiment: asked.ExperimentOf, replications: int | None = None
) -> Answer:
    """Return the answer to an experiment by trials of one's own. Raises as `answer`, and what the trials raise."""
    count = replications or experiment.replications
    found = _answer(trials, document, experiment, count)
    return found if count is None else replace(found, asked=f"{found.asked} --replications {count}")


def experiment_named(document: dict[str, Any], name: str) -> asked.ExperimentOf:
    """Return an experiment that the scenario file asks. Raises ExperimentInvalid if it asks none of that name."""
    known = parse_scenario(document).experiments
    if name not in known:
        there = ", ".join(known) or "none"
        raise unfit("experiments", f"there is no experiment {name}; there are: {there}", "reference.unknown")
    return known[name]


def _answer(trials: Trials, document: dict[str, Any], experiment: asked.ExperimentOf, count: int | None) -> Answer:
    if isinstance(experiment, asked.CompareOf):
        return compare(trials, document, experiment.against, count)
    if isinstance(experiment, asked.StormOf):
        question = Question(
            tuple(experiment.loads or LOADS),
            tuple(seconds(each) for each in experiment.triggers or ()) or TRIGGERS,
            experiment.capacity,
            experiment.service,
        )
        return probe(trials, document, question, experiment.variants or (AS_WRITTEN,), count)
    if len(experiment.variants) > 1:
        raise unfit("variants", f"a {experiment.kind} is made on one variant, {len(experiment.variants)} are named")
    made = document_of(document, *experiment.variants)
    match experiment:
        case asked.SweepOf():
            return sweep(trials, made, _axes(experiment.places), count)
        case asked.SensitivityOf():
            return sensitivity(trials, made, experiment.places, count)
        case asked.LongRunOf():
            return long_run(trials, made)
        case asked.ScreeningOf():
            return screening(trials, made, experiment.places, count)
        case _:
            return cheapest(trials, made, _axes(experiment.places), count)


def _axes(places: Mapping[str, Any]) -> list[Axis]:
    return [axis_of(path, values) for path, values in places.items()]
