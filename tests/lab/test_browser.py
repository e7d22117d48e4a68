"""The lab in a real browser, over the whole platform: one question is answered before one's eyes, one cancelled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from tests.dashboard.browsing import PATIENCE, Browser, Site, browsing
from tests.lab.scenarios import LONG, QUICK
from tests.sites import own_site
from tests.waiting import wait_for

pytestmark = [pytest.mark.needs_chromium, pytest.mark.slow, pytest.mark.xdist_group("browser")]
STAMP = "document.getElementById('run').dataset.stamp"
FILE = "document.getElementById('text').value = arguments[0]"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the platform with its demo for all tests of this file."""
    from tests.servers import need

    need("chromium")
    data_dir = tmp_path_factory.mktemp("site") / "data"
    with own_site(data_dir) as environment:
        site = Site(environment, data_dir)
        site.up()
        yield site
        site.down()


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    with browsing(site) as browser:
        browser.log_in()
        browser.complaints()
        yield browser
        assert not browser.complaints()


def _simulated(browser: Browser, text: str, name: str, **fields: str) -> None:
    """Put a scenario into the form, change fields by hand, and press Simulate."""
    browser.open("/lab/new")
    browser.click("details.inset > summary")
    browser.ask(FILE, text)
    browser.click("button[value=file]")
    browser.until("return document.getElementById('text').value.startsWith('scenario: quick')", "the file to be taken")
    for selector, value in {"#name": name, **fields}.items():
        field = browser.one(selector)
        field.clear()
        field.send_keys(value)
    browser.click(".acts button.main")
    wait_for(lambda: "/lab/runs/" in browser.driver.current_url, what="the simulation's page", timeout=PATIENCE)


def test_it_fills_the_form_and_sees_the_answer_come_in_without_a_reload(browser: Browser):
    _simulated(browser, QUICK, "Quick", **{"#f-services-payment-instances": "2"})
    browser.ask("window.stayed = true; window.stamps = new Set()")

    def ended() -> bool:
        browser.ask(f"window.stamps.add({STAMP})")
        return bool(browser.ask("return document.getElementById('run').dataset.active === 'no'"))

    wait_for(ended, what="the end", timeout=3 * PATIENCE, pause=0.1)
    assert browser.ask("return window.stayed"), "the page was not loaded again"
    assert browser.ask("return window.stamps.size") >= 3, "it changed while it ran"
    assert "It holds" in browser.text("#answer .sentence")
    assert browser.text("#live-words") == "Ended"
    assert browser.one("svg.curve").is_displayed()
    assert "payment" in browser.text("#resources")
    assert browser.ask("return document.getElementById('cancel')") is None
    assert "It holds" in browser.ask("return document.getElementById('announcer').textContent")
    browser.open("/lab")
    assert "Quick" in browser.text("#runs-body")


def test_it_cancels_what_takes_too_long_and_says_where_updates_rest(browser: Browser):
    _simulated(browser, LONG, "Long")
    browser.until("return document.querySelector('#answer .state').textContent === 'Running'", "it to run")
    assert browser.text("#live-words") == "Updated every second"
    browser.click("#live-pause")
    assert browser.text("#live-words").startswith("Paused since")
    browser.click("#live-pause")
    browser.click("#cancel")
    browser.until("return document.querySelector('#answer .state').textContent === 'Cancelled'", "the cancel")
    assert "What was told so far stays." in browser.text("main")


def test_it_asks_what_it_depends_on_by_keyboard_and_sees_the_bars(browser: Browser):
    browser.open("/lab/new")
    browser.one("#ask-compare").send_keys(Keys.ARROW_DOWN)
    assert browser.ask("return document.querySelector('[name=ask-kind]:checked').value") == "sensitivity"
    browser.click(".acts button.main")
    wait_for(lambda: "/lab/runs/" in browser.driver.current_url, what="the simulation's page", timeout=PATIENCE)
    wait_for(
        lambda: browser.ask("return document.getElementById('run').dataset.active === 'no'"),
        what="the end",
        timeout=6 * PATIENCE,
        pause=0.1,
    )
    assert "depends most on" in browser.text("#answer .sentence")
    bars = browser.one(".drawn svg")
    assert bars.is_displayed()
    assert "20 % less" in (bars.get_attribute("aria-label") or "")
    assert "elasticity" in browser.text("table.told thead")
    size = {"width": 320, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert browser.ask("return document.documentElement.scrollWidth") <= 320


def test_it_fits_a_screen_of_320_pixels(browser: Browser, site: Site):
    size = {"width": 320, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    _simulated(browser, QUICK, "Narrow")
    address = browser.driver.current_url.removeprefix(site.address)
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wait_for(
        lambda: browser.ask("return document.getElementById('run').dataset.active === 'no'"),
        what="the end",
        timeout=3 * PATIENCE,
        pause=0.1,
    )
    for path in ("/lab", "/lab/new?workflow=order-processing", address):
        browser.open(path)
        assert browser.ask("return document.documentElement.scrollWidth") <= 320, path
