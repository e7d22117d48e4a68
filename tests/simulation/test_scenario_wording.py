"""What is said of bad scenario files is said in our own words, whatever is put wherever."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import simulation.scenarios
from orchestration.domain.errors import DocumentInvalid
from simulation.scenarios.language import parse_scenario
from tests.unit.domain.misfits import BAD, foreign_words, places, put

FOLDER = Path(simulation.scenarios.__file__).parent


@pytest.mark.parametrize("name", ["retry-storm", "bursts"])
def test_it_speaks_our_own_words_wherever_a_value_does_not_fit(name: str):
    document = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    parse_scenario(document)
    foreign = set()
    refused = 0
    for place in places(document):
        for bad in BAD:
            try:
                parse_scenario(put(document, place, bad))
            except DocumentInvalid as error:
                refused += 1
                foreign |= {(each.path, each.message) for each in error.problems if foreign_words(each.message)}
    assert foreign == set()
    assert refused > 100


def test_it_says_which_kinds_there_are():
    document = yaml.safe_load((FOLDER / "bursts.yaml").read_text())
    place = ("services", next(iter(document["services"])), "times", "kind")
    with pytest.raises(DocumentInvalid) as caught:
        parse_scenario(put(document, place, "nope"))
    (problem,) = caught.value.problems
    assert problem.code == "value.choice"
    assert problem.message.startswith("kind must be 'fixed', 'exponential'")
