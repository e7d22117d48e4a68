"""The form of a scenario: fields are places in its document, and nothing else of it changes."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.errors import Problem
from simulation.lab.document import document_of
from simulation.lab.form import changed, form_of, told_elsewhere
from simulation.lab.presets import presets_of
from simulation.scenarios.building import variants_of
from simulation.scenarios.language import parse_scenario
from tests.lab.scenarios import QUICK

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab1", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "arrivals", "kind", "times", "values", "0"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def quick() -> dict[str, Any]:
    return document_of(QUICK)


def test_it_changes_nothing_where_nothing_was_changed():
    document = quick()
    same = {field.name: field.value for field in form_of(document).fields()}
    assert changed(document, document, same) == document


def test_it_puts_a_value_into_its_place_and_leaves_the_rest():
    document, before = quick(), quick()
    told = changed(document, document, {"services.payment.failures.share": "0.1", "slos[0].p99": "3s"})
    assert told["services"]["payment"]["failures"] == {"share": 0.1}
    assert told["slos"] == [{"workload": "orders", "completed": 0.9, "p99": "3s"}]
    assert document == before, "the document that it was made from stays as it is"
    del told["services"]["payment"]["failures"], told["slos"][0]["p99"]
    assert told == before


def test_it_takes_out_what_is_emptied():
    document = quick()
    assert changed(document, document, {"slos[0].completed": ""})["slos"] == []
    document["services"]["payment"]["failures"] = {"share": 0.2}
    assert "failures" not in changed(document, document, {"services.payment.failures.share": ""})["services"]["payment"]


def test_it_offers_changes_that_can_be_simulated():
    document = quick()
    document["services"]["payment"]["instances"] = 2
    names = [each.name for each in presets_of(document)]
    assert names == [
        "load-half-more",
        "load-double",
        "one-more-payment",
        "one-less-payment",
        "least-connections-payment",
    ]
    ticked = {"variant:shown": "1", **{f"variant:{name}": "on" for name in names}}
    told = changed(document, document, ticked)
    assert set(variants_of(told)) == {"as-written", "two-instances", *names}


def test_it_makes_ticked_changes_anew_from_what_was_changed():
    document = quick()
    ticked = {"variant:shown": "1", "variant:load-double": "on"}
    first = changed(document, document, ticked)
    again = changed(first, first, {**ticked, "workloads[0].arrivals.per_second": "8"})
    assert again["variants"]["load-double"]["workloads"][0]["arrivals"]["per_second"] == 16
    gone = changed(again, again, {"variant:shown": "1"})
    assert set(gone["variants"]) == {"two-instances"}


def test_it_says_problems_at_their_fields_and_the_others_elsewhere():
    problems = [Problem("horizon", "x", "too short"), Problem("workflows[0]", "y", "is wrong")]
    form = form_of(quick(), problems)
    assert [field.error for field in form.fields() if field.name == "horizon"] == ["too short"]
    assert told_elsewhere(form, problems) == problems[1:]


@given(document=st.dictionaries(st.sampled_from(["workloads", "services", "slos", "variants", "horizon"]), JSON))
def test_it_shows_and_changes_whatever_comes(document: dict[str, Any]):
    before = copy.deepcopy(document)
    given_values = {field.name: "7" for field in form_of(document).fields()}
    changed(document, quick(), {**{field.name: "7" for field in form_of(quick()).fields()}, "variant:shown": "1"})
    changed(document, document, {**given_values, "variant:shown": "1", "variant:load-double": "on"})
    assert document == before


def test_its_scenario_is_one_of_the_language():
    assert parse_scenario(quick()).scenario == "quick"
