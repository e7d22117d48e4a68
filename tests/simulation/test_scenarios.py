"""Scenario files: what they may say, what is said of those that cannot be simulated, and what comes of the others."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
from django.core.management import CommandError, call_command

import simulation.scenarios
from orchestration.domain.documents import parse_document
from simulation.scenarios.building import variants_of, world_of
from simulation.scenarios.files import with_files
from simulation.scenarios.language import ScenarioInvalid, parse_scenario, scenario_schema, scenario_schema_text
from simulation.scenarios.report import page_of
from simulation.scenarios.running import run_scenario
from simulation.scenarios.summary import NOT_MODELLED
from tests.architecture.tree import ROOT
from tests.simulation.outside import FOLDER
from tests.simulation.worlds import one_step

FILES = sorted(Path(simulation.scenarios.__file__).parent.glob("*.yaml"))
HERE = Path(__file__).parent
RECORDED = {"recorded-bursts": FOLDER / "azure-llm", "recorded-workflow": FOLDER / "wfinstances"}


def scenario(**changes):
    """Return a small scenario, with changes at its top."""
    return {
        "scenario": "small",
        "horizon": "200s",
        "replications": 3,
        "workflows": [one_step()],
        "workloads": [{"name": "callers", "workflow": "work", "arrivals": {"kind": "poisson", "per_second": 5}}],
        "services": {"backend": {"times": {"kind": "exponential", "mean": "100ms"}}},
        **changes,
    }


def problems_of(document):
    with pytest.raises(ScenarioInvalid) as caught:
        run_scenario(document, folder=HERE, seed=1)
    return {each.path: each.message for each in caught.value.problems}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_ships_scenarios_that_can_be_simulated(file):
    document = parse_document(file.read_bytes())
    jsonschema.validate(document, scenario_schema())
    assert document["scenario"] == file.stem
    folder = RECORDED.get(file.stem, file.parent)
    if not folder.is_dir():
        pytest.skip(f"the recordings {folder} are not here (PODIUM_OUTSIDE_DATA names their folder)")
    for each in variants_of(with_files(document, folder)).values():
        assert world_of(each, folder).workloads


def test_it_documents_its_language():
    file = ROOT / "docs" / "reference" / "simulation-scenario.schema.json"
    assert file.read_text(encoding="utf-8") == scenario_schema_text()


def test_it_tells_all_that_is_wrong_and_where():
    document = scenario(horizon="soon", extra=1)
    document["services"]["backend"]["times"] = {"kind": "exponential", "mean": -1}
    document["workloads"][0]["arrivals"] = {"kind": "poisson"}
    assert set(problems_of(document)) == {
        "horizon", "extra", "services.backend.times.mean", "workloads[0].arrivals.per_second"
    }  # fmt: skip


def test_it_tells_what_is_wrong_inside_workflows_and_policies():
    document = scenario(workflows=[{**one_step(), "steps": [{"id": "call", "type": "nothing"}]}])
    document["services"]["backend"]["policy"] = {"breaker": {"failures": 2}}
    found = problems_of(document)
    assert any(path.startswith("workflows[0].steps[0]") for path in found)
    assert "services.backend.policy.breaker.failures" in found


def test_it_tells_what_is_referred_to_and_not_there():
    document = scenario(slos=[{"workload": "nobody", "p95": "1s"}])
    document["workloads"][0]["workflow"] = "other"
    document["services"] = {"another": document["services"]["backend"]}
    assert set(problems_of(document)) == {
        "slos[0].workload", "workloads[0].workflow", "workflows[0].steps[0].service_name"
    }  # fmt: skip


def test_it_tells_which_variant_is_wrong():
    document = scenario(variants={"none": {"services": {"backend": {"instances": 0}}}})
    assert set(problems_of(document)) == {"variants.none.services.backend.instances"}


def test_it_tells_what_only_shows_when_it_is_built():
    document = scenario()
    document["services"]["backend"]["times"] = {"kind": "lognormal", "p50": "1s", "p99": "100ms"}
    assert "more than p50" in problems_of(document)["services.backend.times"]
    document = scenario()
    document["workloads"][0]["arrivals"] = {"kind": "trace", "file": "nowhere.csv"}
    assert "no file nowhere.csv" in problems_of(document)["workloads[0].arrivals"]


def test_it_refuses_a_load_above_what_is_borne_before_it_simulates():
    document = scenario()
    document["workloads"][0]["arrivals"]["per_second"] = 11
    assert "110% of what backend bears" in problems_of(document)["services.backend"]
    assert run_scenario({**document, "transient": True, "horizon": "20s"}, folder=HERE, seed=1).summaries


def test_it_refuses_a_promise_that_is_broken_even_without_any_other_load():
    found = problems_of(scenario(slos=[{"workload": "callers", "p95": "200ms"}]))
    assert "cannot be kept" in found["slos[0].p95"]
    assert "95% are promised" in found["slos[0].p95"]


def test_it_gives_the_same_bytes_in_one_process_and_in_two():
    document = scenario(variants={"two": {"services": {"backend": {"instances": 2}}}})
    one = run_scenario(document, folder=HERE, seed=1)
    two = run_scenario(document, folder=HERE, seed=1, jobs=2)
    assert json.dumps(one.as_json()) == json.dumps(two.as_json())


def test_it_judges_promises_and_finds_the_bottleneck():
    document = scenario(
        horizon="500s",
        slos=[
            {"workload": "callers", "p95": "10s"},
            {"workload": "callers", "p50": "100ms"},
            {"workload": "callers", "p99": "1s"},
            {"workload": "callers", "completed": 0.5},
        ],
    )
    summary = run_scenario(document, folder=HERE, seed=1).summaries[0]
    assert [each.word for each in summary.judgements] == ["pass", "fail", "cannot tell yet", "pass"]
    assert summary.bottleneck.startswith("service backend, busy 5")
    assert "p99" in summary.workloads[0].too_few


def test_it_compares_variants_by_pairs():
    document = scenario(variants={"two": {"services": {"backend": {"instances": 2}}}})
    difference = run_scenario(document, folder=HERE, seed=1, replications=5).differences["two"]["callers mean"]
    assert difference.high < 0


def test_it_makes_a_page_that_needs_nothing_else():
    page = page_of(run_scenario(scenario(description="1 < 2"), folder=HERE, seed=1))
    assert "<svg" in page
    assert "1 &lt; 2" in page
    assert "http" not in page
    assert "<script" not in page


def command(*arguments):
    out = StringIO()
    call_command("simulate", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(scenario(slos=[{"workload": "callers", "p50": "10s"}])))
    return path


def test_it_answers_on_the_command_line(file, tmp_path):
    text = command(file, "--seed", 1, "--replications", 2, "--report", tmp_path / "page.html")
    assert "SLO callers p50 10 s: PASS" in text
    assert "bottleneck: service backend" in text
    assert all(each in text for each in NOT_MODELLED)
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    answer = json.loads(command(file, "--seed", 1, "--json"))
    assert answer["variants"][0]["slos"][0]["verdict"] == "pass"


def test_it_ends_with_one_where_a_promise_is_broken(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(scenario(slos=[{"workload": "callers", "p50": "100ms"}])))
    with pytest.raises(SystemExit) as caught:
        command(path)
    assert caught.value.code == 1


def test_it_says_what_is_wrong_on_the_command_line(tmp_path):
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(scenario(horizon="soon")))
    with pytest.raises(CommandError, match="horizon: "):
        command(path)
    with pytest.raises(CommandError, match="cannot be read"):
        command(tmp_path / "nowhere.yaml")
    with pytest.raises(CommandError, match="at least 2"):
        command(path, "--replications", 1)
    with pytest.raises(CommandError, match="name a scenario"):
        command()


def test_it_checks_itself_on_the_command_line():
    answer = json.loads(command("--validate", "--only", "retry-quota", "--json"))
    assert [each["passed"] for each in answer["checks"]] == [True, True, True]
    with pytest.raises(CommandError, match="there is no check nothing"):
        command("--validate", "--only", "nothing")


def test_it_reads_a_scenario_of_every_kind():
    times = [
        {"kind": "fixed", "time": "1ms"},
        {"kind": "gamma", "mean": "1ms", "scv": 0.5},
        {"kind": "weibull", "shape": 0.8, "scale": "1ms"},
        {"kind": "hyper-exponential", "mean": "1ms", "scv": 4},
        {"kind": "lognormal", "mean": "1ms", "scv": 2},
        {"kind": "empirical", "values": ["1ms", "2ms"]},
    ]
    arrivals = [
        {"kind": "piecewise", "steps": [{"at": 0, "per_second": 1}, {"at": "10s", "per_second": 5}], "period": "20s"},
        {"kind": "modulated", "states": [{"per_second": 1, "stays": "10s"}, {"per_second": 9, "stays": "1s"}]},
        {"kind": "batches", "per_second": 1, "size": 3},
        {"kind": "cron", "schedule": "* * * * *", "begin": "2026-01-01T00:00:00+00:00"},
        {"kind": "users", "users": 3, "think": {"kind": "fixed", "time": "1s"}},
        {"kind": "trace", "times": [0, 1.5, 2.5]},
    ]
    for one, other in zip(times, arrivals, strict=True):
        document = scenario(horizon="100s", workloads=[{"name": "callers", "workflow": "work", "arrivals": other}])
        document["services"]["backend"]["times"] = one
        assert parse_scenario(document)
        found = run_scenario(document, folder=HERE, seed=1, replications=2).last["as-written"].workloads["callers"]
        assert found.times.size > 0


def test_it_refuses_a_load_that_only_retries_make_too_much():
    document = scenario()
    document["workloads"][0]["arrivals"]["per_second"] = 8
    document["services"]["backend"]["failures"] = {"share": 0.5}
    document["services"]["backend"]["policy"] = {"breaker": {"enabled": False}, "retry_budget": {"enabled": False}}
    said = problems_of(document)["services.backend"]
    assert "retries and loops included" in said
    assert "backend serves 1 (1" in said


def test_it_refuses_more_executions_at_once_than_workers_and_the_workflow_have_room_for():
    document = scenario(workers={"count": 1, "slots": 2})
    document["workflows"][0]["config"] = {"max_concurrent": 3}
    document["services"]["backend"] = {"times": {"kind": "fixed", "time": "1s"}, "capacity": 50}
    found = problems_of(document)
    assert "about 5 executions are under way at once" in found["workflows[0].config.max_concurrent"]
    assert "the workers have 2 slots" in found["workers.slots"]


def test_it_refuses_a_load_that_workers_cannot_decide():
    document = scenario(workers={"count": 2, "per_entry": "200ms"})
    assert "and there are 2" in problems_of(document)["workers.count"]


def test_it_refuses_a_workload_whose_input_lets_no_execution_get_anywhere():
    needs = one_step(input={"amount": "${vars.order.amount}"})
    problems = problems_of(scenario(workflows=[needs]))
    assert list(problems) == ["workloads[0].input"]
    assert "every execution of callers fails by itself, at call: input: " in problems["workloads[0].input"]
    given = {"name": "callers", "workflow": "work", "arrivals": {"kind": "poisson", "per_second": 5}}
    good = scenario(workflows=[needs], workloads=[{**given, "input": {"order": {"amount": 3}}}])
    assert run_scenario(good, folder=HERE, seed=1).summaries
    failing = {"times": {"kind": "fixed", "time": "1ms"}, "failures": {"share": 1}}
    assert run_scenario(scenario(services={"backend": failing}), folder=HERE, seed=1).summaries
