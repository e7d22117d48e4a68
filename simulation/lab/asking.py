"""An experiment as the lab asks it: with what is known so far, over more and more replications. No Django here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from orchestration.domain.errors import DocumentInvalid, Problem
from simulation.blocks import Block, Said, blocks_as_json
from simulation.experiments.answers import Answer
from simulation.experiments.asking import answer_by
from simulation.experiments.axes import axis_of
from simulation.experiments.cheapest import refuse_unfit
from simulation.experiments.cheapest_answer import tried_table
from simulation.experiments.documents import document_of as variant_of
from simulation.experiments.known import Key, KnownTrials, Missing, Wanted, nothing_known
from simulation.experiments.places import changed
from simulation.experiments.screening import REPLICATIONS as SCREENED
from simulation.experiments.storm import METASTABLE, STABLE, VULNERABLE
from simulation.experiments.trials import Setup
from simulation.scenarios import experiments as asked
from simulation.scenarios.batches import NOWHERE
from simulation.scenarios.building import AS_WRITTEN
from simulation.scenarios.running import Plan, refuse_overload
from simulation.statistics.comparison import CANNOT_TELL, FAIL, PASS
from simulation.world.world import Outcome

from .plan import Size, executions_of

KINDS = ("sensitivity", "screening", "cheapest", "storm")
FEWEST = 2
"""Replications of each set-up that are told first; then of twice as many, and so on."""

ExperimentOf = asked.SensitivityOf | asked.ScreeningOf | asked.CheapestOf | asked.StormOf
_EXPERIMENT: TypeAdapter[Any] = TypeAdapter(asked.ExperimentOf)


@dataclass(frozen=True, slots=True)
class Told:
    """What an experiment comes to so far; `done`: that is all. `missing` is what it has to know to go on."""

    result: dict[str, Any] | None
    verdict: str
    done: bool
    missing: tuple[Missing, ...] = ()


def experiment_of(given: Mapping[str, Any]) -> ExperimentOf:
    """Return the experiment that is asked for, as scenario files write it. Raises DocumentInvalid with paths."""
    try:
        found = _EXPERIMENT.validate_python(dict(given))
    except ValidationError as error:
        problems = [
            Problem(".".join(("experiment", *map(str, each["loc"]))), "experiment.invalid", each["msg"])
            for each in error.errors()
        ]
        raise DocumentInvalid(f"{problems[0].path}: {problems[0].message}", problems) from None
    if not isinstance(found, ExperimentOf):
        said = f"the lab answers {', '.join(KINDS)}; variants of the scenario are compared without an experiment"
        raise DocumentInvalid(said, [Problem("experiment.kind", "value.choice", said)])
    return found


def first_size(plan: Plan, experiment: ExperimentOf, *, seed: int) -> Size:
    """Return how large an experiment will be as far as that is known before anything is simulated.

    Of a search that is the replications of one set-up. Raises DocumentInvalid for what cannot be asked of the scenario.
    """
    if not isinstance(experiment, asked.StormOf):
        refuse_overload({AS_WRITTEN: plan.scenarios[AS_WRITTEN]}, plan.expected)
    count = counts(plan, experiment)[-1]
    if isinstance(experiment, asked.CheapestOf):
        axes = [axis_of(path, values) for path, values in experiment.places.items()]
        document = variant_of(plan.document, *experiment.variants[:1])
        refuse_unfit(document, axes)
        for axis in axes:
            document = changed(document, axis.path, axis.values[-1])
        nothing_known(NOWHERE, seed).plan(Setup.of("the largest", document))
        return Size(count, round(count * executions_of(plan.worlds[AS_WRITTEN])))
    trials = nothing_known(NOWHERE, seed)
    try:
        answer_by(trials, plan.document, experiment, count)
    except Wanted as wanted:
        return size_of(wanted.missing)
    return Size(0, 0)


def size_of(missing: Collection[Missing]) -> Size:
    """Return how large the wanted replications are."""
    replications, executions = 0, 0.0
    trials = nothing_known(NOWHERE, 0)
    for each in missing:
        world = trials.plan_of(each).worlds[AS_WRITTEN]
        replications += len(each.replications)
        executions += len(each.replications) * executions_of(world)
    return Size(replications, round(executions))


def counts(plan: Plan, experiment: ExperimentOf) -> list[int]:
    """Return after how many replications of each set-up an experiment is told: soon, and then by halves more exactly.

    A search says by itself how often it looks at a set-up.
    """
    usual = SCREENED if isinstance(experiment, asked.ScreeningOf) else plan.scenarios[AS_WRITTEN].replications
    most = experiment.replications or usual
    if isinstance(experiment, asked.CheapestOf):
        return [most]
    found = [FEWEST]
    while found[-1] * 2 < most:
        found.append(found[-1] * 2)
    return [*found, most] if most > found[-1] else found


def ask(
    plan: Plan,
    experiment: ExperimentOf,
    *,
    seed: int,
    told: int,
    known: Collection[Key],
    load: Callable[[Key], Outcome],
    stop: Callable[[], bool],
) -> Iterator[Told]:
    """Yield what an experiment comes to by what is known, beyond `told` replications of each set-up.

    The last one is all there is, or says what is missing. Raises DocumentInvalid, Stopped.
    """
    steps = counts(plan, experiment)
    for count in steps:
        if count <= told:
            continue
        trials = KnownTrials(NOWHERE, seed, known=known, load=load, stop=stop)
        try:
            found = answer_by(trials, plan.document, experiment, count)
        except Wanted as wanted:
            yield Told(_on_the_way(experiment, trials), "", done=False, missing=wanted.missing)
            return
        yield Told(_result(found, count), _verdict(found), done=count == steps[-1])


def _result(found: Answer, count: int) -> dict[str, Any]:
    return {
        "replications": count,
        "compare": None,
        "load": None,
        "experiment": found.as_json(),
        "blocks": blocks_as_json(found.blocks),
    }


def _on_the_way(experiment: ExperimentOf, trials: KnownTrials) -> dict[str, Any] | None:
    """Return what a search has found so far, None where that is nothing."""
    if not isinstance(experiment, asked.CheapestOf) or not trials.judged:
        return None
    said = Said(f"It searches: {len(trials.judged)} set-ups are judged so far.", strong=True)
    blocks: list[Block] = [said, tried_table(list(experiment.places), trials.judged)]
    data = {"experiment": "cheapest", "seed": trials.seed, "winner": None, "tried_so_far": len(trials.judged)}
    return {"replications": 0, "compare": None, "load": None, "experiment": data, "blocks": blocks_as_json(blocks)}


def _verdict(found: Answer) -> str:
    match found.kind:
        case "storm":
            words = {cell["word"] for each in found.data["maps"].values() for cell in each["cells"]}
            return next((word for word in (METASTABLE, VULNERABLE, STABLE) if word in words), "")
        case "cheapest":
            return PASS if found.kept else FAIL
        case "sensitivity":
            told = {each["verdict"] for each in found.data["promised"]["slos"]}
            return next((word for word in (FAIL, CANNOT_TELL, PASS) if word in told), "")
        case _:
            return ""
