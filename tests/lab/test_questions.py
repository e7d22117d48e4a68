"""The question's part of the form: what is offered, and what is taken in."""

from __future__ import annotations

import pytest

from orchestration.domain.errors import DocumentInvalid
from simulation.lab.asking import experiment_of
from simulation.lab.questions import KINDS, Question, asking_of, experiment_from, numbers_of, question_of
from tests.lab.scenarios import QUICK, SEARCHED


def test_it_asks_how_a_scenario_does_unless_something_else_is_chosen():
    assert experiment_from(question_of({}), QUICK) is None
    chosen = [kind for kind, _, _, chosen in asking_of(Question(), QUICK).kinds if chosen]
    assert chosen == [""]


def test_it_offers_the_instances_of_each_service_to_a_search():
    assert asking_of(Question(), SEARCHED).question.numbers == (
        "services.payment.instances = 1..20\nservices.post.instances = 1..8"
    )
    assert numbers_of({"services": "nonsense"}) == ""


@pytest.mark.parametrize(
    ("given", "experiment"),
    [
        (
            {"ask-kind": "cheapest", "ask-numbers": "services.a.instances = 1..4\r\n\r\nload=0.5,1"},
            {"kind": "cheapest", "places": {"services.a.instances": "1..4", "load": "0.5,1"}},
        ),
        (
            {"ask-kind": "sensitivity", "ask-places": "load, services.a.times"},
            {"kind": "sensitivity", "places": ["load", "services.a.times"]},
        ),
        ({"ask-kind": "screening"}, {"kind": "screening", "places": []}),
        (
            {"ask-kind": "storm", "ask-loads": "20 %, 0.6", "ask-triggers": "5s"},
            {"kind": "storm", "service": None, "loads": [0.2, 0.6], "triggers": ["5s"]},
        ),
    ],
)
def test_it_reads_fields_as_scenario_files_write_experiments(given: dict[str, str], experiment: dict[str, object]):
    found = experiment_from(question_of(given), QUICK)
    assert found == experiment
    assert experiment_of(found).kind == experiment["kind"]


def test_it_searches_what_is_offered_where_nothing_else_was_said():
    found = experiment_from(Question(kind="cheapest"), QUICK)
    assert found == {"kind": "cheapest", "places": {"services.payment.instances": "1..8"}}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"ask-kind": "cheapest", "ask-numbers": "services.a.instances"}, "ask-numbers"),
        ({"ask-kind": "storm", "ask-loads": "much"}, "ask-loads"),
        ({"ask-kind": "nonsense"}, "ask-kind"),
    ],
)
def test_it_says_at_which_field_something_is_wrong(given: dict[str, str], path: str):
    with pytest.raises(DocumentInvalid) as told:
        experiment_from(question_of(given), QUICK)
    assert told.value.problems[0].path == path


def test_it_has_words_for_every_question_of_the_lab():
    assert all(words and more for words, more in KINDS.values())
