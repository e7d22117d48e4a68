"""Experiments on scenarios: what they say, what they refuse, and that the same seed gives the same bytes."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from simulation.experiments.asking import answer, experiment_named
from simulation.experiments.places import changed
from simulation.experiments.storm import METASTABLE, STABLE, Question, probe
from simulation.experiments.trials import Trials
from simulation.scenarios import experiments as asked
from simulation.scenarios.language import ScenarioInvalid
from tests.simulation.test_scenarios import HERE, scenario

CAPACITY = "services.backend.capacity"
RATE = "workloads[0].arrivals.per_second"


def pool(per_second=100.0, mean="200ms", **promise):
    """Return a single pool of exponential servers, with a promise."""
    document = scenario(horizon="300s", slos=[{"workload": "callers", **(promise or {"p95": "1s"})}])
    document["workflows"][0]["config"] = {"max_concurrent": 100_000}
    document["workloads"][0]["arrivals"]["per_second"] = per_second
    document["services"]["backend"] = {"times": {"kind": "exponential", "mean": mean}, "capacity": 25}
    return document


def ask(document, kind, *, replications=5, jobs=1, **keys):
    experiment = {
        "sweep": asked.SweepOf,
        "compare": asked.CompareOf,
        "sensitivity": asked.SensitivityOf,
        "screening": asked.ScreeningOf,
        "cheapest": asked.CheapestOf,
    }[kind].model_validate({"kind": kind, **keys})
    return answer(document, experiment, folder=HERE, seed=7, replications=replications, jobs=jobs)


def problems_of(*arguments, **keys):
    with pytest.raises(ScenarioInvalid) as caught:
        ask(*arguments, **keys)
    return {each.path: each.message for each in caught.value.problems}


# Sweeps


def test_it_sweeps_a_load_and_finds_the_knee_at_half_the_capacity():
    document = scenario(horizon="2000s")
    found = ask(document, "sweep", places={RATE: [2, 3, 4, 5, 6, 7, 8]}).as_json()
    assert found["knees"]["callers"]["at"] == pytest.approx(5, rel=0.05)
    times = [each["summary"]["workloads"]["callers"]["mean"]["mean"] for each in found["points"]]
    assert times == sorted(times)


def test_it_says_which_points_of_a_sweep_are_hopeless_and_simulates_the_others():
    found = ask(scenario(slos=[{"workload": "callers", "p50": "1s"}]), "sweep", places={RATE: "5,20"}).as_json()
    assert [each["promises"] for each in found["points"]] == ["pass", "impossible"]
    assert "200% of what backend bears" in found["points"][1]["why_not"]
    assert any("not simulated" in each.lower() for each in found["said"])


def test_it_sweeps_two_places_as_a_map():
    found = ask(scenario(), "sweep", places={"load": [0.5, 1], "services.backend.instances": "1..2"})
    assert [list(each["values"].values()) for each in found.as_json()["points"]] == [[0.5, 1], [0.5, 2], [1, 1], [1, 2]]
    assert 'class="cell' in found.page()


def test_it_refuses_a_sweep_of_places_that_are_not_there():
    assert (
        "there are: backend"
        in problems_of(scenario(), "sweep", places={"services.other.instances": "1..2"}).popitem()[1]
    )
    three = {"load": [1], "services.backend.instances": [1], CAPACITY: [1]}
    assert "one place or two" in problems_of(scenario(), "sweep", places=three)["sweep"]
    assert (
        "workloads has 1 elements" in problems_of(scenario(), "sweep", places={"workloads[3].name": ["a"]}).popitem()[1]
    )
    with pytest.raises(ScenarioInvalid, match=r"services.backend.instances"):
        ask(scenario(), "sweep", places={"services.backend.instances": [0, 1]})


# Comparisons


def test_it_judges_variants_by_pairs():
    variants = {"two": {"services": {"backend": {"instances": 2}}}, "same": {"description": "nothing changes"}}
    found = ask(scenario(variants=variants, horizon="400s"), "compare").as_json()
    words = {(each["variant"], each["measure"]): each["verdict"] for each in found["compared"]}
    assert words["two", "mean"] == "better"
    assert words["same", "mean"] == "the same"


def test_it_tells_a_per_cent_apart_by_pairs():
    slower = {"services": {"backend": {"times": {"mean": "101ms"}}}}
    found = ask(scenario(variants={"slower": slower}, horizon="400s"), "compare").as_json()
    mean = next(each for each in found["compared"] if each["measure"] == "mean")
    assert mean["verdict"] == "worse"
    assert mean["variance_reduction"] > 50


def test_it_compares_with_any_variant_and_refuses_one_that_is_not_there():
    variants = {"two": {"services": {"backend": {"instances": 2}}}}
    found = ask(scenario(variants=variants), "compare", against="two").as_json()
    assert {each["variant"] for each in found["compared"]} == {"as-written"}
    assert "there are: as-written, two" in problems_of(scenario(variants=variants), "compare", against="x")["compare"]
    assert "nothing to compare" in problems_of(scenario(), "compare")["variants"]


# Sensitivity


def test_it_says_what_latency_and_cost_depend_on():
    document = {**pool(80.0), "costs": {"places": {CAPACITY: 1.0}}}
    found = ask(document, "sensitivity").as_json()["workloads"]["callers"]
    effects = {each["place"]: each for each in found["effects"]}
    assert found["measure"] == "p95"
    assert found["effects"][0]["place"] == "services.backend.times"
    assert effects["services.backend.times"]["elasticity"] > 0.9
    assert effects[CAPACITY]["elasticity"] < 0
    assert effects[CAPACITY]["cost_elasticity"] == pytest.approx(1.0)


def test_it_turns_only_what_is_asked_for_and_says_what_cannot_be_turned():
    found = ask(pool(80.0), "sensitivity", places=["load"]).as_json()["workloads"]["callers"]
    assert [each["place"] for each in found["effects"]] == ["load"]
    assert "cannot be turned" in problems_of(pool(), "sensitivity", places=["scenario"])["scenario"]


def test_it_screens_many_places_by_morris():
    found = ask(pool(60.0), "screening", replications=2).as_json()["workloads"]["callers"]
    assert found[0]["place"] == "services.backend.times"
    assert found[0]["mu_star"] == pytest.approx(1.0, abs=0.2)
    assert all(each["mu_star"] >= abs(each["mu"]) for each in found)


# The cheapest


@pytest.mark.parametrize(
    ("document", "servers"),
    [
        (pool(100.0, "200ms", p95="1s"), 21),
        (pool(200.0, "50ms", p99="250ms"), 12),
        (pool(1000.0, "100ms", p99="500ms"), 103),
    ],
)
def test_it_finds_the_exact_number_of_servers_and_shows_why_one_less_will_not_do(document, servers):
    found = ask(document, "cheapest", places={CAPACITY: "1..200"}).as_json()
    assert found["winner"]["values"] == {CAPACITY: servers}
    assert found["rejected"][0]["values"] == {CAPACITY: servers - 1}
    assert found["rejected"][0]["verdict"] in {"fail", "impossible"}
    assert any("Rejected though cheaper" in each for each in found["said"])


def test_it_says_that_no_number_helps_and_how_many_are_late_at_least():
    found = ask(pool(100.0, "200ms", p95="500ms"), "cheapest", places={CAPACITY: "1..200"})
    assert not found.kept
    assert found.as_json()["winner"] is None
    assert "8.2% of the cases, 5% may; so many are late whatever is added" in found.as_json()["why_none"]


def test_it_finds_the_cheapest_of_two_numbers_by_simulation_and_confirms_it():
    document = scenario(horizon="400s", slos=[{"workload": "callers", "p95": "300ms"}])
    document["services"]["backend"] = {"times": {"kind": "gamma", "mean": "100ms", "scv": 0.5}}
    document["workloads"][0]["arrivals"]["per_second"] = 12
    document["costs"] = {"services": {"backend": 5.0}, "places": {CAPACITY: 1.0}}
    places = {"services.backend.instances": "1..4", CAPACITY: "1..4"}
    found = ask(document, "cheapest", places=places, replications=5).as_json()
    assert found["winner"]["values"] == {"services.backend.instances": 1, CAPACITY: 3}
    assert found["winner"]["replications"] == 20
    assert [each["values"][CAPACITY] for each in found["rejected"]] == [2]


def test_it_refuses_to_look_for_what_cannot_be_told():
    assert "no promise" in problems_of(scenario(), "cheapest", places={CAPACITY: "1..3"})["slos"]
    document = scenario(slos=[{"workload": "callers", "p99": "2s"}], horizon="100s")
    document["services"]["backend"]["times"] = {"kind": "gamma", "mean": "100ms", "scv": 0.5}
    found = problems_of(document, "cheapest", places={CAPACITY: "1..3"})
    assert "needs 10,000 executions a replication" in found["slos[0].p99"]
    assert "upwards" in problems_of(pool(), "cheapest", places={CAPACITY: [3, 1]})[CAPACITY]


# Storms


def storm(*, budget):
    document = scenario(replications=2)
    call = {
        "id": "call", "type": "service", "service_name": "backend", "method": "serve", "timeout": "1s",
        "retry": {"max_attempts": 4, "delay": "50ms", "backoff": "exponential", "jitter": "full"},
    }  # fmt: skip
    document["workflows"] = [{"id": "work", "config": {"max_concurrent": 100_000}, "steps": [call], "output": {}}]
    document["services"]["backend"] = {
        "times": {"kind": "fixed", "time": "500ms"},
        "capacity": 10,
        "policy": {"breaker": {"enabled": False}, "retry_budget": {"enabled": budget, "minimum_per_second": 1.0}},
    }
    return document


@pytest.mark.parametrize(("budget", "word"), [(False, METASTABLE), (True, STABLE)])
def test_it_tells_a_metastable_load_from_one_that_a_budget_keeps_stable(budget, word):
    with Trials(HERE, 7) as trials:
        found = probe(trials, storm(budget=budget), Question(loads=(0.6,), triggers=(15.0,)))
    cell = found.as_json()["maps"]["as-written"]["cells"][0]
    assert cell["word"] == word
    assert found.kept == budget


def test_it_says_what_capacity_is_hidden():
    with Trials(HERE, 7) as trials:
        found = probe(trials, storm(budget=False), Question(loads=(0.1,), triggers=(5.0,)), replications=2).as_json()
    (amplification,) = found["maps"]["as-written"]["amplification"]
    assert amplification == {"load": 0.1, "factor": 4.0, "hidden": 0.25}
    assert found["maps"]["as-written"]["cells"][0]["word"] == STABLE


# Asking


def test_it_gives_the_same_bytes_in_one_process_and_in_two():
    keys = {"places": {"load": [0.5, 1.2], "services.backend.instances": [1, 2]}}
    one, two = (ask(scenario(horizon="50s"), "sweep", jobs=jobs, **keys) for jobs in (1, 2))
    assert json.dumps(one.as_json()) == json.dumps(two.as_json())
    assert one.page() == two.page()


def test_it_makes_a_page_that_needs_nothing_else_and_says_how_to_ask_again():
    page = ask(scenario(), "sweep", places={"load": [0.5, 1, 1.5]}).page()
    assert "http" not in page
    assert "<script" not in page
    assert "--sweep &#x27;load=0.5,1,1.5&#x27; --replications 5 --seed 7" in page
    assert "prefers-color-scheme: dark" in page


@pytest.fixture
def file(tmp_path):
    document = scenario(
        horizon="50s",
        variants={"two": {"services": {"backend": {"instances": 2}}}},
        experiments={"load": {"kind": "sweep", "places": {"load": "0.5,1"}, "variants": ["two"]}},
    )
    path = tmp_path / "small.json"
    path.write_text(json.dumps(document))
    return path


def command(*arguments):
    out = StringIO()
    call_command("simulate", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_it_answers_what_the_file_asks_by_name(file, tmp_path):
    text = command(file, "--experiment", "load", "--replications", 2, "--report", tmp_path / "page.html")
    assert text.startswith("small: sweep")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(ScenarioInvalid, match="there are: load"):
        experiment_named(json.loads(file.read_text()), "other")


def test_it_answers_on_the_command_line_as_text_and_as_json(file):
    assert "Against as-written" in command(file, "--compare", "--replications", 2)
    found = json.loads(command(file, "--sweep", "load=0.5,1", "--variant", "two", "--replications", 2, "--json"))
    assert found["experiment"] == "sweep"
    assert found["points"][0]["summary"]["services"]["backend"]["busy"]["mean"] < 0.2


def test_it_says_on_the_command_line_what_is_wrong_with_the_question(file):
    for arguments, said in (
        (["--sweep", "load"], "say PATH=VALUES"),
        (["--sweep", "load=1", "--compare"], "one experiment at a time"),
        (["--storm", "--loads", "much"], "no share"),
        (["--storm", "nobody"], "there is no service nobody"),
        (["--sweep", "load=1..1000"], "take larger steps"),
        (["--sweep", "load=1", "--variant", "three"], "there is no variant three"),
    ):
        with pytest.raises(CommandError, match="cannot be simulated") as caught:
            command(file, *arguments)
        assert said in str(caught.value)


def test_it_changes_a_copy_and_makes_what_is_left_out():
    document = scenario()
    made = changed(document, "services.backend.policy.retry_budget.enabled", value=False)
    assert made["services"]["backend"]["policy"] == {"retry_budget": {"enabled": False}}
    assert "policy" not in document["services"]["backend"]
