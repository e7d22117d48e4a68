"""The lab's pages over HTTP: who sees what, what is said where, and how much they weigh."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from simulation.charts import bars
from simulation.lab import claims, operations, queries, tasks, telling
from simulation.lab.document import document_of
from simulation.lab.models import SimulationRun
from simulation.lab.plan import factors_from, run_batch
from simulation.lab.prefill import blank, text_of
from tests.dashboard.conftest import started
from tests.dashboard.test_pages import Elements
from tests.lab.scenarios import OVERLOADED, QUICK, SEARCHED

HOSTILE = '<script>alert("x")</script>'
SEED = 7


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """Return what the quick scenario comes to; simulated once for all tests of this file."""
    compared = [run_batch(QUICK, "compare", place, [], seed=SEED, stop=lambda: False) for place in (0, 1)]
    factors = factors_from(QUICK, compared[0] or b"")
    loaded = [run_batch(QUICK, "load", place, factors, seed=SEED, stop=lambda: False) for place in (0, 1)]
    return telling.result_of(
        QUICK, [each or b"" for each in compared], [each or b"" for each in loaded], factors, seed=SEED
    )


@pytest.fixture
def run_id(team_id: int) -> str:
    return str(operations.start_run(team_id=team_id, text=QUICK, name="Peak", by="ada", seed=SEED))


@pytest.fixture
def told(run_id: str, result: dict[str, Any]) -> str:
    """Have a run that has told something and goes on; return its id."""
    SimulationRun.objects.filter(pk=run_id).update(state="running", started_at="2030-01-01T00:00Z", done=4)
    claims.note_result(run_id=run_id, result=json.dumps(result), verdict="pass", told=4)
    return run_id


@pytest.fixture
def scenario_id(team_id: int) -> str:
    return str(operations.save_scenario(team_id=team_id, text=QUICK, name="Peak", by="ada").scenario_id)


def text_at(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, response.content[:500]
    return response.content.decode()


def posted(client: Client, path: str, status: int, **given: str) -> Any:
    response = client.post(path, {"text": QUICK, "base": QUICK, "name": "Peak", **given})
    assert response.status_code == status, response.content[:2000]
    return response


def test_it_asks_who_is_there_and_shows_nothing_of_another_team(
    operator: Client, stranger: Client, told: str, scenario_id: str
):
    paths = [f"/lab/runs/{told}", f"/lab/runs/{told}.json", f"/lab/scenarios/{scenario_id}", f"/lab/runs/{told}?part="]
    for path in ["/lab", "/lab/new", *paths]:
        assert Client().get(path).status_code == 302
    for path in paths:
        assert text_at(operator, path)
        assert "Not here" in text_at(stranger, path, 404)
    posted(stranger, f"/lab/scenarios/{scenario_id}", 404, act="delete")
    stranger.post(f"/lab/runs/{told}/act", {"act": "cancel"})
    assert SimulationRun.objects.get(pk=told).state == "running"
    assert "Peak" not in text_at(stranger, "/lab")


def test_it_lets_a_viewer_look_and_change_nothing(viewer: Client, told: str, scenario_id: str):
    assert "It holds" in text_at(viewer, f"/lab/runs/{told}")
    page = text_at(viewer, f"/lab/scenarios/{scenario_id}")
    assert 'value="run"' not in page
    assert 'value="delete"' not in page
    posted(viewer, "/lab/new", 403, act="run")
    posted(viewer, f"/lab/scenarios/{scenario_id}", 403, act="save", **{"slos[0].completed": "0.5"})
    viewer.post(f"/lab/runs/{told}/act", {"act": "cancel"})
    assert SimulationRun.objects.count() == 1
    assert SimulationRun.objects.get().state == "running"


def test_it_says_what_will_stand_where_nothing_does_yet(operator: Client, team_id: int):
    page = text_at(operator, "/lab")
    assert "No simulation yet" in page
    assert "Nothing saved" in page
    assert "There is no workflow yet" in page
    assert "everything here is an example" in text_at(operator, "/lab/new")


def test_it_fills_a_scenario_in_and_says_what_is_a_guess(operator: Client, team_id: int, order: str):
    page = text_at(operator, "/lab/new?workflow=order-processing")
    assert "No execution began in the last seven days" in page
    assert "their times are guesses" in page
    for _ in range(3):
        started(team_id, order, order_id="ORD-1", items=[], total_amount=1)
    page = text_at(operator, "/lab/new?workflow=order-processing")
    assert "3 executions began in the last seven days" in page
    assert 'value="0.000833"' in page
    assert "Not here" in text_at(operator, "/lab/new?workflow=nonsense", 404)
    assert "no workflow calls" in text_at(operator, "/lab/new?service=nobody", 404)


def test_it_links_what_if_from_workflows_and_services(operator: Client, order: str, team_id: int):
    from orchestration.registry import operations as registry

    registry.register(team_id=team_id, name="payment", address="http://127.0.0.1:8199", by="demo")
    assert 'href="/lab/new?workflow=order-processing"' in text_at(operator, "/workflows/order-processing")
    assert 'href="/lab/new?service=payment"' in text_at(operator, "/services/payment")


def test_it_simulates_what_stands_in_the_fields_and_in_the_file(operator: Client, team_id: int):
    given = {
        "workloads[0].arrivals.per_second": "2",
        "slos[0].p95": "2s",
        "variant:shown": "1",
        "variant:load-double": "on",
    }
    response = posted(operator, "/lab/new", 302, act="run", seed="42", **given)
    run = queries.get_run(team_id=team_id, run_id=response.headers["Location"].rpartition("/")[2])
    assert run.seed == 42
    document = document_of(run.text)
    assert document["workloads"][0]["arrivals"]["per_second"] == 2
    assert document["slos"][0] == {"workload": "orders", "completed": 0.9, "p95": "2s"}
    assert document["variants"]["load-double"]["workloads"][0]["arrivals"]["per_second"] == 4
    assert "two-instances" in document["variants"], "what only the file knows stays"


def test_it_keeps_the_file_to_the_letter_where_no_field_was_changed(operator: Client, team_id: int):
    text = f"# ours\n{QUICK}"
    response = posted(operator, "/lab/new", 302, act="save", text=text, base=text)
    scenario_id = response.headers["Location"].rpartition("/")[2]
    assert queries.get_scenario(team_id=team_id, scenario_id=scenario_id).text == text


def test_it_takes_file_and_fields_that_were_changed_at_once(operator: Client, team_id: int):
    text = QUICK.replace("replications: 3", "replications: 4")
    response = posted(
        operator, "/lab/new", 302, act="save", text=text, **{"services.payment.instances": "3", "replications": "3"}
    )
    scenario_id = response.headers["Location"].rpartition("/")[2]
    saved = queries.get_scenario(team_id=team_id, scenario_id=scenario_id).text
    assert "replications: 4" in saved
    assert "instances: 3" in saved


def test_it_says_what_is_wrong_at_its_field(operator: Client, team_id: int):
    given = {"workloads[0].arrivals.per_second": "many", "services.payment.times.mean": "soon", "horizon": "1s"}
    page = posted(operator, "/lab/new", 422, act="run", **given).content.decode()
    for name in ("workloads[0].arrivals.per_second", "services.payment.times.mean"):
        field = re.search(
            rf'<input id="([^"]+)" name="{re.escape(name)}" value="(many|soon)"[^>]* aria-invalid="true"', page
        )
        assert field, name
        assert f'id="{field[1]}-wrong"' in page
    assert not SimulationRun.objects.exists()


def test_it_says_what_is_wrong_elsewhere_with_its_path(operator: Client, team_id: int):
    page = posted(operator, "/lab/new", 422, act="run", text=OVERLOADED, base=OVERLOADED).content.decode()
    assert "there is no steady state to wait for" in page
    assert "<code>services.payment</code>" in page
    page = posted(operator, "/lab/new", 422, act="save", text="scenario: [", base=QUICK).content.decode()
    assert 'role="alert"' in page
    posted(operator, "/lab/new", 302, act="save", text=QUICK, base="scenario: [")


def test_it_explains_a_limit_that_is_reached(operator: Client, team_id: int, run_id: str):
    posted(operator, "/lab/new", 302, act="run")
    page = posted(operator, "/lab/new", 422, act="run").content.decode()
    assert "no more may be at once" in page
    assert "simulation_runs_per_team" in page


def test_it_shares_renames_and_deletes(operator: Client, stranger: Client, team_id: int, scenario_id: str, run_id: str):
    path = f"/lab/scenarios/{scenario_id}"
    posted(operator, path, 302, act="share")
    link = re.search(r'value="http://testserver(/lab/shared/[^"]+)"', text_at(operator, path))
    assert link
    assert operator.get(link[1]).headers["Location"] == path
    posted(operator, path, 302, act="run")
    assert operator.get(link[1]).headers["Location"].startswith("/lab/runs/")
    assert stranger.get(link[1]).status_code == 404
    posted(operator, path, 302, act="unshare")
    assert operator.get(link[1]).status_code == 404
    posted(operator, path, 302, act="rename", name="Off peak")
    assert "Off peak" in text_at(operator, "/lab")
    posted(operator, path, 302, act="delete")
    assert operator.get(path).status_code == 404


def test_it_tells_who_saved_meanwhile(operator: Client, team_id: int, scenario_id: str):
    operations.save_scenario(team_id=team_id, text=QUICK, name="Hers", by="ada", scenario_id=scenario_id)
    page = posted(operator, f"/lab/scenarios/{scenario_id}", 422, act="save", version="1").content.decode()
    assert "ada saved this scenario meanwhile" in page


def test_it_shows_the_answer_the_curve_and_every_picture_as_a_table(operator: Client, told: str):
    page = text_at(operator, f"/lab/runs/{told}")
    assert "It holds: 100 % of orders complete, 90 % are promised." in page
    assert "payment is the bottleneck" in page
    elements = Elements(page)
    curve = next(each for each in elements.named("svg") if each.get("class") == "curve")
    assert curve["role"] == "img"
    assert "against load" in (curve["aria-label"] or "")
    for title in ("Latency against load", "Promises", "From start to end", "How busy", "Against the scenario as it is"):
        assert title in page
    assert "Latency against load, as a table" in page
    assert page.count("two-instances") >= 5
    assert "Not modelled" in page


def test_it_gives_only_what_changed_while_it_runs(operator: Client, told: str):
    part = text_at(operator, f"/lab/runs/{told}?part=&have=running.4.4")
    assert "<html" not in part
    assert 'data-active="yes"' in part
    SimulationRun.objects.filter(pk=told).update(state="done", ended_at="2030-01-01T00:01Z")
    assert 'data-active="no"' in text_at(operator, f"/lab/runs/{told}?part=&have=running.4.4")
    assert operator.get(f"/lab/runs/{told}?part=&have=done.4.4").status_code == 204


def test_it_cancels_and_keeps_what_was_told(operator: Client, told: str):
    assert 'value="cancel"' in text_at(operator, f"/lab/runs/{told}")
    operator.post(f"/lab/runs/{told}/act", {"act": "cancel"})
    page = text_at(operator, f"/lab/runs/{told}")
    assert "Cancelled" in page
    assert 'value="cancel"' not in page
    assert "It holds" in page
    operator.post(f"/lab/runs/{told}/act", {"act": "cancel"})
    assert "only one that is queued or runs can be cancelled" in text_at(operator, f"/lab/runs/{told}")


def test_it_says_why_a_run_failed(operator: Client, run_id: str):
    from orchestration import clock
    from orchestration.domain.errors import Problem

    claims.fail(run_id=run_id, problems=[Problem("slos[0].p95", "slo.impossible", "cannot be kept")], now=clock.now())
    page = text_at(operator, f"/lab/runs/{run_id}")
    assert "It cannot be simulated as it is." in page
    assert "<code>slos[0].p95</code> cannot be kept" in page


def test_it_gives_a_run_away_with_its_seed(operator: Client, told: str):
    text = text_at(operator, f"/lab/runs/{told}.yaml")
    assert f"--seed {SEED}" in text
    assert text.endswith(QUICK)
    document = json.loads(text_at(operator, f"/lab/runs/{told}.json"))
    assert (document["seed"], document["scenario"]["scenario"]) == (SEED, "quick")
    assert document["result"]["compare"]["variants"][0]["name"] == "as-written"


def test_it_shows_markup_in_names_as_text(operator: Client, team_id: int):
    text = text_of({**blank().document, "description": HOSTILE})
    response = posted(operator, "/lab/new", 302, act="save", name=HOSTILE, text=text, base=text)
    for path in ("/lab", response.headers["Location"]):
        page = text_at(operator, path)
        sources = [script.get("src") for script in Elements(page).named("script")]
        assert sources == ["/static/dashboard/podium.js"]
        assert HOSTILE not in page


def _kilobytes(data: bytes) -> float:
    return len(gzip.compress(data, 6)) / 1000


def _static_kilobytes() -> float:
    files = [
        "dashboard/podium.css",
        "dashboard/podium.js",
        "dashboard/live.js",
        "dashboard/patch.js",
        "dashboard/words.js",
    ]
    files += ["simulation/lab.css", "simulation/lab.js"]
    static = [_kilobytes(Path(found).read_bytes()) for name in files if isinstance(found := finders.find(name), str)]
    assert len(static) == len(files)
    return sum(static)


def test_it_weighs_less_than_sixty_kilobytes_with_everything(operator: Client, told: str, scenario_id: str, order: str):
    for path in ("/lab", "/lab/new?workflow=order-processing", f"/lab/scenarios/{scenario_id}", f"/lab/runs/{told}"):
        page = text_at(operator, path)
        assert len(Elements(page).tags) <= 1_500, path
        assert _kilobytes(page.encode()) + _static_kilobytes() < 60, path


def test_it_can_be_found_through_by_keyboard_and_ear(operator: Client, told: str, scenario_id: str, order: str):
    for path in ("/lab", "/lab/new?workflow=order-processing", f"/lab/scenarios/{scenario_id}", f"/lab/runs/{told}"):
        elements = Elements(text_at(operator, path))
        assert len(elements.named("h1")) == 1, path
        ids = [attributes["id"] for _, attributes in elements.tags if "id" in attributes]
        assert len(ids) == len(set(ids)), path
        labelled = {label["for"] for label in elements.named("label") if "for" in label}
        for field in (*elements.named("textarea"), *elements.named("input"), *elements.named("select")):
            assert field.get("type") in {"hidden", "checkbox"} or field.get("id") in labelled, (path, field)
        for attributes in elements.named("div"):
            if "scroll" in (attributes.get("class") or "").split():
                assert (attributes.get("tabindex"), attributes.get("role")) == ("0", "region"), path
                assert attributes.get("aria-label"), path
        assert not [attributes for _, attributes in elements.tags if "style" in attributes], path


def test_it_shows_a_run_in_few_queries(operator: Client, told: str, django_assert_max_num_queries: Any):
    with django_assert_max_num_queries(8):
        text_at(operator, f"/lab/runs/{told}")
    with django_assert_max_num_queries(8):
        text_at(operator, "/lab")


@pytest.fixture
def answered(team_id: int) -> dict[str, str]:
    """Have an answer to every experiment; return the runs' ids by kind."""
    asked: dict[str, dict[str, Any]] = {
        "sensitivity": {"kind": "sensitivity", "replications": 2},
        "screening": {"kind": "screening", "replications": 2},
        "storm": {"kind": "storm", "loads": [0.3, 0.9], "triggers": ["5s"], "replications": 2},
        "cheapest": {"kind": "cheapest", "places": {"services.payment.instances": "4..6"}},
    }
    runs = {}
    for kind, experiment in asked.items():
        given = {
            "team_id": team_id,
            "text": SEARCHED if kind == "cheapest" else QUICK,
            "name": kind,
            "by": "ada",
            "seed": SEED,
        }
        runs[kind] = str(operations.start_run(**given, experiment=experiment))
        while tasks.work()["batches"]:
            pass
    return runs


def test_it_shows_every_answer_as_a_picture_and_a_table(
    operator: Client, answered: dict[str, str], django_assert_max_num_queries: Any
):
    words = {
        "sensitivity": ("depends most on", "elasticity", "Bottleneck of", "Pass"),
        "screening": ("most depends on", "μ*"),
        "storm": ("load/trigger", "goodput", "came back", "Stable"),
        "cheapest": ("The cheapest is", "All that was tried", "What each set-up that was tried costs"),
    }
    for kind, run_id in answered.items():
        with django_assert_max_num_queries(8):
            page = text_at(operator, f"/lab/runs/{run_id}")
        elements = Elements(page)
        pictures = [each for each in elements.named("svg") if each.get("role") == "img"]
        assert pictures, kind
        assert all(each.get("aria-label") for each in pictures), kind
        assert elements.named("table"), kind
        assert all(word in page for word in words[kind]), (kind, page)
        assert "Not modelled" in page
        assert len(elements.named("h1")) == 1
        assert not [attributes for _, attributes in elements.tags if "style" in attributes], kind
        assert len(elements.tags) <= 1_500
        assert _kilobytes(page.encode()) + _static_kilobytes() < 60, kind
        for attributes in elements.named("div"):
            if "scroll" in (attributes.get("class") or "").split():
                assert (attributes.get("tabindex"), attributes.get("role")) == ("0", "region"), kind
                assert attributes.get("aria-label"), kind


def test_it_shows_markup_in_an_answer_as_text(operator: Client, team_id: int):
    given = {"team_id": team_id, "text": QUICK, "name": "x", "by": "ada", "seed": SEED}
    run_id = operations.start_run(**given, experiment={"kind": "sensitivity", "replications": 2})
    svg = bars([(HOSTILE, 1, 1, 1, False)], unit="", label=HOSTILE, most=1)
    blocks = [
        {"block": "said", "text": HOSTILE, "strong": True},
        {"block": "table", "caption": HOSTILE, "columns": [HOSTILE, "b"], "rows": [[HOSTILE, HOSTILE]]},
        {"block": "picture", "caption": HOSTILE, "svg": svg, "table": None},
    ]
    result = {"replications": 2, "compare": None, "load": None, "experiment": {}, "blocks": blocks}
    SimulationRun.objects.filter(pk=run_id).update(state="running", result=json.dumps(result))
    page = text_at(operator, f"/lab/runs/{run_id}")
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_it_asks_what_was_chosen_on_the_form(operator: Client, team_id: int):
    given = {"act": "run", "ask-kind": "cheapest", "ask-numbers": "services.payment.instances = 1..3"}
    response = posted(operator, "/lab/new", 302, **given)
    run = queries.get_run(team_id=team_id, run_id=response.headers["Location"].rpartition("/")[2])
    assert run.experiment == {"kind": "cheapest", "places": {"services.payment.instances": "1..3"}}
    page = posted(operator, "/lab/new", 422, **{**given, "ask-numbers": "nonsense"}).content.decode()
    assert "<code>ask-numbers</code>" in page
    assert "nonsense" in page, "what was typed is still there"


def test_it_offers_other_numbers_where_the_file_has_other_services(operator: Client, team_id: int):
    given = {"act": "file", "base": text_of(blank().document), "ask-numbers": "services.service.instances = 1..8"}
    page = posted(operator, "/lab/new", 200, **given).content.decode()
    assert "services.payment.instances = 1..8" in page
    assert "services.service.instances" not in page
