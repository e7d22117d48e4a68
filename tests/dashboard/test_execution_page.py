"""The page of an execution, as its presenters make it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.graph.layout import lay_out
from dashboard.graph.shape import shapes_of
from dashboard.presenters.execution import ExecutionPage, execution_page
from dashboard.presenters.executions import execution_row
from dashboard.presenters.journal import event_row
from dashboard.presenters.steps import PAGE
from dashboard.words.reasons import REASON_WORDS
from orchestration.domain.postponement import REASONS
from orchestration.engine.queries import ExecutionDetail, JournalEntry, WaitView
from tests.dashboard import fakes

LAYOUT = lay_out(shapes_of(fakes.definition().steps))


def _page(detail: ExecutionDetail, **more: object) -> ExecutionPage:
    return execution_page(detail, fakes.events(), LAYOUT, now=fakes.NOW_US, **more)  # type: ignore[arg-type]


def test_it_says_why_an_execution_waits():
    banner = _page(fakes.detail()).banners[0]
    assert banner.title == "Waiting to try payment.primary again"
    assert banner.until_words == "in 7 s"
    assert banner.href == "#step-payment.primary"
    assert len(_page(fakes.detail()).banners) == 1


def test_it_says_once_that_an_execution_is_paused():
    waits = tuple(WaitView("resume", step, None, "") for step in ("", "invoice", "e-mail"))
    page = _page(fakes.detail(summary=fakes.summary(status="paused"), waiting_for=waits))
    assert [banner.title for banner in page.banners] == ["Paused"]
    assert page.acts.resume
    assert not page.acts.pause


def test_it_says_which_service_is_waited_for_and_when_it_is_asked_again():
    why = "waits for a healthy instance of payment: none of the 2 instances of 'payment' is usable"
    wait = WaitView("postponed", "payment.primary", fakes.after(54), why, "no_healthy_instance")
    [banner] = _page(fakes.detail(waiting_for=(wait,))).banners
    assert banner.title == "payment.primary waits for its service, asked again"
    assert (banner.until_words, banner.text, banner.hue) == ("in 13 s", why, "attention")
    assert banner.href == "#step-payment.primary"


def test_it_counts_down_to_the_next_question_in_the_row_of_a_postponed_step():
    waiting = replace(fakes.step("invoice", "waiting", 30.0, next_attempt_at=fakes.after(54)), tries=())
    [row] = [row for row in _page(fakes.detail(steps=(waiting,))).table.rows if row.path == "invoice"]
    assert (row.took, row.look.word, row.attempts) == ("in 13 s", "Waiting", "1")


def test_it_tells_of_a_postponed_attempt_why_and_when_it_is_asked_for_again():
    data = {"attempt": 1, "reason": "circuit_open", "message": "4 of 5 failed", "until": fakes.NOW_US + 30_000_000}
    row = event_row(JournalEntry(7, "step.postponed", fakes.after(41.8), "payment", data))
    assert (row.what, row.icon) == ("Step postponed", "waiting")
    assert row.detail == "attempt 1 · again in 30.0 s · 4 of 5 failed · the circuit is open"


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_it_has_words_for_every_reason(reason):
    assert REASON_WORDS[reason]


def test_it_sums_up_reasons_beyond_the_third():
    waits = tuple(WaitView("slot", "invoice", None, "") for _ in range(7))
    page = _page(fakes.detail(waiting_for=waits))
    assert [banner.title for banner in page.banners[3:]] == ["4 more wait"]
    assert page.banners[3].text == "4 for slot"


def test_it_offers_what_fits_the_state():
    running = _page(fakes.detail()).acts
    assert running.pause
    assert running.cancel == "2 steps in progress will be stopped, 4 will not run."
    assert running.undo == "First undo what was completed (1 compensation)"
    assert not running.retry
    failed = _page(fakes.failed_detail()).acts
    assert not failed.pause
    assert not failed.cancel
    assert failed.retry.startswith("Runs again from payment")
    done = _page(fakes.done_detail()).acts
    assert not any((done.pause, done.resume, done.cancel, done.retry, done.signal))


def test_it_lets_a_set_aside_execution_be_resumed():
    waits = (WaitView("quarantined", "", None, "every worker that took it died"),)
    summary = fakes.summary(status="paused", quarantined=True, error={"code": "quarantined", "message": "it died"})
    page = _page(fakes.detail(summary=summary, waiting_for=waits))
    assert page.head.look.word == execution_row(summary, now=fakes.NOW_US).look.word == "Quarantined"
    assert [banner.text for banner in page.banners] == ["every worker that took it died"]
    assert page.acts.resume
    assert page.banners[0].hue == "bad"


def test_it_names_the_step_that_failed_and_leads_to_it():
    page = _page(fakes.failed_detail())
    assert (page.banners[0].title, page.banners[0].href) == ("payment failed", "#step-payment")
    assert page.banners[0].text == "payment_declined: card 4242 was declined"


def test_it_draws_waiting_running_and_each_attempt_as_bars_of_their_own():
    rows = {row.path: row for row in _page(fakes.detail()).table.rows}
    assert [bar.css for bar in rows["reserve-inventory"].bars] == ["queued", "run completed"]
    assert [bar.css for bar in rows["payment.primary"].bars] == ["run tried", "gap", "run tried", "gap"]
    assert [bar.css for bar in rows["payment.backup"].bars] == ["run running"]
    assert [bar.css for bar in rows["payment"].bars] == ["span running"]
    assert rows["payment.backup"].bars[0].since is not None
    assert rows["create-shipment"].bars == ()
    assert (rows["payment.primary"].took, rows["payment.primary"].until) == ("in 7 s", fakes.NOW_US + 6_200_000)


def test_it_keeps_every_bar_on_the_sheet():
    for detail in (fakes.detail(), fakes.failed_detail(), fakes.done_detail()):
        for row in _page(detail).table.rows:
            for bar in row.bars:
                x, width = float(bar.x[:-1]), float(bar.width[:-1])
                assert x >= 0
                assert width > 0
                assert x + width <= 100.01


def test_it_runs_no_clock_once_it_has_ended():
    page = _page(fakes.done_detail())
    assert not any(row.since or row.until or any(bar.since for bar in row.bars) for row in page.table.rows)
    assert not any(fact.since for fact in page.head.facts)
    assert [fact.value for fact in page.head.facts[:2]] == ["46.3 s", "8 of 8"]


def test_it_pages_a_long_table_and_leads_the_graph_to_the_right_page():
    steps = tuple(fakes.step(f"task_{place}_0") for place in range(250))
    definition = fakes.definition(fakes.big_document(1, 250))
    detail = fakes.detail(steps=steps, definition=definition)
    layout = lay_out(shapes_of(definition.steps))
    page = execution_page(detail, (), layout, now=fakes.NOW_US, begin=130)
    place = page.table.place
    assert (place.first, place.last, place.total, place.before, place.after) == (101, 200, 250, 0, 200)
    assert len(page.table.rows) == PAGE
    hrefs = {node.href for node in page.picture.nodes}
    assert "?from=0#step-task_0_0" in hrefs
    assert "#step-task_150_0" in hrefs
    assert _page(fakes.detail(), begin=10**7).table.begin == 0


def test_it_shows_one_step_in_full():
    detail = _page(fakes.failed_detail(), chosen="payment").detail
    assert detail is not None
    assert detail.again
    assert detail.error is not None
    assert "4242" in detail.error.text
    nested = _page(fakes.detail(), chosen="payment.primary").detail
    assert nested is not None
    assert not nested.again
    assert [each.error for each in nested.tries] == ["http_503: upstream is busy"] * 2
    assert _page(fakes.detail(), chosen="nobody").detail is None


def test_it_tells_the_journal_newest_first_with_what_matters():
    rows = _page(fakes.detail()).events
    assert [row.seq for row in rows[:3]] == [11, 10, 9]
    assert rows[0].detail == "attempt 2 · http_503: upstream is busy · again in 13.0 s"
    assert rows[-1].what == "Workflow started"


def test_it_indents_by_nesting_and_names_iterations():
    step = replace(
        fakes.step("users[3].charge", "running", 1), id="charge", name="charge", index=3, depth=1, parent="users"
    )
    row = _page(fakes.detail(steps=(step,))).table.rows[0]
    assert (row.depth, row.aside, row.anchor) == (1, "[3]", "step-users.3.charge")
