"""The pages in a real browser, over the whole platform: what people see without reloading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.words.times import countdown_words, elapsed_words
from tests.dashboard import fakes
from tests.dashboard.browsing import PATIENCE, Browser, Site, browsing
from tests.sites import own_site
from tests.waiting import wait_for

pytestmark = [pytest.mark.needs_chromium, pytest.mark.slow, pytest.mark.xdist_group("browser")]
PAGES = ("/", "/executions", "/workflows", "/workflows/order-processing", "/services")
GATE = {
    "id": "gate",
    "steps": [
        {"id": "hold", "type": "wait", "signal": "go"},
        {"id": "next", "type": "delay", "duration": "50ms", "dependencies": ["hold"]},
    ],
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Site]:
    """Run the platform with its demo for all tests of this file."""
    from tests.servers import need

    need("chromium")
    data_dir = tmp_path_factory.mktemp("site") / "data"
    with own_site(data_dir) as environment:
        site = Site(environment, data_dir)
        site.up()
        site.api("workflows", GATE)
        yield site
        site.down()


@pytest.fixture(scope="module")
def window(site: Site) -> Iterator[Browser]:
    with browsing(site) as browser:
        browser.log_in()
        yield browser


@pytest.fixture
def browser(window: Browser) -> Iterator[Browser]:
    """Give the window; at the end nothing may have complained."""
    window.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    window.complaints()
    yield window
    assert not window.complaints()


def _signal(site: Site, execution_id: str) -> None:
    site.api(f"executions/{execution_id}/signals/go", {"value": {"ok": True}})


def _held(browser: Browser, site: Site) -> str:
    """Start an execution that waits, open its page, and wait until it shows that."""
    execution_id = site.start("gate")
    browser.open_live(f"/executions/{execution_id}")
    browser.until("return document.getElementById('step-hold')?.dataset.state === 'waiting'", "the wait")
    return execution_id


def test_it_starts_the_demo_order_and_sees_its_steps_complete_without_a_reload(browser: Browser):
    browser.open("/workflows/order-processing")
    browser.click("form.start button.main")
    wait_for(lambda: "/executions/" in browser.driver.current_url, what="the execution's page", timeout=PATIENCE)
    browser.ask("window.stayed = true")
    seen: list[dict[str, str]] = []

    def done() -> bool:
        states = browser.states("steps-body")
        if states and (not seen or seen[-1] != states):
            seen.append(states)
        return bool(states) and all(state in {"completed", "cancelled"} for state in states.values())

    wait_for(done, what="all steps to be completed", timeout=PATIENCE, pause=0.05)
    browser.until("return document.getElementById('head').dataset.state === 'completed'", "the end")
    assert browser.ask("return window.stayed")
    assert any("running" in states.values() for states in seen)
    assert len(seen) >= 3, "the page changed step by step"
    assert browser.attribute("#node-create-shipment", "class") == "node leaf good state-completed"
    assert "Workflow completed" in browser.text("#events-body tr")
    assert "transaction_id" in browser.text("#output") or "{" in browser.text("#output pre")
    assert not browser.driver.find_elements("css selector", "#acts button")


def test_it_changes_rows_in_place_and_holds_arrivals_back(browser: Browser, site: Site):
    first = site.start("gate")
    wait_for(lambda: site.api(f"executions/{first}")["status"] == "running", what="the execution to run")
    browser.open_live("/executions?workflow=gate")
    order = list(browser.states("executions-body"))
    assert order[0] == f"execution-{first}"
    browser.ask("document.querySelector('#executions-body .row-link').focus()")
    second = site.start("gate")
    browser.until("return document.querySelector('#arrivals:not([hidden])')?.textContent === '1 new'", "the arrival")
    _signal(site, first)
    browser.until(
        "return document.getElementById(arguments[0]).dataset.state === 'completed'", "the row", f"execution-{first}"
    )
    assert list(browser.states("executions-body")) == order
    assert browser.ask("return document.activeElement === document.querySelector('#executions-body .row-link')")
    assert "Completed" in browser.text("#strip")
    browser.click("#arrivals a")
    wait_for(lambda: f"execution-{second}" in browser.states("executions-body"), what="the new page", timeout=PATIENCE)


def test_it_rests_while_it_is_paused_and_then_shows_what_it_missed(browser: Browser, site: Site):
    execution_id = _held(browser, site)
    browser.click("#live-pause")
    assert browser.attribute("#live-pause", "aria-pressed") == "true"
    assert browser.text("#live-words").startswith("Paused since")
    elapsed = browser.text("#head [data-since]")
    _signal(site, execution_id)
    wait_for(lambda: site.api(f"executions/{execution_id}")["status"] == "completed", what="the end")
    assert browser.states("steps-body")["step-hold"] == "waiting"
    assert browser.text("#head [data-since]") == elapsed
    browser.click("#live-pause")
    browser.until("return document.getElementById('head').dataset.state === 'completed'", "what was missed")
    browser.until_live()


def test_it_counts_on_only_while_it_is_live(browser: Browser, site: Site):
    _held(browser, site)
    before = browser.text("#head [data-since]")
    wait_for(lambda: browser.text("#head [data-since]") != before, what="the clock", timeout=PATIENCE)
    width = "return parseFloat(document.querySelector('rect[data-from]').getAttribute('width'))"
    narrow = browser.ask(width)
    wait_for(lambda: browser.ask(width) != narrow, what="the bar to grow", timeout=PATIENCE)


def test_it_acts_from_the_page(browser: Browser, site: Site):
    _held(browser, site)
    browser.click("#act-signal-box summary")
    assert browser.attribute("#signal-name", "value") == "go"
    browser.driver.find_element("css selector", "#signal-value").clear()
    browser.one("#signal-value").send_keys('{"approved": true}')
    browser.click("#act-signal-box button.main")
    browser.until("return document.querySelector('.flash')?.textContent.includes('The signal is sent.')", "the word")
    browser.until("return document.getElementById('head').dataset.state === 'completed'", "the end")


def test_it_keeps_what_is_typed_while_the_page_changes(browser: Browser, site: Site):
    execution_id = _held(browser, site)
    browser.click("#act-signal-box summary")
    browser.one("#signal-value").send_keys("typed")
    site.api(f"executions/{execution_id}/pause", {})
    browser.until("return document.getElementById('head').dataset.state === 'paused'", "the pause")
    assert browser.ask("return document.getElementById('act-signal-box').open")
    assert "typed" in browser.ask("return document.getElementById('signal-value').value")
    assert browser.ask("return document.activeElement.id") == "signal-value"
    assert "Resume" in browser.text("#acts")


def test_it_says_that_it_is_stale_and_recovers_by_itself(browser: Browser, site: Site):
    execution_id = _held(browser, site)
    site.down()
    browser.until("return document.getElementById('live-words').textContent.startsWith('Stale since')", "the loss")
    assert "Live updates are lost" in browser.ask("return document.getElementById('alarm').textContent")
    elapsed = browser.text("#head [data-since]")
    browser.until("return Date.now() > arguments[0]", "time to pass", browser.ask("return Date.now() + 2200"))
    assert browser.text("#head [data-since]") == elapsed
    site.up()
    browser.until_live()
    _signal(site, execution_id)
    browser.until("return document.getElementById('head').dataset.state === 'completed'", "the end")
    # The browser complains of the refused connections, as it should.
    browser.complaints()


def test_it_moves_through_the_graph_by_arrow_keys(browser: Browser):
    from selenium.webdriver.common.keys import Keys

    browser.open("/workflows/order-processing")
    browser.ask("document.querySelector('a.node').focus()")
    ids = []
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.END, Keys.HOME):
        browser.driver.switch_to.active_element.send_keys(key)
        ids.append(browser.ask("return document.activeElement.id"))
    assert ids[:3] == ["node-reserve-inventory", "node-authorize-payment", "node-reserve-inventory"]
    assert ids[4] == "node-validate-order"
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    wait_for(lambda: browser.driver.current_url.endswith("#step-validate-order"), what="the row", timeout=PATIENCE)


def test_it_fits_a_screen_of_320_pixels(browser: Browser, site: Site):
    size = {"width": 320, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for path in (*PAGES, f"/executions/{site.start('gate')}"):
        browser.open(path)
        assert browser.ask("return document.documentElement.scrollWidth") <= 320, path


def test_it_shows_markup_in_live_texts_as_text(browser: Browser, site: Site):
    hostile = {
        "id": "hostile",
        "name": fakes.HOSTILE,
        "steps": [
            {"id": "hold", "type": "wait", "signal": "go", "name": fakes.HOSTILE},
            {
                "id": "call",
                "type": "service",
                "service_name": "nowhere",
                "method": fakes.HOSTILE,
                "name": fakes.HOSTILE,
                "dependencies": ["hold"],
                "retry": {"max_attempts": 1},
            },
        ],
    }
    site.api("workflows", hostile)
    execution_id = site.start("hostile", note=fakes.HOSTILE)
    browser.open_live(f"/executions/{execution_id}")
    browser.until("return document.getElementById('step-hold')?.dataset.state === 'waiting'", "the wait")
    site.api(f"executions/{execution_id}/signals/go", {"value": fakes.HOSTILE})
    browser.until("return document.getElementById('head').dataset.state === 'failed'", "the end")
    assert browser.ask("return document.querySelectorAll('main script, main img').length") == 0
    assert fakes.HOSTILE in browser.text("#step-call .row-link")
    browser.open_live("/executions")
    assert browser.ask("return document.querySelectorAll('main script, main img').length") == 0


def test_it_says_durations_as_the_server_does(browser: Browser):
    browser.open("/services")
    values = [0, 999_999, 6_000_001, 70_000_000, 7_500_000_000, 273_600_000_000]
    script = """
        const [values, done] = arguments;
        import("/static/dashboard/words.js").then((words) =>
          done(values.map((us) => [words.elapsed(us), words.countdown(us), words.countdown(-us)])));
    """
    said = browser.driver.execute_async_script(script, values)
    assert said == [[elapsed_words(us), countdown_words(us), countdown_words(-us)] for us in values]


def test_it_follows_the_system_into_the_dark_and_remembers_another_choice(browser: Browser):
    def ground() -> Any:
        return browser.ask("return getComputedStyle(document.body).backgroundColor")

    light, dark = "rgb(245, 246, 248)", "rgb(15, 20, 26)"
    browser.open("/services")
    assert ground() == light
    media = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    assert ground() == dark
    browser.click("button[value=light]")
    wait_for(lambda: ground() == light, what="the light", timeout=PATIENCE)
    browser.open("/executions")
    assert ground() == light
    browser.click("button[value=system]")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_it_works_without_scripts_and_says_that_it_is_not_live(site: Site):
    with browsing(site, scripts=False) as browser:
        browser.log_in()
        execution_id = site.start("gate")
        wait_for(lambda: site.api(f"executions/{execution_id}")["status"] == "running", what="it to run")
        browser.open(f"/executions/{execution_id}")
        assert browser.text("#live").split("\n")[0] == "Not live"
        assert "Reload to see what changed." in browser.text("#live")
        assert not browser.one("#live-pause").is_displayed()
        browser.click("#act-cancel-box summary")
        browser.click("#act-cancel-box button.main")
        wait_for(lambda: "Cancelled." in browser.text("main"), what="the word", timeout=PATIENCE)
        assert "Times are UTC" in browser.text("footer")
