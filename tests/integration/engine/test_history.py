"""From what the engine recorded to a simulation: fitted, from now, and from yesterday, through the command."""

from __future__ import annotations

import json
from contextlib import suppress
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command

from orchestration import clock
from orchestration.domain import events as e
from orchestration.domain.calling.circuit import Verdict
from orchestration.domain.documents import parse_document
from orchestration.domain.facts import Pause
from orchestration.domain.instants import format_instant
from orchestration.engine import history
from orchestration.engine.operations import set_secret, start_execution
from orchestration.engine.veil import HIDDEN
from orchestration.registry import sharing
from orchestration.registry.models import Service
from simulation.history import read_now
from simulation.lab.prefill import prefill, text_of
from simulation.recorded import changed, from_now
from simulation.scenarios.batches import NOWHERE
from simulation.scenarios.building import world_of
from simulation.scenarios.language import parse_scenario
from simulation.scenarios.running import planned
from simulation.scenarios.standing import standing_from
from simulation.world.world import World
from tests.integration.engine.conftest import Shifts, Site, call
from tests.waiting import wait_for

HOUR = 3600 * 1_000_000


def simulate(**options: object) -> str:
    out = StringIO()
    # Where a promise is broken the answer is there all the same.
    with suppress(SystemExit):
        call_command("simulate", stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def shop(site: Site, service: object, shift: Shifts) -> list[str]:
    """Return forty executions of two steps that have ended, a few of them with a failed attempt or failed for good."""
    asked: dict[str, int] = {}

    def take(input: dict[str, object], context: object) -> dict[str, object]:
        return {"taken": input["order"]}

    def pay(input: dict[str, object], context: object) -> dict[str, object]:
        order = str(input["order"])
        asked[order] = asked.get(order, 0) + 1
        if order.endswith("5") and asked[order] == 1:
            raise RuntimeError("busy")
        return {"paid": True}

    service("take", take)  # type: ignore[operator]
    service("pay", pay)  # type: ignore[operator]
    site.save(
        "shop",
        call("take", "take", input={"order": "${input.order}"}),
        call("pay", "pay", "take", input={"order": "${input.order}"}),
        output={"taken": "${steps.take.output.taken}"},
    )
    started = [site.start("shop", order=f"o-{place}") for place in range(40)]
    for each in started:
        assert site.ended(each).status == "completed"
    return started


def test_it_fits_what_the_engine_recorded_and_simulates_that(shop: list[str], tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    assert "is written" in simulate(fit="shop", since="1h", out=file)
    document = yaml.safe_load(file.read_text())
    told = document["provenance"]
    assert (told["started"], told["read"], told["workflow"]) == (40, 40, "shop")
    service = document["services"]["s"]
    assert told["services"]["s"]["outcomes"]["shop.pay"] == {"completed": 40, "http_500": 4}
    assert service["failures"]["methods"] == {"pay": pytest.approx(4 / 44, abs=1e-6), "take": 0}
    assert service["output"] == {"taken": document["workloads"][0]["input"]["order"], "paid": True}
    result = json.loads(simulate(file=file, replications=2, json=True))
    assert result["provenance"]["data_hash"] == told["data_hash"]
    assert result["variants"][0]["workloads"]["shop"]["completed"]["mean"] > 0.9


def test_it_fills_a_scenario_of_the_lab_in_by_the_fit(shop: list[str], site: Site) -> None:
    filled = prefill(team_id=site.team, workflow="shop")
    assert "Times, failures and capacities are fitted to 40 of them." in filled.notes
    assert filled.document["services"]["s"]["failures"]["methods"] == {
        "pay": pytest.approx(4 / 44, abs=1e-6),
        "take": 0,
    }
    assert filled.document["workloads"][0]["arrivals"] == {"kind": "poisson", "per_second": 0.0111}
    assert planned(parse_document(text_of(filled.document)), folder=NOWHERE).expected["as-written"]["s"] < 1


def test_it_leaves_out_the_demo_and_other_windows(shop: list[str], site: Site) -> None:
    start_execution(team_id=site.team, workflow="shop", input={"order": "d"}, by="demo", correlation_id="demo")
    now = clock.now_us()
    assert len(history.starts(team_id=site.team, workflow="shop", since=now - HOUR, until=now).ids) == 40
    assert history.starts(team_id=site.team, workflow="shop", since=now - 2 * HOUR, until=now - HOUR).ids == ()


def test_it_reads_a_bounded_sample_in_even_blocks() -> None:
    ids = [str(place) for place in range(1000)]
    chosen = [int(each) for each in history.sample(ids, 100)]
    assert len(chosen) == 100
    assert (chosen[0], chosen[-1]) == (0, 999)
    assert sum(after - before == 1 for before, after in pairwise(chosen)) == 90
    assert history.sample(ids[:50], 100) == tuple(ids[:50])


def test_it_replays_a_window_and_scores_the_forecast(shop: list[str], tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("services: {s: {failures: {share: 0.5}}}")
    out = simulate(from_yesterday="shop", since="1h", policy=policy, replications=3, json=True)
    result = json.loads(out)
    scored = {each["measure"]: each for each in result["variants"][0]["scores"]}
    assert set(scored) == {"p50", "p95", "per_second"}
    assert scored["per_second"]["within"]
    assert scored["per_second"]["recorded"] == pytest.approx(40 / 3600)
    assert result["provenance"]["held_out"] is False
    assert result["variants"][1]["scores"] == []
    assert result["differences"]["changed"]["shop completed"]["mean"] < 0


@pytest.fixture
def slow(site: Site, service: object, shift: Shifts) -> list[str]:
    """Return three executions that made their first call and wait ten minutes for the second."""
    service("first", lambda input, context: {"first": True})  # type: ignore[operator]
    service("last", lambda input, context: {})  # type: ignore[operator]
    delay = {"id": "pause", "type": "delay", "duration": "10m", "dependencies": ["first"]}
    site.save("slow", call("first", "first"), delay, call("last", "last", "pause"))
    ids = [site.start("slow") for _ in range(3)]
    for each in ids:
        site.until(each, e.STEP_WAITING, "pause")
    return ids


def test_it_goes_on_from_now_in_the_middle_and_runs_nothing_again(site: Site, slow: list[str], tmp_path: Path) -> None:
    before = {each: site.journal(each) for each in slow}
    given = {"horizon": HOUR, "window": HOUR, "history": HOUR, "seed": 1, "slos": (), "change": None, "cap": 100}
    told = from_now(team_id=site.team, workflow="slow", **given)
    model = world_of(parse_scenario(told.document), tmp_path)
    model = type(model)(**{**_fields(model), "standing": standing_from(told.standing), "workloads": ()})
    world = World(model, seed=1, replication=0)
    world.shell.keep = True
    outcome = world.run()

    assert outcome.resumed is not None
    assert (outcome.resumed.count, outcome.resumed.open, outcome.resumed.good) == (3, 0, 3)
    for each in slow:
        went_on = [(entry.type, entry.step) for entry in world.shell.executions[each].journal]
        assert (e.STEP_STARTED, "first") not in went_on
        assert went_on == [
            (e.STEP_COMPLETED, "pause"), (e.STEP_STARTED, "last"), (e.STEP_COMPLETED, "last"),
            (e.WORKFLOW_COMPLETED, ""),
        ]  # fmt: skip
        assert site.journal(each) == before[each]
    # The timers keep their instants: the pauses end ten minutes after they really began.
    assert 590 < float(outcome.resumed.ended_at.max()) <= 605


def test_it_says_when_the_backlog_clears_under_a_change(slow: list[str], tmp_path: Path) -> None:
    change = tmp_path / "change.yaml"
    change.write_text("services: {s: {failures: {share: 0.3}}}\nslos: [{workload: slow, completed: 0.5}]")
    given = {"horizon": "20m", "window": "1h", "history": "1h", "change": change, "replications": 3, "json": True}
    result = json.loads(simulate(from_now="slow", **given))
    found = result["variants"][0]["forecast"]
    assert found["open_now"] == 3
    assert found["not_cleared_in"] == 0
    assert 580 < found["cleared"]["p05"] <= found["cleared"]["p95"] < 640
    assert found["open_over_time"]["p50"][0] == 3
    assert len(found["open_over_time"]["at"]) == 101
    assert result["variants"][0]["services"]["s"]["failed"]["mean"] > 0
    assert result["variants"][0]["slos"][0]["verdict"] in ("pass", "cannot tell yet", "fail")


def test_it_knows_what_is_pending_and_paused(site: Site, service: object, shift: Shifts, shop: list[str]) -> None:
    site.save("halt", {"id": "pause", "type": "delay", "duration": "10m"})
    paused = site.start("halt")
    site.until(paused, e.STEP_WAITING, "pause")
    site.act(paused, Pause())
    found = read_now(team_id=site.team, workflows=["halt"])
    wait_for(lambda: site.detail(paused).summary.status == "paused", what="the pause")
    assert found.count == 1
    assert [each["id"] for each in found.document["executions"]] == [paused]


def test_it_has_a_new_failure_share_hold_for_all_methods() -> None:
    document = {"services": {"s": {"failures": {"share": 0.1, "methods": {"pay": 0.2, "take": 0.0}}}}}
    assert changed(document, {"services": {"s": {"failures": {"share": 0.3}}}})["services"]["s"]["failures"] == {
        "share": 0.3
    }


def test_it_hands_out_no_secret_that_a_service_gave_away(
    site: Site, service: object, shift: Shifts, tmp_path: Path
) -> None:
    secret = 'a "quoted" key'
    set_secret(team_id=site.team, name="key", value=secret)
    service("open", lambda input, context: {"echo": input, "risk": input["key"]})  # type: ignore[operator]
    service("more", lambda input, context: {})  # type: ignore[operator]
    site.save(
        "vault",
        call("open", "open", input={"key": "${secrets.key}"}),
        call("more", "more", "open", condition="vars.risk != input.other"),
    )
    # Also who starts an execution may put one into its input.
    for place in range(3):
        assert site.ended(site.start("vault", other=f"{place} {secret}")).status == "completed"
    plain = json.dumps(secret)[1:-1]
    file = tmp_path / "vault.yaml"
    simulate(fit="vault", since="1h", out=file)
    told = from_now(
        team_id=site.team,
        workflow="vault",
        horizon=HOUR,
        window=HOUR,
        history=HOUR,
        seed=1,
        slos=(),
        change=None,
        cap=9,
    )
    answers = yaml.safe_load(file.read_text())["workloads"][0]["answers"]
    assert {each["risk"] for each in answers} == {HIDDEN}
    for text in (file.read_text(), json.dumps(told.document), json.dumps(told.standing)):
        assert plain not in text
        assert secret not in text


def test_it_predicts_each_window_from_those_before_it(
    site: Site, service: object, shift: Shifts, tmp_path: Path
) -> None:
    service("take", lambda input, context: {})  # type: ignore[operator]
    site.save("shop", call("take", "take"))
    begin = clock.now_us()
    bounds = []
    for _ in range(2):
        for each in [site.start("shop") for _ in range(40)]:
            assert site.ended(each).status == "completed"
        bounds.append(clock.now_us())
    # Two windows of one length, the first executions in the first, the others in the second.
    half = max(bounds[0] - begin, bounds[1] - bounds[0]) + 1
    given = {"since": format_instant(bounds[0] - half), "until": format_instant(bounds[0] + half), "seed": 3}
    out = tmp_path / "backtest.json"
    found = json.loads(simulate(fit="shop", backtest=2, replications=4, json=True, out=out, **given))
    assert json.loads(out.read_text()) == found
    (prediction,) = found["predictions"]
    assert (prediction["fitted_to"], prediction["recorded"]) == (40, 40)
    assert set(found["measures"]) == {"p50", "p95", "per_second"}
    assert found["measures"]["per_second"]["margin"] == 0.05
    assert found["measures"]["per_second"]["verdict"] == "not shown"
    assert sum(each["recorded"] for each in prediction["points"] if each["measure"] == "ended") == 40
    assert "neither equal nor unequal" not in (told := simulate(fit="shop", backtest=2, replications=4, **given))
    assert "one window shows nothing of ±5%" in told


def test_it_reads_what_is_left_of_budgets_and_circuits(site: Site, shop: list[str]) -> None:
    row = Service.objects.create(team_id=site.team, name="s", created_at=clock.now())
    sharing.publish(row.pk, Verdict(3, "open", until=clock.now_us() + HOUR, openings=2))
    told = from_now(
        team_id=site.team,
        workflow="shop",
        horizon=HOUR,
        window=HOUR,
        history=HOUR,
        seed=1,
        slos=(),
        change=None,
        cap=99,
    )
    gate = standing_from(told.standing).gates["s"]
    assert (gate.verdict.state, gate.verdict.openings) == ("open", 2)
    assert len(gate.calls) == 84
    assert sum(each.number > 1 for each in gate.calls) == 4
    # To its gate the failure of a service in this process says nothing, as in the engine.
    assert [each.failed for each in gate.calls].count(None) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fit": "nobody", "since": "1h"}, "there is no workflow 'nobody'"),
        ({"fit": "shop"}, "--from: say where the window begins"),
        ({"fit": "shop", "since": "soon"}, "'soon' is no instant"),
        ({"fit": "shop", "since": "1h", "until": "2h"}, "ends before it begins"),
        ({"fit": "shop", "from_now": "shop", "since": "1h"}, "only one of"),
        ({"backtest": 3, "since": "1h"}, "say with --fit which workflow"),
        ({"fit": "shop", "since": "1h", "promise": "fast"}, "'fast' is not one of"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_it_says_what_is_wrong_with_what_was_asked(options: dict[str, str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        simulate(**options)


def _fields(model: object) -> dict[str, object]:
    return {name: getattr(model, name) for name in model.__slots__}  # type: ignore[attr-defined]
